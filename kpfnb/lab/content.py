"""What JupyterLab's server sends of a file: its type, its policy, and actions as links.

Scripts run only on the pages of the runs, the quicklook and the scorecard, which have their own
by kpfnb.
Everything else of a user's files is shown without scripts, or downloaded.
"""

from __future__ import annotations

import html
import re
from pathlib import Path
from urllib.parse import quote

from kpfnb.core.settings import Settings
from kpfnb.notebook.links import OPEN

HTML_TYPE = "text/html; charset=utf-8"
TEXT_TYPE = "text/plain; charset=utf-8"
DOWNLOAD_TYPE = "application/octet-stream"
SCRIPT_TYPE = "text/javascript; charset=utf-8"

TYPES = {
    ".html": HTML_TYPE,
    ".css": "text/css; charset=utf-8",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".svg": "image/svg+xml",
    ".pdf": "application/pdf",
    ".json": "application/json",
}
TEXT_SUFFIXES = {
    ".txt", ".log", ".csv", ".tsv", ".yml", ".yaml", ".toml", ".md", ".rst", ".par", ".pypeit",
    ".calib", ".sorted", ".obslog", ".collate1d", ".coadd2d", ".sens", ".flux", ".cfg", ".ini",
    ".dat", ".lst", ".js", ".htm", ".xml",
}  # fmt: skip
"""Shown as they are written. HTML and scripts that are not kpfnb's are among them."""
INLINE_WITHOUT_SUFFIX = ("README", "SHA256SUMS")

RUNS_SCRIPT, DATA_FOLDER = "runs.js", "data"
"""In the directory of the runs: the script of its pages, and the index that it loads."""
QUICKLOOK_SCRIPT = "quicklook.js"
SCORECARD_PAGE, SCORECARD_SCRIPT = "scorecard.html", "scorecard.js"
"""In the work directory."""

_ACTION = re.compile(
    rb'<code class="action" data-open="([^"<>]*)" data-label="([^"<>]*)">[^<]*</code>'
)
_TARGET = re.compile(r"[\w-]+(\?[\w.~%&=+-]*)?")
"""A notebook and its values, as `PageAction.target` writes them."""


def build_policy(*, scripts: str = "'none'", connections: str = "'none'") -> str:
    """A content security policy; a page's own policy can only narrow it."""
    return (
        f"default-src 'none'; script-src {scripts}; connect-src {connections}; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    )


def find_policy(path: Path, content_type: str, settings: Settings, files_url: str) -> str:
    """The policy of a file. A file that is opened by itself, such as an SVG, runs no script.

    files_url : the host and path before the path of a file, `host:8888/kpfnb/files`
    """
    if content_type == HTML_TYPE:
        scripts = [files_url + quote(str(script)) for script in _find_scripts(path, settings)]
        return build_policy(scripts=" ".join(scripts) or "'none'")
    sandbox = "" if content_type == TYPES[".pdf"] else "; sandbox"
    return "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'" + sandbox


def find_content_type(path: Path, settings: Settings) -> str:
    """The content type of a file: HTML and scripts are such only where kpfnb writes them."""
    suffix = path.suffix.lower()
    if suffix == ".js" and _is_site_script(path, settings):
        return SCRIPT_TYPE
    if suffix in TEXT_SUFFIXES or path.name in INLINE_WITHOUT_SUFFIX:
        return TEXT_TYPE
    return TYPES.get(suffix, DOWNLOAD_TYPE)


def link_actions(page: bytes, base: str) -> bytes:
    """A page whose actions are links that open their notebooks; from disk they are commands.

    base : the path of kpfnb's pages, `/kpfnb/`
    """

    def link(match: re.Match[bytes]) -> bytes:
        target, label = (html.unescape(part.decode()) for part in match.groups())
        if not _TARGET.fullmatch(target):
            return match[0]
        address = html.escape(f"{base}{OPEN}/{target}")
        return f'<a class="action" href="{address}">{html.escape(label)}</a>'.encode()

    return _ACTION.sub(link, page)


def _find_scripts(page: Path, settings: Settings) -> list[str]:
    """The paths of kpfnb's scripts for a page, as URLs have them; a directory ends with a slash."""
    runs_dir, quicklook_dir = settings.runs_dir, settings.qlp_path
    if page.parent in (runs_dir.resolve(), runs_dir.resolve() / "days"):
        return [str(runs_dir / RUNS_SCRIPT), f"{runs_dir / DATA_FOLDER}/"]
    if page.is_relative_to(quicklook_dir.resolve()):
        return [str(quicklook_dir / QUICKLOOK_SCRIPT)]
    if page == settings.work_dir.resolve() / SCORECARD_PAGE:
        return [str(settings.work_dir / SCORECARD_SCRIPT)]
    return []


def _is_site_script(path: Path, settings: Settings) -> bool:
    runs_dir = settings.runs_dir.resolve()
    scripts = (
        runs_dir / RUNS_SCRIPT,
        settings.qlp_path.resolve() / QUICKLOOK_SCRIPT,
        settings.work_dir.resolve() / SCORECARD_SCRIPT,
    )
    return path in scripts or path.parent == runs_dir / DATA_FOLDER
