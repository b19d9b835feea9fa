"""A run's report: one HTML page that needs nothing else, with no script in it.

Text is escaped and HTML from outputs sanitised; the page's own content security policy forbids
whatever might still be hidden in it.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from html import escape
from typing import Any

from kpfnb import files, log, settings
from kpfnb.runs import Record
from kpfnb.runs import view as runview

FILE_NAME = "report.html"
ERROR_MARKER = "papermill-error-cell-tag"
WIDGET = "application/vnd.jupyter.widget-view+json"
IMAGES = ("image/png", "image/jpeg", "image/gif")

_WITHOUT_ALT = re.compile(r"<img(?![^>]*\salt=) ?")


def write(record: Record, notebook: Any) -> None:
    """Write the report of a run from its executed notebook (an nbformat node)."""
    html = render(record, notebook)
    files.write_text(record.directory / FILE_NAME, log.redact(html))


def render(record: Record, notebook: Any) -> str:
    """The report as HTML."""
    from markupsafe import Markup

    cells = [one for one in notebook.cells if ERROR_MARKER not in one.metadata.get("tags", [])]
    style = runview.style()
    return str(
        runview.environment()
        .get_template("report.html")
        .render(
            run=runview.view(record, settings.load().zone),
            cells=[_cell(one) for one in cells if one.source.strip()],
            # The package's own style sheet
            style=Markup(style),  # noqa: S704
            policy=policy(style),
        )
    )


def sanitise(html: str) -> str:
    """HTML without scripts, styles, handlers, forms, and anything fetched from elsewhere."""
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
    # What says nothing of a picture is passed over by screen readers
    return _WITHOUT_ALT.sub('<img alt="" ', clean)


def _keep_attribute(tag: str, name: str, value: str) -> str | None:
    if name == "src":
        return value if value.startswith("data:image/") else None
    if name == "href" and value.strip().lower().startswith("data:"):
        return None
    return value


def policy(style: str) -> str:
    """The content security policy of a page that has only this style sheet, and pictures in it."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _cell(cell: Any) -> dict[str, Any]:
    from markupsafe import Markup

    if cell.cell_type != "code":
        return {"text": Markup(_markdown(cell.source))}  # noqa: S704
    lines = cell.source.strip().splitlines()
    return {
        "text": "",
        "summary": f"[{cell.execution_count or ' '}] {lines[0]}" + (" …" if lines[1:] else ""),
        "source": cell.source,
        "outputs": [Markup(_output(one)) for one in cell.outputs],  # noqa: S704
    }


def _output(output: Any) -> str:
    if output.output_type == "stream":
        return _pre(_last_written(output.text), output.name)
    if output.output_type == "error":
        return _pre("\n".join(output.traceback) or f"{output.ename}: {output.evalue}", "error")
    data = {name: _joined(value) for name, value in output.data.items()}
    for name, show in _SHOWN.items():
        # A widget needs scripts: its plain text stands for it
        if name in data and (WIDGET not in data or name == "text/plain"):
            return show(data[name])
    return _pre(f"({', '.join(data)} can't be shown here)", "stdout")


def _joined(value: Any) -> str:
    return "".join(value) if isinstance(value, list) else str(value)


def _markdown(text: str) -> str:
    from nbconvert.filters import markdown2html_mistune

    return sanitise(markdown2html_mistune(text))


def _image(kind: str) -> Callable[[str], str]:
    def show(data: str) -> str:
        return f'<img alt="" src="data:{kind};base64,{escape("".join(data.split()))}">'

    return show


def _svg(text: str) -> str:
    # As an image it can't run scripts
    return _image("image/svg+xml")(base64.b64encode(text.encode()).decode())


def _pre(text: str, kind: str = "stdout") -> str:
    from nbconvert.filters import ansi2html

    return f'<pre class="{kind}">{sanitise(ansi2html(text))}</pre>'


_SHOWN: dict[str, Callable[[str], str]] = {
    "text/html": sanitise,
    "text/markdown": _markdown,
    "image/svg+xml": _svg,
    **{kind: _image(kind) for kind in IMAGES},
    "text/latex": _pre,
    "text/plain": _pre,
}
"""How each kind of output is shown; of several the first here."""


def _last_written(text: str) -> str:
    """Lines as a terminal leaves them: a progress bar writes over itself."""
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
