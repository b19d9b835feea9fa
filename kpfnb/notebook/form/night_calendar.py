"""The buttons of a field of nights: the last night, and a calendar of the nights with files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import traitlets

from kpfnb.core import nights
from kpfnb.core.errors import KpfnbError


class NightCalendar(anywidget.AnyWidget):
    """The two buttons, and the calendar that one of them opens.

    The numbers of files are asked for when a month is shown.

    Parameters
    ----------
    name : the parameter
    field : the text field that gets the chosen night
    is_list : the field has several items, and a chosen night is one more
    """

    _esm = Path(__file__).with_suffix(".js")
    _css = Path(__file__).with_suffix(".css")
    name = traitlets.Unicode().tag(sync=True)
    field = traitlets.Unicode().tag(sync=True)
    """The model id of the text field."""
    is_list = traitlets.Bool().tag(sync=True)

    def __init__(self, name: str, field: Any, *, is_list: bool = False) -> None:
        super().__init__(name=name, field=field.model_id, is_list=is_list)
        self.on_msg(self._on_message)

    def _on_message(self, _: Any, content: dict[str, Any], buffers: Any) -> None:
        self.send(count_files(str(content["month"])))


def count_files(month: str) -> dict[str, Any]:
    """The answer to the calendar: the nights of a month (YYYYMM) and their numbers of files.

    Without a month it is that of the last night, which is named, too.
    """
    try:
        last = "" if month else nights.find_last_night()
        month = month or last[:6]
        return {"month": month, "last": last, "counts": nights.count_raw_files(month), "error": ""}
    except KpfnbError as error:
        return {"month": month, "last": "", "counts": {}, "error": error.what}
