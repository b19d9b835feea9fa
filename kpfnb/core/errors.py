"""The errors that users see: each says what is wrong, with which input, and what to do next."""

from __future__ import annotations

HINT_MARK = "→"
"""Separates what is wrong from the hint."""


class KpfnbError(Exception):
    """A problem that a user can read and act on; it is shown without a traceback.

    Parameters
    ----------
    what : what is wrong, naming the input
    hint : what to do next
    """

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what, hint)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what}\n  {HINT_MARK} {self.hint}" if self.hint else self.what

    def _render_traceback_(self) -> list[str]:
        # IPython shows this in place of a traceback
        return [f"{type(self).__name__}: {self}"]


class InvalidParameterError(KpfnbError):
    """A parameter is unknown, has the wrong type or an impossible value."""


class InvalidSettingsError(KpfnbError):
    """A setting is unknown, has the wrong type, or names something that does not exist."""


class InvalidInputError(KpfnbError):
    """A file, directory or list that was given can't be used."""


class AlreadyRunningError(KpfnbError):
    """Another process is doing the same work at this moment."""


class ServiceUnavailableError(KpfnbError):
    """A program or service that is needed does not answer."""
