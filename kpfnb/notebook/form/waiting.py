"""The stop at the form: in JupyterLab nothing below it runs until Run is pressed.

An error ends the cell of the form, so that the kernel drops the cells that JupyterLab has already
sent; it is not displayed.
"""

from __future__ import annotations

from typing import Any


class WaitForRun(Exception):
    """The form waits for Run: no error, though the kernel has to see one."""


def install_silent_stop(shell: Any) -> None:
    """Let IPython display nothing for `WaitForRun`."""
    shell.set_custom_exc((WaitForRun,), _show_nothing)


def _show_nothing(*_: object, **__: object) -> None: ...
