"""The parameter form of a notebook, made from its own parameters cell.

In JupyterLab it consists of widgets, and its Run button runs the cells below it, the same cells
that cron runs. Elsewhere it is a static table.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

from kpfnb.core.errors import KpfnbError
from kpfnb.notebook.display.html import error_html
from kpfnb.notebook.parameters import Parameter
from kpfnb.runs.formatting import format_value

if TYPE_CHECKING:
    from kpfnb.notebook.form.panel import FormSession


def show_form(session: FormSession) -> None:
    """Display the form of a session; a second call shows the same form, with what was typed."""
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
        f"<td>{escape(format_value(values[parameter.name]))}</td>"
        f"<td>{escape(parameter.help)}</td></tr>"
        for parameter in parameters
    )
    titles = ("parameter", "value", "description")
    head = "".join(f"<th scope='col'>{title}</th>" for title in titles)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def show_confirm_button(interactive: bool, question: str, action: Callable[[], object]) -> None:
    """In JupyterLab, a button that does `action` once and displays what it returns.

    In a headless run nothing is displayed and nothing is done: there the parameters decide.
    """
    if not interactive:
        return
    import ipywidgets
    from IPython.display import display

    button = ipywidgets.Button(description=question, button_style="warning")
    button.layout.width = "auto"
    output, message = ipywidgets.Output(), ipywidgets.HTML()

    def on_click(_: object) -> None:
        if button.disabled:
            # The second click of a double click
            return
        button.disabled = True
        try:
            result = action()
        except KpfnbError as error:
            message.value, button.disabled = error_html(error), False
            return
        except Exception as error:
            # JupyterLab itself shows errors of callbacks only in its log
            message.value = error_html(f"{type(error).__name__}: {error}")
            button.disabled = False
            raise
        with output:
            display(result)

    button.on_click(on_click)
    display(ipywidgets.VBox([button, message, output], layout={"align_items": "flex-start"}))
