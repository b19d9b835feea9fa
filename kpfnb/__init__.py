"""kpfnb runs the data factory of a spectrograph from notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kpfnb.session import begin

__version__ = "0.1.0"
__all__ = ["__version__", "begin"]


def __getattr__(name: str) -> Any:
    # `begin` is for notebooks; the command line answers faster without it
    if name == "begin":
        from kpfnb.session import begin

        return begin
    raise AttributeError(f"module 'kpfnb' has no attribute {name!r}")
