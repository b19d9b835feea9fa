from __future__ import annotations

import pytest

from kpfnb.errors import BadInput, BadSettings
from kpfnb.storage import trouble
from kpfnb.storage.trouble import StorageError, Trouble


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Failed to copy: preallocate: file too big for remaining disk space", Trouble.QUOTA),
        ("write /x: no space left on device", Trouble.QUOTA),
        ("write /x: disk quota exceeded", Trouble.QUOTA),
        (
            "https response error StatusCode: 403, RequestID: x, api error QuotaExceeded: Unknown",
            Trouble.QUOTA,
        ),
        ("googleapi: Error 403: storageQuotaExceeded", Trouble.QUOTA),
        ("Received upload limit error: Error 403: full, storageQuotaExceeded", Trouble.QUOTA),
        ("googleapi: Error 403: User rate limit exceeded., userRateLimitExceeded", Trouble.DAILY),
        ("dial tcp 127.0.0.1:1: connect: connection refused", Trouble.NETWORK),
        ("https response error StatusCode: 500, api error InternalError: x", Trouble.NETWORK),
        ("https response error StatusCode: 503, api error SlowDown: x", Trouble.NETWORK),
        ("read tcp 10.0.0.1:2->10.0.0.2:443: i/o timeout", Trouble.NETWORK),
        ("unexpected EOF", Trouble.NETWORK),
        ("StatusCode: 403, api error AccessDenied: Access Denied", Trouble.PERMISSION),
        ("open /x: permission denied", Trouble.PERMISSION),
        ("couldn't fetch token: invalid_grant: maybe token expired?", Trouble.PERMISSION),
        ("corrupted on transfer: md5 hashes differ src(x) 1 vs dst(y) 2", Trouble.DAMAGED),
        ('didn\'t find section in config file ("nope")', Trouble.CONFIG),
        ("directory not found", Trouble.NOT_FOUND),
        ("api error NoSuchBucket: The specified bucket does not exist", Trouble.NOT_FOUND),
        ("something new", Trouble.OTHER),
    ],
)
def test_words_of_rclone_are_understood(message: str, expected: Trouble) -> None:
    assert trouble.classify(message) is expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [(3, Trouble.NOT_FOUND), (4, Trouble.NOT_FOUND), (5, Trouble.NETWORK), (1, Trouble.OTHER)],
)
def test_without_known_words_the_exit_code_tells(code: int, expected: Trouble) -> None:
    assert trouble.classify("hm", code) is expected


@pytest.mark.parametrize("kind", Trouble)
def test_every_trouble_has_an_error_with_advice(kind: Trouble) -> None:
    error = trouble.error(kind, "what")
    wanted = {Trouble.NOT_FOUND: BadInput, Trouble.CONFIG: BadSettings}.get(kind, StorageError)
    assert type(error) is wanted
    assert error.hint


def test_secrets_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RCLONE_CONFIG_S3_SECRET_ACCESS_KEY", "hunter2222")
    text = "bad key hunter2222 at https://host/x?X-Amz-Signature=abc&y=1 now"
    assert trouble.scrub(text) == "bad key *** at https://host/x now"
