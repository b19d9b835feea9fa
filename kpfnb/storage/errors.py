"""What goes wrong in storage: one enum, and one function that knows it from rclone's words."""

from __future__ import annotations

import os
import re
from enum import StrEnum
from typing import NamedTuple

from kpfnb.core.errors import (
    InvalidInputError,
    InvalidSettingsError,
    KpfnbError,
    ServiceUnavailableError,
)


class StorageErrorKind(StrEnum):
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
    def is_transient(self) -> bool:
        """True where another attempt can help."""
        return self in (StorageErrorKind.NETWORK, StorageErrorKind.DAMAGED, StorageErrorKind.OTHER)

    @property
    def advice(self) -> str:
        """What a person should do."""
        return _ADVICE.get(self, "see the message; run it again")


class FileFailure(NamedTuple):
    """Why a file is not as it should be."""

    error_kind: StorageErrorKind
    detail: str


_ADVICE = {
    StorageErrorKind.NOT_FOUND: "check the name, and the setting remotes",
    StorageErrorKind.QUOTA: "make room there; then run it again",
    StorageErrorKind.DAILY: "wait for the next day (UTC); then run it again",
    StorageErrorKind.PERMISSION: "check the credentials in rclone's configuration or environment",
    StorageErrorKind.NETWORK: "run it again; what was carried is not carried twice",
    StorageErrorKind.DAMAGED: "run it again; the disk or the network damages data if it stays so",
    StorageErrorKind.CONFIG: "run: rclone config, or mend the setting remotes",
    StorageErrorKind.REFUSED: "rename it to letters, digits and . _ - + = @ , ~ ( )",
}

# In this order: a full storage comes as an upload limit or as 403 too, and a lost connection may
# name a missing file
_PATTERNS = [
    (
        StorageErrorKind.CONFIG,
        r"didn't find section in config|unknown backend|failed to load config",
    ),
    (
        StorageErrorKind.QUOTA,
        r"no space left|remaining disk space|(storage|disk) ?quota|\b507\b|insufficient ?storage"
        r"|filelimitexceeded|entitytoolarge|disk full",
    ),
    (StorageErrorKind.DAILY, r"uploadlimit|upload limit|limitexceeded"),
    (StorageErrorKind.QUOTA, r"quota"),
    (
        StorageErrorKind.NETWORK,
        r"connection (refused|reset)|dial tcp|no such host|i/o timeout|timed? ?out|unexpected eof"
        r"|broken pipe|closed network|tls|statuscode: (0|429|5\d\d)\b|slowdown"
        r"|service ?unavailable|network is|error 5\d\d|internalerror|\bEOF\b",
    ),
    (
        StorageErrorKind.PERMISSION,
        r"permission denied|access ?denied|forbidden|statuscode: 40[13]|unauthorized"
        r"|invalidaccesskey|signaturedoesnotmatch|invalid_grant|token|read-only|not permitted",
    ),
    (
        StorageErrorKind.DAMAGED,
        r"corrupted on transfer|hash(es)? differ|sizes differ|being updated",
    ),
    (
        StorageErrorKind.NOT_FOUND,
        r"not found|no such file|nosuch(bucket|key)|doesn't exist|statuscode: 404",
    ),
]
_COMPILED_PATTERNS = [(trouble, re.compile(words, re.IGNORECASE)) for trouble, words in _PATTERNS]
_CODES = {3: StorageErrorKind.NOT_FOUND, 4: StorageErrorKind.NOT_FOUND, 5: StorageErrorKind.NETWORK}


def classify_error(message: str, exit_code: int = 1) -> StorageErrorKind:
    """The trouble behind a message and an exit code of rclone."""
    for trouble, words in _COMPILED_PATTERNS:
        if words.search(message):
            return trouble
    return _CODES.get(exit_code, StorageErrorKind.OTHER)


class StorageError(ServiceUnavailableError):
    """A storage does not do what it should; `trouble` says of which kind it is."""

    def __init__(self, trouble: StorageErrorKind, what: str) -> None:
        super().__init__(what, trouble.advice)
        self.error_kind = trouble


def make_storage_error(trouble: StorageErrorKind, what: str) -> KpfnbError:
    """The error to raise: a wrong name or setting is the user's, all else the storage's."""
    if trouble is StorageErrorKind.NOT_FOUND:
        return InvalidInputError(what, trouble.advice)
    if trouble is StorageErrorKind.CONFIG:
        return InvalidSettingsError(what, trouble.advice)
    return StorageError(trouble, what)


_SECRET = re.compile(r"KEY|SECRET|PASS|TOKEN|CREDENTIAL", re.IGNORECASE)
MIN_SECRET_LENGTH = 4


def redact_secrets(text: str) -> str:
    """The text without secrets from rclone's environment and without the queries of URLs."""
    for name, value in os.environ.items():
        if _SECRET.search(name) and "RCLONE" in name and len(value) >= MIN_SECRET_LENGTH:
            text = text.replace(value, "***")
    return re.sub(r"(\w+://[^\s\"?]*)\?[^\s\"]*", r"\1", text)
