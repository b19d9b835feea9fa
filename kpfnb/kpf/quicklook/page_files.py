"""The files of the quicklook pages: where they are, and which are older than what they show."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import time

from kpfnb.kpf.files.obsid import KPF, NIGHT_PATTERN
from kpfnb.kpf.quicklook.record import REPORTS_DIR
from kpfnb.kpf.quicklook.targets import MASTERS_PRODUCTS

PAGE = "index.html"
STATE_DIR = ".kpfnb"
_STAMP = "reading"


def observation_page(products: Path, obsid: str) -> Path:
    """Where the page of an observation is, below the directory of all products."""
    return products / obsid[3:11] / obsid / PAGE


def list_observations(night: Path) -> list[str]:
    """The observations of a night that have products, in the order of time."""
    return sorted(path.name for path in night.iterdir() if KPF.obsid_pattern.fullmatch(path.name))


def list_nights(products: Path, page: str = PAGE) -> list[str]:
    """The nights that have a page: that of the night, or another one below it."""
    return sorted(
        path.name
        for path in products.iterdir()
        if NIGHT_PATTERN.fullmatch(path.name) and (path / page).exists()
    )


@dataclass(frozen=True)
class PageTime:
    """The time that the pages written next get: that before their records were read.

    A record that appears while its page is being written is then newer than the page. The time is
    that of the file system, as the times of records are.
    """

    nanoseconds: int

    @classmethod
    def now(cls, night: Path) -> PageTime:
        """The time of this moment."""
        stamp = night / STATE_DIR / _STAMP
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.write_bytes(b"")
        return cls(stamp.stat().st_mtime_ns)

    def set_on(self, page: Path) -> None:
        """Give a page this time."""
        # Another process may have replaced the page by a newer one
        with suppress(FileNotFoundError):
            os.utime(page, ns=(self.nanoseconds, self.nanoseconds))


def is_outdated(night: Path) -> bool:
    """True if a page of a night is missing, or older than a record that it shows."""
    if not night.is_dir():
        return False
    pages = {night / name / PAGE: newest_record(night / name) for name in list_observations(night)}
    masters = night / MASTERS_PRODUCTS
    pages[masters / PAGE] = max(map(newest_record, masters.glob("*/")), default=0)
    newest = max(pages.values())
    return any(
        time_of_record and time_of_record >= modified_time(page)
        for page, time_of_record in (pages | {night / PAGE: newest}).items()
    )


def newest_record(product_dir: Path) -> int:
    """The time of the newest record of a directory of products, nanoseconds; 0 without records."""
    paths = (product_dir / REPORTS_DIR).glob("*.json")
    return max(map(modified_time, paths), default=0)


def modified_time(path: Path) -> int:
    """When a file was modified, nanoseconds; -1 if there is none."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return -1


def file_age(path: Path) -> float:
    """The age of a file, seconds."""
    return time() - modified_time(path) / 1e9
