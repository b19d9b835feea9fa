"""What goes wrong in storage: one enum, and one function that knows it from rclone's words."""

from __future__ import annotations

import os
import re
from enum import StrEnum
from typing import NamedTuple

from kpfnb.errors import BadInput, BadSettings, KpfnbError, ServiceUnavailable


class Trouble(StrEnum):
    """Why a file was not carried, or a place could not be read."""

    NOT_FOUND = "not there"
    QUOTA = "no room left"
    DAILY = "the limit of the day is reached"
    PERMISSION = "not allowed"
    NETWORK = "no connection"
    DAMAGED = "the copy differs"
    CONFIG = "unknown to rclone"
    REFUSED = "name refused"
    OTHER = "failed"

    @property
    def may_pass(self) -> bool:
        """True where another attempt can help."""
        return self in (Trouble.NETWORK, Trouble.DAMAGED, Trouble.OTHER)

    @property
    def advice(self) -> str:
        """What a person should do."""
        return _ADVICE.get(self, "see the message; run it again")


class Failure(NamedTuple):
    """Why a file is not as it should be."""

    trouble: Trouble
    detail: str


_ADVICE = {
    Trouble.NOT_FOUND: "check the name, and the setting remotes",
    Trouble.QUOTA: "make room there; then run it again",
    Trouble.DAILY: "wait for the next day (UTC); then run it again",
    Trouble.PERMISSION: "check the credentials in rclone's configuration or environment",
    Trouble.NETWORK: "run it again; what was carried is not carried twice",
    Trouble.DAMAGED: "run it again; the disk or the network damages data if it stays so",
    Trouble.CONFIG: "run: rclone config, or mend the setting remotes",
    Trouble.REFUSED: "rename it to letters, digits and . _ - + = @ , ~ ( )",
}

# In this order: a full storage comes as an upload limit or as 403 too, and a lost connection may
# name a missing file
_WORDS = [
    (Trouble.CONFIG, r"didn't find section in config|unknown backend|failed to load config"),
    (
        Trouble.QUOTA,
        r"no space left|remaining disk space|(storage|disk) ?quota|\b507\b|insufficient ?storage"
        r"|filelimitexceeded|entitytoolarge|disk full",
    ),
    (Trouble.DAILY, r"uploadlimit|upload limit|limitexceeded"),
    (Trouble.QUOTA, r"quota"),
    (
        Trouble.NETWORK,
        r"connection (refused|reset)|dial tcp|no such host|i/o timeout|timed? ?out|unexpected eof"
        r"|broken pipe|closed network|tls|statuscode: (0|429|5\d\d)\b|slowdown"
        r"|service ?unavailable|network is|error 5\d\d|internalerror|\bEOF\b",
    ),
    (
        Trouble.PERMISSION,
        r"permission denied|access ?denied|forbidden|statuscode: 40[13]|unauthorized"
        r"|invalidaccesskey|signaturedoesnotmatch|invalid_grant|token|read-only|not permitted",
    ),
    (Trouble.DAMAGED, r"corrupted on transfer|hash(es)? differ|sizes differ|being updated"),
    (
        Trouble.NOT_FOUND,
        r"not found|no such file|nosuch(bucket|key)|doesn't exist|statuscode: 404",
    ),
]
_WORDS_COMPILED = [(trouble, re.compile(words, re.IGNORECASE)) for trouble, words in _WORDS]
_CODES = {3: Trouble.NOT_FOUND, 4: Trouble.NOT_FOUND, 5: Trouble.NETWORK}


def classify(message: str, exit_code: int = 1) -> Trouble:
    """The trouble behind a message and an exit code of rclone."""
    for trouble, words in _WORDS_COMPILED:
        if words.search(message):
            return trouble
    return _CODES.get(exit_code, Trouble.OTHER)


class StorageError(ServiceUnavailable):
    """A storage does not do what it should; `trouble` says of which kind it is."""

    def __init__(self, trouble: Trouble, what: str) -> None:
        super().__init__(what, trouble.advice)
        self.trouble = trouble


def error(trouble: Trouble, what: str) -> KpfnbError:
    """The error to raise: a wrong name or setting is the user's, all else the storage's."""
    if trouble is Trouble.NOT_FOUND:
        return BadInput(what, trouble.advice)
    if trouble is Trouble.CONFIG:
        return BadSettings(what, trouble.advice)
    return StorageError(trouble, what)


_SECRET = re.compile(r"KEY|SECRET|PASS|TOKEN|CREDENTIAL", re.IGNORECASE)
SHORTEST_SECRET = 4


def scrub(text: str) -> str:
    """The text without secrets from rclone's environment and without the queries of URLs."""
    for name, value in os.environ.items():
        if _SECRET.search(name) and "RCLONE" in name and len(value) >= SHORTEST_SECRET:
            text = text.replace(value, "***")
    return re.sub(r"(\w+://[^\s\"?]*)\?[^\s\"]*", r"\1", text)
