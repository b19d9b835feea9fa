"""Overrides: a person says what a rule's verdict is, and why. They are only ever added.

Each is a file of its own, written whole: nothing that was said is changed or lost. The latest that
names a rule counts; `measured` takes an earlier one back.
"""

from __future__ import annotations

import getpass
import secrets
import socket
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from kpfnb import files
from kpfnb.errors import BadInput, BadParameter
from kpfnb.kpf.quicklook.quality import Verdict

FOLDER = "overrides"
MEASURED = "measured"
TO = (*Verdict, MEASURED)


@dataclass(frozen=True)
class Override:
    """What was said of a rule.

    Attributes
    ----------
    to : PASS, WARN or FAIL; `measured`: what was measured counts again
    at : UTC, ISO 8601
    instead_of : the verdict that was measured when it was said
    criteria : the version of the rules at that time
    """

    night: str
    rule: str
    to: str
    why: str
    who: str
    at: str
    instead_of: str
    criteria: str

    @property
    def verdict(self) -> Verdict | None:
        """The verdict that it sets; None where what was measured counts again."""
        return None if self.to == MEASURED else Verdict(self.to)


def check(to: str, why: str) -> None:
    """Refuse an override without a reason, or to a word that is no verdict."""
    if to not in TO:
        raise BadParameter(f"--to {to!r}", f"it is one of {', '.join(TO)}")
    if not why.strip():
        raise BadParameter("--why is empty", "say why: whoever reads the verdict wants to know")


def make(
    night: str, rule: str, to: str, why: str, *, who: str = "", instead_of: str, criteria: str
) -> Override:
    """An override of this moment, by `who` (the user of this process if '')."""
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    name = who.strip() or f"{getpass.getuser()}@{socket.gethostname()}"
    return Override(night, rule, str(to), " ".join(why.split()), name, at, instead_of, criteria)


def add(folder: Path, override: Override) -> Path:
    """Record it below a night's folder; the file."""
    stamp = override.at.replace("-", "").replace(":", "")
    path = folder / FOLDER / f"{stamp}-{secrets.token_hex(4)}.json"
    files.write_json(path, asdict(override))
    return path


def read(folder: Path) -> list[Override]:
    """All overrides of a night, oldest first; a damaged one is a `BadInput` that names it."""
    found = []
    for path in sorted((folder / FOLDER).glob("[0-9]*.json")):
        try:
            override = Override(**files.read_json(path))
            check(override.to, override.why)
        except (TypeError, BadParameter) as error:
            raise BadInput(f"{path} is no override: {error}", "mend it, or move it away") from None
        found.append(override)
    return found


def in_force(overrides: list[Override]) -> dict[str, Override]:
    """Rule to the override that counts."""
    latest = {one.rule: one for one in overrides}
    return {rule: one for rule, one in latest.items() if one.to != MEASURED}
