"""The last good exposure of the same kind, for comparison.

The records of each kind are listed in a file, so that none has to be searched for. A record is
listed before it is written: a list can have too many, and each is read before it is used.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from kpfnb.kpf.quicklook.quality import Verdict
from kpfnb.kpf.quicklook.record import Picture, QuicklookRecord, read_record, record_path
from kpfnb.kpf.quicklook.targets import MASTER

KINDS_DIR = Path(".kpfnb/kinds")
MAX_READ = 100
"""Records that are read in search of a good one."""

_NIGHT = re.compile(r"\d{8}")


@dataclass(frozen=True)
class GoodRecord:
    """A record whose checks passed, and the directory of its products."""

    record: QuicklookRecord
    product_dir: Path

    def find_picture(self, picture: Picture) -> Picture | None:
        """The same picture; None if it was not drawn."""
        same = (
            p for p in self.record.pictures if (p.kind, p.title) == (picture.kind, picture.title)
        )
        return next(same, None)


def describe_kind(record: QuicklookRecord) -> str:
    """What two exposures must have in common to be compared: level, source, target, read mode."""
    if record.level == MASTER:
        return f"{MASTER} {_NIGHT.sub('', record.name)}"
    heading = record.heading
    parts = (record.level, heading.source or heading.kind, heading.target, heading.mode)
    return " | ".join(parts)


def register(products: Path, product_dir: str, record: QuicklookRecord) -> None:
    """List a record that is about to be written, `product_dir` relative to `products`."""
    path, line = _list_path(products, record), _record_line(product_dir, record)
    if line not in _read_lines(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")


def find_last_good(products: Path, product_dir: Path, record: QuicklookRecord) -> GoodRecord | None:
    """The newest earlier record of the same kind whose checks passed; None if there is none."""
    own = _record_line(str(product_dir.relative_to(products)), record)
    lines = _read_lines(_list_path(products, record))
    earlier = sorted((line for line in lines if line < own), reverse=True)
    for line in earlier[:MAX_READ]:
        path = products / line
        other = read_record(path)
        if (
            other
            and other.verdict is Verdict.PASS
            and describe_kind(other) == describe_kind(record)
        ):
            return GoodRecord(other, path.parent.parent)
    return None


def find_next_of_kind(night: Path, product_dir: Path, record: QuicklookRecord) -> str:
    """The next observation of the same night and kind, which compares itself; '' without one."""
    own = _record_line(str(product_dir.relative_to(night.parent)), record)
    lines = _read_lines(_list_path(night.parent, record))
    later = (line for line in lines if line > own and line.startswith(f"{night.name}/"))
    following = min(later, default="")
    return following.split("/")[1] if following else ""


def _record_line(product_dir: str, record: QuicklookRecord) -> str:
    return str(record_path(Path(product_dir), record.name, record.level))


def _list_path(products: Path, record: QuicklookRecord) -> Path:
    digest = hashlib.sha256(describe_kind(record).encode()).hexdigest()[:24]
    return products / KINDS_DIR / f"{digest}.txt"


def _read_lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
