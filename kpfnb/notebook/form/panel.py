"""The form in JupyterLab: fields, buttons, the state of the run and its result."""

from __future__ import annotations

import shlex
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any

from kpfnb import live
from kpfnb.errors import KpfnbError
from kpfnb.form import alarm, fields
from kpfnb.form.frontend import FrontEnd, copyable, in_sight, stop_button
from kpfnb.form.keeping import Keeping
from kpfnb.runs import view

if TYPE_CHECKING:
    from kpfnb.runs import Record
    from kpfnb.session import Session

DRY_RUN = "dry_run"
QUICK_SECONDS = 2


class Panel:
    """The form of a session."""

    def __init__(self, session: Session) -> None:
        import ipywidgets

        self._session = session
        self._front_end = FrontEnd()
        self._started = False
        self.fields = [fields.make(one, session.values[one.name]) for one in session.parameters]
        self.keeping = Keeping(session.notebook, self.fields)
        self.run = _button("Run", "Run the cells below", "primary")
        self.dry = _button("Dry run", "Run the cells below, and change nothing", "")
        self._stop = ipywidgets.HTML()
        self._message = ipywidgets.HTML()
        self._command = ipywidgets.HTML(layout={"width": "100%"})
        self._state = ipywidgets.HTML(layout={"width": "100%"})
        self._work = ipywidgets.VBox()
        parts = [part for field in self.fields for part in field.control.parts]
        self.run.on_click(lambda _: self._front_end.read(parts, self._start))
        self.dry.on_click(lambda _: self._front_end.read(parts, partial(self._start, dry_run=True)))
        has_dry_run = any(one.name == DRY_RUN for one in session.parameters)
        buttons = [self.run, *([self.dry] if has_dry_run else []), self._stop]
        self.widget = ipywidgets.VBox(
            [
                *(field.row for field in self.fields),
                *((self.keeping.widget,) if self.fields else ()),
                ipywidgets.HBox([*buttons, self._message], layout={"align_items": "center"}),
                self._command,
                self._state,
                self._work,
                self._front_end,
            ]
        )
        for field in self.fields:
            field.observe(self._changed)
        live.show_in(self._work)
        self.busy(True)
        self._changed()

    def values(self) -> dict[str, Any]:
        """What stands in the fields; it may be wrong."""
        return {field.parameter.name: field.read() for field in self.fields}

    def busy(self, is_busy: bool) -> None:
        """Tell whether the kernel works: then it can be stopped, and not be started again."""
        self.run.disabled = self.dry.disabled = is_busy
        self._stop.value = stop_button(enabled=is_busy)

    def ended(self, record: Record, results: tuple[Any, ...]) -> None:
        """Tell how the run ended.

        The result is here too, folded: a browser that was reloaded while the cells below ran has
        lost what they showed.
        """
        said = f"{view.SIGNS[view.word(record)]} {view.word(record)}: {record.reason}"
        pages = [page for page in map(_page, results) if page]
        folded = f"<details><summary>The result</summary>{''.join(pages)}</details>"
        told = f"<b>{escape(said)}</b> · {view.duration(record.seconds)} · run {escape(record.id)}"
        quick = self._started and (record.seconds or 0) < QUICK_SECONDS
        self._started = False
        self._state.value = in_sight(told, soon=quick) + (folded if pages else "")
        self._front_end.save(self._session.file)

    def _start(self, *, dry_run: bool = False) -> None:
        if self.run.disabled:
            # The second of a double click
            return
        asked = self.values() | ({DRY_RUN: True} if dry_run else {})
        try:
            self._session.restart(asked)
        except (KpfnbError, OSError) as error:
            self._message.value = alarm(error)
            return
        self.busy(True)
        self._message.value = ""
        self._started = True
        self._work.children = ()
        self._state.value = in_sight(f"{view.SIGNS[view.RUNNING]} {view.RUNNING}", soon=True)
        self._front_end.run_below()
        self._front_end.save(self._session.file)

    def _changed(self) -> None:
        try:
            line = shlex.join(self._session.command(self.values()))
        except KpfnbError:
            # The field says what is wrong
            self._command.value = ""
            return
        self._command.value = copyable("the command that repeats it", line)
        self._message.value = ""


def _button(name: str, told: str, style: str) -> Any:
    import ipywidgets

    button = ipywidgets.Button(description=name, button_style=style, tooltip=told)
    button.layout.width = "auto"
    return button


def _page(result: Any) -> str:
    return result._repr_html_() if hasattr(result, "_repr_html_") else ""
