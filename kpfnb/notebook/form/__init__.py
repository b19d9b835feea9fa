"""The parameter form, made from the notebook's own parameters cell.

In JupyterLab it is widgets, and its Run button runs the cells below, the very cells that cron runs.
Elsewhere it is a plain table.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

from kpfnb.core.errors import KpfnbError
from kpfnb.notebook.parameters import Parameter
from kpfnb.runs.formatting import format_value

if TYPE_CHECKING:
    from kpfnb.notebook.session import Session


def show_form(session: Session) -> None:
    """Display the form of a session. Shown again, it is the same one: what was typed stays."""
    from IPython.display import HTML, display

    if not session.interactive:
        display(HTML(parameter_table_html(session.parameters, session.values)))
        return
    from kpfnb.notebook.form.panel import FormPanel

    if session.panel is None:
        session.panel = FormPanel(session)
    display(session.panel.widget)


def parameter_table_html(parameters: list[Parameter], values: dict[str, Any]) -> str:
    """The parameters as an HTML table, all text escaped."""
    rows = "".join(
        f"<tr><th scope='row'>{escape(parameter.name)}</th>"
        f"<td>{escape(format_value(values[parameter.name]))}</td><td>{escape(parameter.help)}</td></tr>"
        for parameter in parameters
    )
    head = "<tr><th scope='col'>parameter</th><th scope='col'>value</th><th scope='col'>what it is"
    return f"<table><thead>{head}</th></tr></thead><tbody>{rows}</tbody></table>"


def error_html(text: object) -> str:
    """A message about something wrong as HTML, which screen readers tell at once."""
    return f"<span role='alert'><b>✗ {escape(str(text))}</b></span>" if text else ""


def show_confirm_button(session: Session, question: str, action: Callable[[], object]) -> None:
    """Ask before something is changed: a button in JupyterLab that does it once.

    Headless nothing is shown and nothing is done: there the parameters have the say.
    """
    if not session.interactive:
        return
    import ipywidgets
    from IPython.display import display

    button = ipywidgets.Button(description=question, button_style="warning")
    button.layout.width = "auto"
    output, message = ipywidgets.Output(), ipywidgets.HTML()

    def act(_: object) -> None:
        if button.disabled:
            # The second of a double click
            return
        button.disabled = True
        try:
            done = action()
        except KpfnbError as error:
            message.value, button.disabled = error_html(error), False
            return
        except Exception as error:
            # Of itself JupyterLab tells what went wrong in its log only
            message.value = error_html(f"{type(error).__name__}: {error}")
            button.disabled = False
            raise
        with output:
            display(done)

    button.on_click(act)
    display(ipywidgets.VBox([button, message, output], layout={"align_items": "flex-start"}))
