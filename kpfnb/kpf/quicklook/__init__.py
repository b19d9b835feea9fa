"""Quicklook: pictures, checks and pages of every file, soon after it is there.

    result = quicklook.run("20240115", levels=["L0"])
    quicklook.make(["/data/kpf/L1/20240115/KP.20240115.12345.67_L1.fits"])

The products lie in `<QLP>/<date>/<ObsID>/<kind>/`; look at `<QLP>/<date>/index.html` first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kpfnb.kpf.quicklook.selection import FileAge, select_targets

if TYPE_CHECKING:
    from kpfnb.kpf.quicklook.products import process_files, process_range
    from kpfnb.kpf.quicklook.result import QuicklookItem, QuicklookOutcome, QuicklookResult

__all__ = [
    "FileAge",
    "QuicklookOutcome",
    "QuicklookItem",
    "QuicklookResult",
    "select_targets",
    "process_files",
    "process_range",
]


def __getattr__(name: str) -> Any:
    # To find files takes no numpy: a command that only lists them answers at once
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from kpfnb.kpf.quicklook import products

    return getattr(products, name)
