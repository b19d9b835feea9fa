"""Quicklook: plots, checks and pages of every KPF file, soon after it appears.

    result = quicklook.process_range("20240115", levels=["L0"])
    quicklook.process_files(["/data/kpf/L1/20240115/KP.20240115.12345.67_L1.fits"])

The products are in `<QLP>/<date>/<ObsID>/<kind>/` (QLP: quicklook pipeline, its output directory);
start at `<QLP>/<date>/index.html`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kpfnb.kpf.quicklook.selection import FileAge, select_targets

if TYPE_CHECKING:
    from kpfnb.kpf.quicklook.products import QuicklookOptions, process_files, process_range
    from kpfnb.kpf.quicklook.result import QuicklookItem, QuicklookOutcome, QuicklookResult

__all__ = [
    "FileAge",
    "QuicklookItem",
    "QuicklookOptions",
    "QuicklookOutcome",
    "QuicklookResult",
    "process_files",
    "process_range",
    "select_targets",
]


def __getattr__(name: str) -> Any:
    # Selecting files needs no numpy: a command that only lists them answers at once
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from kpfnb.kpf.quicklook import products

    return getattr(products, name)
