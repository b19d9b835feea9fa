"""The report of a run: one HTML page without scripts and other files.

Text is escaped and HTML in outputs is sanitised; the content security policy of the page forbids
anything that might still be in it.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from html import escape
from typing import Any

from kpfnb.core import atomic, logs, settings
from kpfnb.runs import formatting
from kpfnb.runs.record import RunRecord

REPORT_NAME = "report.html"
ERROR_MARKER = "papermill-error-cell-tag"
WIDGET = "application/vnd.jupyter.widget-view+json"
IMAGES = ("image/png", "image/jpeg", "image/gif")

_WITHOUT_ALT = re.compile(r"<img(?![^>]*\salt=) ?")


def write_report(record: RunRecord, notebook: Any) -> None:
    """Write the report of a run from its executed notebook (an nbformat node)."""
    html = render_report(record, notebook)
    atomic.write_text(record.directory / REPORT_NAME, logs.redact_secrets(html))


def render_report(record: RunRecord, notebook: Any) -> str:
    """The report as HTML."""
    from markupsafe import Markup

    cells = [cell for cell in notebook.cells if ERROR_MARKER not in cell.metadata.get("tags", [])]
    style = formatting.stylesheet()
    return str(
        formatting.template_environment()
        .get_template("report.html")
        .render(
            run=formatting.run_context(record, settings.load_settings().zone),
            cells=[_cell_context(cell) for cell in cells if cell.source.strip()],
            # A style sheet of the package
            style=Markup(style),  # noqa: S704
            policy=content_policy(style),
        )
    )


def sanitise_html(html: str) -> str:
    """HTML without scripts, styles, handlers, forms and content from other servers."""
    import nh3

    attributes = {tag: set(names) for tag, names in nh3.ALLOWED_ATTRIBUTES.items()}
    attributes["*"] = {"class", "title", "scope", "lang", "open"}
    clean = nh3.clean(
        html,
        tags=nh3.ALLOWED_TAGS | {"section"},
        attributes=attributes,
        attribute_filter=_keep_attribute,
        url_schemes={"http", "https", "mailto", "data"},
    )
    # Screen readers skip images with an empty alternative text
    return _WITHOUT_ALT.sub('<img alt="" ', clean)


def _keep_attribute(tag: str, name: str, value: str) -> str | None:
    if name == "src":
        return value if value.startswith("data:image/") else None
    if name == "href" and value.strip().lower().startswith("data:"):
        return None
    return value


def content_policy(style: str, *, images: str = "data:") -> str:
    """The content security policy of a page: this style sheet, images, nothing else.

    images : where they come from: `data:` (embedded) or `'self'` (files beside the page)
    """
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; img-src {images}; style-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _cell_context(cell: Any) -> dict[str, Any]:
    from markupsafe import Markup

    if cell.cell_type != "code":
        return {"text": Markup(_render_markdown(cell.source))}  # noqa: S704
    lines = cell.source.strip().splitlines()
    return {
        "text": "",
        "summary": f"[{cell.execution_count or ' '}] {lines[0]}" + (" …" if lines[1:] else ""),
        "source": cell.source,
        "outputs": [Markup(_render_output(output)) for output in cell.outputs],  # noqa: S704
    }


def _render_output(output: Any) -> str:
    if output.output_type == "stream":
        return _render_text(_collapse_carriage_returns(output.text), output.name)
    if output.output_type == "error":
        return _render_text(
            "\n".join(output.traceback) or f"{output.ename}: {output.evalue}", "error"
        )
    data = {name: _join_lines(value) for name, value in output.data.items()}
    for name, show in _RENDERERS.items():
        # A widget needs scripts: its plain text is shown instead
        if name in data and (WIDGET not in data or name == "text/plain"):
            return show(data[name])
    return _render_text(f"({', '.join(data)} can't be shown here)", "stdout")


def _join_lines(value: Any) -> str:
    return "".join(value) if isinstance(value, list) else str(value)


def _render_markdown(text: str) -> str:
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    # The places to which the links of headings would lead are not in the sanitised text
    renderer = IPythonRenderer(escape=False, exclude_anchor_links=True)
    return sanitise_html(MarkdownWithMath(renderer=renderer).render(text))


def _image_renderer(kind: str) -> Callable[[str], str]:
    def show(data: str) -> str:
        return f'<img alt="" src="data:{kind};base64,{escape("".join(data.split()))}">'

    return show


def _render_svg(text: str) -> str:
    # As an image it can't run scripts
    return _image_renderer("image/svg+xml")(base64.b64encode(text.encode()).decode())


def _render_text(text: str, kind: str = "stdout") -> str:
    from nbconvert.filters import ansi2html

    return f'<pre class="{kind}">{sanitise_html(ansi2html(text))}</pre>'


_RENDERERS: dict[str, Callable[[str], str]] = {
    "text/html": sanitise_html,
    "text/markdown": _render_markdown,
    "image/svg+xml": _render_svg,
    **{kind: _image_renderer(kind) for kind in IMAGES},
    "text/latex": _render_text,
    "text/plain": _render_text,
}
"""The renderer of each kind of output; of several kinds the first one here is shown."""


def _collapse_carriage_returns(text: str) -> str:
    """Lines as a terminal shows them: a progress bar overwrites itself."""
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
