"""Storage errors: one enum of kinds, and the function that classifies rclone's messages."""

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

_SECRET = re.compile(r"KEY|SECRET|PASS|TOKEN|CREDENTIAL", re.IGNORECASE)
MIN_SECRET_LENGTH = 4


class StorageErrorKind(StrEnum):
    """Why a file was not transferred, or a location could not be read."""

    NOT_FOUND = "not there"
    QUOTA = "no space left"
    DAILY = "the limit of the day is reached"
    PERMISSION = "not allowed"
    NETWORK = "no connection"
    DAMAGED = "the copy differs"
    CONFIG = "unknown to rclone"
    REFUSED = "name refused"
    OTHER = "failed"

    @property
    def is_transient(self) -> bool:
        """True if another attempt can help."""
        return self in (StorageErrorKind.NETWORK, StorageErrorKind.DAMAGED, StorageErrorKind.OTHER)

    @property
    def advice(self) -> str:
        """What a person should do."""
        return _ADVICE.get(self, "see the message; run it again")


class FileFailure(NamedTuple):
    """Why one file was not transferred, deleted or read."""

    error_kind: StorageErrorKind
    detail: str


_ADVICE = {
    StorageErrorKind.NOT_FOUND: "check the name, and the setting remotes",
    StorageErrorKind.QUOTA: "free some space there; then run it again",
    StorageErrorKind.DAILY: "wait for the next day (UTC); then run it again",
    StorageErrorKind.PERMISSION: "check the credentials in rclone's configuration or environment",
    StorageErrorKind.NETWORK: "run it again; transferred files are not transferred twice",
    StorageErrorKind.DAMAGED: "run it again; if it fails again, the disk or network damages data",
    StorageErrorKind.CONFIG: "run: rclone config, or correct the setting remotes",
    StorageErrorKind.REFUSED: "rename it to letters, digits and . _ - + = @ , ~ ( )",
}

# The order matters: a full storage is also reported as an upload limit or as 403, and the message
# of a lost connection may name a missing file
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
_COMPILED_PATTERNS = [(kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in _PATTERNS]
_EXIT_CODES = {
    3: StorageErrorKind.NOT_FOUND,
    4: StorageErrorKind.NOT_FOUND,
    5: StorageErrorKind.NETWORK,
}


def classify_error(message: str, exit_code: int = 1) -> StorageErrorKind:
    """The kind of error behind a message and an exit code of rclone."""
    for kind, pattern in _COMPILED_PATTERNS:
        if pattern.search(message):
            return kind
    return _EXIT_CODES.get(exit_code, StorageErrorKind.OTHER)


class StorageError(ServiceUnavailableError):
    """A storage refused or failed to do what was requested; `error_kind` says why."""

    def __init__(self, kind: StorageErrorKind, what: str) -> None:
        super().__init__(what, kind.advice)
        self.error_kind = kind


def make_storage_error(kind: StorageErrorKind, what: str) -> KpfnbError:
    """The error to raise: user errors for wrong names and settings, else `StorageError`."""
    if kind is StorageErrorKind.NOT_FOUND:
        return InvalidInputError(what, kind.advice)
    if kind is StorageErrorKind.CONFIG:
        return InvalidSettingsError(what, kind.advice)
    return StorageError(kind, what)


def redact_secrets(text: str) -> str:
    """The text without secrets from rclone's environment and without the queries of URLs."""
    for name, value in os.environ.items():
        if _SECRET.search(name) and "RCLONE" in name and len(value) >= MIN_SECRET_LENGTH:
            text = text.replace(value, "***")
    return re.sub(r"(\w+://[^\s\"?]*)\?[^\s\"]*", r"\1", text)
