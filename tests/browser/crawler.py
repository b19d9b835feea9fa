"""Follows every link of pages, from disk or on a server, and looks at pages in a browser."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urlsplit

LINKS = {"a": "href", "img": "src", "link": "href", "script": "src", "source": "src"}
OUTSIDE = ("http:", "https:", "mailto:", "data:")
PAGES_OF_A_KIND = 3
"""So many pages that differ only in their numbers are opened in the browser."""

UNSEEN = """async () => {
  for (const image of document.images) {
    image.loading = "eager";
    await image.decode().catch(() => {});
  }
  const broken = [...document.images].filter(image => !image.naturalWidth)
    .map(image => "broken picture " + image.getAttribute("src").slice(0, 100));
  const font = getComputedStyle(document.body).fontFamily;
  return /times/i.test(font) ? [...broken, "no style sheet: " + font] : broken;
}"""


class LinkParser(HTMLParser):
    """The links of a page, and the anchors to which links of the page may lead."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.anchors |= {values.get("id") or "", values.get("name") or ""}
        link = values.get(LINKS.get(tag, ""))
        if link and not link.startswith(OUTSIDE):
            self.links.append(link)


@dataclass
class Crawl:
    """What was found: the pages, and what is wrong with a link and where it stands."""

    pages: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def pages_of_each_kind(self) -> list[str]:
        """Some pages of each kind: pages of a kind differ only in their numbers."""
        kinds: dict[str, list[str]] = {}
        for page in self.pages:
            kinds.setdefault(re.sub(r"[0-9a-f]*\d+[0-9a-f]*", "0", page), []).append(page)
        return [page for group in kinds.values() for page in group[:PAGES_OF_A_KIND]]


def crawl(starts: Iterable[str], read: Callable[[str], str | None]) -> Crawl:
    """Follow all links from some paths of URLs.

    read : takes a path as a URL has it; returns the text of a page, '' for another file, and raises
        `LookupError` if there is none
    """
    found = Crawl()
    waiting = [(start, "the start") for start in starts]
    seen = {start for start, _ in waiting}
    while waiting:
        path, source = waiting.pop()
        try:
            text = read(path)
        except LookupError as error:
            found.problems.append(f"{path} in {source}: {error}")
            continue
        if not text:
            continue
        found.pages.append(path)
        parser = LinkParser()
        parser.feed(text)
        for link in parser.links:
            target, fragment = urldefrag(link)
            if fragment and not target and unquote(fragment) not in parser.anchors:
                found.problems.append(f"#{fragment} in {path}: no such place")
            absolute = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
            absolute += "/" if target.endswith("/") else ""
            if target and absolute not in seen:
                seen.add(absolute)
                waiting.append((absolute, path))
    return found


def read_from_disk(path: str) -> str:
    """The page in a file: what a browser shows of a directory is not a page of ours."""
    file = Path(unquote(urlsplit(path).path))
    if not file.is_file():
        raise LookupError("a directory" if file.is_dir() else "no such file")
    return file.read_text(encoding="utf-8") if file.suffix == ".html" else ""


def look_at(page: Any, address: str) -> list[str]:
    """Open a page: its errors, what it can't load, broken pictures, a missing style."""
    problems: list[str] = []
    handlers = {
        "pageerror": lambda error: problems.append(str(error)),
        "console": lambda line: problems.append(line.text) if line.type == "error" else None,
        "requestfailed": lambda request: problems.append(f"not loaded: {request.url}"),
        "response": lambda answer: (
            problems.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None
        ),
    }
    for event, handler in handlers.items():
        page.on(event, handler)
    page.goto(address)
    problems += page.evaluate(UNSEEN)
    for event, handler in handlers.items():
        page.remove_listener(event, handler)
    return [f"{address}: {problem}" for problem in problems]
