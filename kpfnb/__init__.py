"""kpfnb runs the data processing of a spectrograph from notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kpfnb.notebook.session import begin_session as begin

__version__ = "0.1.0"
__all__ = ["__version__", "begin"]


def __getattr__(name: str) -> Any:
    # Imported on first use: only notebooks need it, and it would slow down the command line
    if name == "begin":
        from kpfnb.notebook.session import begin_session

        return begin_session
    raise AttributeError(f"module 'kpfnb' has no attribute {name!r}")
