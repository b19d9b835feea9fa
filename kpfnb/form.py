"""The parameter form, made from the notebook's own parameters cell.

In JupyterLab it is widgets, and its Run button runs the cells below, the very cells that cron runs.
Elsewhere it is a plain table.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from html import escape
from typing import TYPE_CHECKING, Any

from kpfnb.errors import BadParameter
from kpfnb.parameters import Kind, Parameter
from kpfnb.runs.view import shown

if TYPE_CHECKING:
    import ipywidgets

    from kpfnb.session import Session

LABEL_WIDTH = "11em"
RUN_BELOW = "notebook:run-all-below"


def show(session: Session) -> None:
    """Display the form of a session. Shown again, it keeps what was typed."""
    from IPython.display import HTML, display

    if session.interactive:
        display(_form(session))
    else:
        display(HTML(table(session.parameters, session.values)))


def table(parameters: list[Parameter], values: dict[str, Any]) -> str:
    """The parameters as an HTML table, all text escaped."""
    rows = "".join(
        f"<tr><th scope='row'>{escape(parameter.name)}</th>"
        f"<td>{escape(shown(values[parameter.name]))}</td><td>{escape(parameter.help)}</td></tr>"
        for parameter in parameters
    )
    head = "<tr><th scope='col'>parameter</th><th scope='col'>value</th><th scope='col'>what it is"
    return f"<table><thead>{head}</th></tr></thead><tbody>{rows}</tbody></table>"


def confirm(session: Session, question: str, action: Callable[[], object]) -> None:
    """Ask before something is changed: a button in JupyterLab that does it once.

    Headless nothing is shown and nothing is done: there the parameters have the say.
    """
    if not session.interactive:
        return
    import ipywidgets
    from IPython.display import display

    button = ipywidgets.Button(description=question, button_style="warning")
    button.layout.width = "auto"
    output = ipywidgets.Output()

    def act(_: object) -> None:
        button.disabled = True
        with output:
            display(action())

    button.on_click(act)
    display(ipywidgets.VBox([button, output]))


def _form(session: Session) -> ipywidgets.Widget:
    import ipywidgets
    from ipylab import JupyterFrontEnd

    # Made before the click: its list of commands comes from the browser a moment later
    front_end = JupyterFrontEnd()

    fields = {p.name: make_field(p, session.values[p.name]) for p in session.parameters}
    button = ipywidgets.Button(
        description="Run", button_style="primary", tooltip="Run the cells below"
    )
    message = ipywidgets.HTML()

    def run(_: object) -> None:
        try:
            session.restart({name: value() for name, (_, value) in fields.items()})
        except BadParameter as error:
            message.value = f"<p role='alert'><b>✗ {escape(str(error))}</b></p>"
            return
        message.value = ""
        front_end.commands.execute(RUN_BELOW)

    button.on_click(run)
    return ipywidgets.VBox([*(widget for widget, _ in fields.values()), button, message])


Field = tuple[Any, Callable[[], Any]]
"""The row of one parameter, and how to read its value."""


def make_field(parameter: Parameter, value: Any) -> Field:
    """A labelled widget for a parameter with its help beside it, and how to read its value."""
    import ipywidgets

    control, read = _control(parameter.kind, value)
    control.description = parameter.name
    control.tooltip = parameter.help
    control.style.description_width = LABEL_WIDTH
    control.layout.width = "26em"
    note = ipywidgets.HTML(f"<small>{escape(parameter.help)}</small>")
    return ipywidgets.HBox([control, note]), read


def _control(kind: Kind, value: Any) -> Field:
    import ipywidgets

    if kind.name == "bool":
        return _plain(ipywidgets.Checkbox(value=value, indent=True))
    if kind.name == "choice":
        return _plain(ipywidgets.Dropdown(options=kind.options, value=value))
    if kind.name == "subset":
        rows = len(kind.options)
        chooser = ipywidgets.SelectMultiple(options=kind.options, value=value, rows=rows)
        return chooser, lambda: list(chooser.value)
    if kind.name == "night":
        picker = ipywidgets.DatePicker(value=_date(value))
        return picker, lambda: picker.value.strftime("%Y%m%d") if picker.value else ""
    if kind.name in ("int", "float"):
        return _plain(_number_box(kind, value))
    text = ipywidgets.Text(value=", ".join(value) if isinstance(value, list) else value)
    return _plain(text)


def _plain(control: ipywidgets.Widget) -> Field:
    return control, lambda: control.value


def _number_box(kind: Kind, value: float) -> ipywidgets.Widget:
    import ipywidgets

    whole = kind.name == "int"
    if not kind.options:
        return (ipywidgets.IntText if whole else ipywidgets.FloatText)(value=value)
    low, high = (int(limit) if whole else float(limit) for limit in kind.options)
    box = ipywidgets.BoundedIntText if whole else ipywidgets.BoundedFloatText
    return box(value=value, min=low, max=high)


def _date(night: str) -> date | None:
    return date(int(night[:4]), int(night[4:6]), int(night[6:])) if night else None
