"""Every kind of static page in Chromium: hostile text never runs, and pages are accessible."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.pages.hostile import EVIL

KINDS = (
    *("runs", "pipelines", "days", "day", "run report", "pipeline", "nights", "verdict"),
    *("night report", "datasets", "dataset", "quicklook nights", "quicklook night"),
    *(
        "quicklook observation",
        "quicklook masters",
        "time series",
        "time series index",
        "reorganised",
        "scorecard",
    ),
)
AXE = "async () => (await axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']})).violations.map(v => `${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map(n => n.html.slice(0, 200) + ' ' + (n.any[0]?.message ?? n.all[0]?.message ?? '')).join(' | ')}`)"  # noqa: E501
BREAK_IN = """() => {
  const script = document.createElement("script");
  script.textContent = "window.hacked = 2";
  document.body.append(script);
  document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.hacked = 3'>");
}"""
SIZES = {"laptop": (1366, 850), "phone": (390, 844)}

pytestmark = pytest.mark.browser
every_kind = pytest.mark.parametrize("kind", KINDS)


class Visit:
    """An open page, its messages and its requests."""

    def __init__(self, context: Any, path: Path) -> None:
        self.messages: list[str] = []
        self.requests: list[str] = []
        self.page = context.new_page()
        self.page.on("console", lambda message: self.messages.append(message.text))
        self.page.on("pageerror", lambda error: self.messages.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.messages.append("a dialog"), dialog.dismiss()))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_timeout(50)


@pytest.fixture
def visit(chromium: Any, site: dict[str, Path]) -> Iterator[Any]:
    """Opens a page by its kind, in a theme and a size."""
    contexts = []

    def open_page(kind: str, theme: str = "light", size: str = "laptop") -> Visit:
        width, height = SIZES[size]
        viewport = {"width": width, "height": height}
        context = chromium.new_context(viewport=viewport, color_scheme=theme)
        contexts.append(context)
        return Visit(context, site[kind])

    yield open_page
    for context in contexts:
        context.close()


def test_all_kinds_are_visited(site: dict[str, Path]) -> None:
    assert set(site) == set(KINDS)


@every_kind
def test_hostile_text_does_not_run_and_the_policy_would_stop_it(visit: Any, kind: str) -> None:
    visited = visit(kind)
    page = visited.page
    assert page.evaluate("window.hacked") is None
    assert visited.messages == []
    assert [url for url in visited.requests if not url.startswith(("file:", "data:"))] == []
    odd = "[onerror], [onload], script:not([src]), svg[onload], iframe, img[src='x']"
    assert page.locator(odd).count() == 0
    policy = page.locator("meta[http-equiv='Content-Security-Policy']").get_attribute("content")
    assert "unsafe" not in policy
    page.evaluate(BREAK_IN)
    page.wait_for_timeout(50)
    assert page.evaluate("window.hacked") is None
    assert any("Content Security Policy" in text for text in visited.messages)


@every_kind
@pytest.mark.parametrize(("theme", "size"), [("light", "laptop"), ("dark", "phone")])
def test_it_is_accessible(visit: Any, kind: str, theme: str, size: str) -> None:
    from axe_playwright_python.base import AXE_FILE_PATH

    visited = visit(kind, theme, size)
    visited.page.evaluate(Path(AXE_FILE_PATH).read_text(encoding="utf-8"))
    assert visited.page.evaluate(AXE) == []
    # Nothing is wider than the screen, except boxes that scroll
    assert visited.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


@pytest.fixture
def served(site: dict[str, Path]) -> Iterator[str]:
    """The runs directory behind a web server that has its own strict policy."""

    class Strict(SimpleHTTPRequestHandler):
        def end_headers(self) -> None:
            self.send_header("Content-Security-Policy", "default-src 'self'")
            super().end_headers()

        def do_GET(self) -> None:
            if self.path == "/favicon.ico":
                self.send_response(204)
                self.end_headers()
                return
            super().do_GET()

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    handler = partial(Strict, directory=str(site["runs"].parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_the_site_works_from_a_strict_web_server(chromium: Any, served: str) -> None:
    page = chromium.new_page()
    messages: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    page.goto(f"{served}/index.html#outcome=failed")
    page.get_by_role("status").filter(has_text="2 of 14 runs").wait_for()
    page.goto(f"{served}/pipelines.html")
    assert page.evaluate("getComputedStyle(document.querySelector('.card')).borderRadius") == "10px"
    assert messages == []
    page.close()


def test_failed_runs_are_one_click_away_and_come_first_if_asked(visit: Any) -> None:
    from playwright.sync_api import expect

    visited = visit("runs")
    page = visited.page
    page.get_by_label("Order").select_option("failures first")
    expect(page.get_by_role("status")).to_have_text("14 of 14 runs")
    words = [text.split()[-1] for text in page.locator("#runs td .badge").all_inner_texts()]
    assert set(words[:6]) == {"failed", "crashed", "partial"}
    page.get_by_role("button", name="failed").click()
    expect(page.get_by_role("status")).to_have_text("2 of 14 runs")
    page.get_by_label("Outcome").select_option("needs attention")
    expect(page.get_by_role("status")).to_have_text("6 of 14 runs")
    assert visited.messages == []


def test_runs_are_searched_filtered_and_shown_as_text(visit: Any) -> None:
    from playwright.sync_api import expect

    visited = visit("runs")
    page = visited.page
    status = page.get_by_role("status")
    total = status.inner_text()
    page.get_by_label("Search").fill("progress onerror")
    status.filter(has_text="of").wait_for()
    page.get_by_label("Outcome").select_option("failed")
    expect(status).to_have_text("1 of 14 runs")
    row = page.locator("#runs tbody tr")
    assert row.count() == 1
    assert EVIL[:20] in row.inner_text()
    href = row.get_by_role("link", name="report").get_attribute("href")
    page.reload()
    expect(status).to_have_text("1 of 14 runs")
    assert page.evaluate("window.hacked") is None
    page.get_by_role("button", name="Clear").click()
    expect(status).to_have_text(total)
    assert visited.messages == []
    page.goto(page.url.partition("#")[0].rpartition("/")[0] + "/" + href)
    assert page.title() == "x"
