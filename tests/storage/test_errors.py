from __future__ import annotations

import pytest

from kpfnb.core.errors import InvalidInputError, InvalidSettingsError
from kpfnb.storage import errors
from kpfnb.storage.errors import StorageError, StorageErrorKind


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            "Failed to copy: preallocate: file too big for remaining disk space",
            StorageErrorKind.QUOTA,
        ),
        ("write /x: no space left on device", StorageErrorKind.QUOTA),
        ("write /x: disk quota exceeded", StorageErrorKind.QUOTA),
        (
            "https response error StatusCode: 403, RequestID: x, api error QuotaExceeded: Unknown",
            StorageErrorKind.QUOTA,
        ),
        ("googleapi: Error 403: storageQuotaExceeded", StorageErrorKind.QUOTA),
        (
            "Received upload limit error: Error 403: full, storageQuotaExceeded",
            StorageErrorKind.QUOTA,
        ),
        (
            "googleapi: Error 403: User rate limit exceeded., userRateLimitExceeded",
            StorageErrorKind.DAILY,
        ),
        ("dial tcp 127.0.0.1:1: connect: connection refused", StorageErrorKind.NETWORK),
        (
            "https response error StatusCode: 500, api error InternalError: x",
            StorageErrorKind.NETWORK,
        ),
        ("https response error StatusCode: 503, api error SlowDown: x", StorageErrorKind.NETWORK),
        ("read tcp 10.0.0.1:2->10.0.0.2:443: i/o timeout", StorageErrorKind.NETWORK),
        ("unexpected EOF", StorageErrorKind.NETWORK),
        ("StatusCode: 403, api error AccessDenied: Access Denied", StorageErrorKind.PERMISSION),
        ("open /x: permission denied", StorageErrorKind.PERMISSION),
        ("couldn't fetch token: invalid_grant: maybe token expired?", StorageErrorKind.PERMISSION),
        ("corrupted on transfer: md5 hashes differ src(x) 1 vs dst(y) 2", StorageErrorKind.DAMAGED),
        ('didn\'t find section in config file ("nope")', StorageErrorKind.CONFIG),
        ("directory not found", StorageErrorKind.NOT_FOUND),
        ("api error NoSuchBucket: The specified bucket does not exist", StorageErrorKind.NOT_FOUND),
        ("something new", StorageErrorKind.OTHER),
    ],
)
def test_messages_of_rclone_are_classified(message: str, expected: StorageErrorKind) -> None:
    assert errors.classify_error(message) is expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (3, StorageErrorKind.NOT_FOUND),
        (4, StorageErrorKind.NOT_FOUND),
        (5, StorageErrorKind.NETWORK),
        (1, StorageErrorKind.OTHER),
    ],
)
def test_an_unknown_message_is_classified_by_its_exit_code(
    code: int, expected: StorageErrorKind
) -> None:
    assert errors.classify_error("hm", code) is expected


@pytest.mark.parametrize("kind", StorageErrorKind)
def test_every_kind_has_an_error_with_advice(kind: StorageErrorKind) -> None:
    error = errors.make_storage_error(kind, "what")
    expected = {
        StorageErrorKind.NOT_FOUND: InvalidInputError,
        StorageErrorKind.CONFIG: InvalidSettingsError,
    }.get(kind, StorageError)
    assert type(error) is expected
    assert error.hint


def test_secrets_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RCLONE_CONFIG_S3_SECRET_ACCESS_KEY", "hunter2222")
    text = "bad key hunter2222 at https://host/x?X-Amz-Signature=abc&y=1 now"
    assert errors.redact_secrets(text) == "bad key *** at https://host/x now"
