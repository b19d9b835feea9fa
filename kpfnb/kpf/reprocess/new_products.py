"""Products as they are made: which are new, and are they whole?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from kpfnb.kpf.obsid import ObsID
from kpfnb.kpf.standing import Standing
from kpfnb.supervision import Sight

Signature = tuple[int, int, int]
"""Inode, size in bytes, modification time in ns; it changes when a file is written."""

NO_FILE: Signature = (0, 0, 0)


@dataclass
class Watch:
    """The products expected of some observations, compared with what was there at the beginning.

    Attributes
    ----------
    paths : observation and level to the product's path
    before : the signature of each file when the watch began
    """

    paths: dict[tuple[ObsID, str], Path]
    before: dict[Path, Signature] = field(init=False)

    def __post_init__(self) -> None:
        """Remember what is there."""
        self.before = {path: signature_of(path) for path in self.paths.values()}

    @classmethod
    def over(cls, standings: Iterable[Standing], root: Path) -> Watch:
        """Watch all expected products of these observations."""
        return cls(
            {
                (standing.obsid, level): standing.obsid.path(root, level)
                for standing in standings
                for level in standing.expected
            }
        )

    def look(self) -> Sight:
        """How many products are new, and a stamp of all of them."""
        now = {path: signature_of(path) for path in self.before}
        made = sum(self._is_new(path, signature) for path, signature in now.items())
        return Sight(made, hash(tuple(now.values())))

    def made(self) -> dict[tuple[ObsID, str], float]:
        """The new products with their modification times (POSIX seconds)."""
        now = {key: (path, signature_of(path)) for key, path in self.paths.items()}
        return {
            key: signature[2] / 1e9
            for key, (path, signature) in now.items()
            if self._is_new(path, signature)
        }

    def _is_new(self, path: Path, signature: Signature) -> bool:
        return signature[1] > 0 and signature != self.before[path]


def signature_of(path: Path) -> Signature:
    """What tells one state of a file from another."""
    try:
        found = path.stat()
    except OSError:
        return NO_FILE
    return found.st_ino, found.st_size, found.st_mtime_ns
