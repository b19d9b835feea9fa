from __future__ import annotations

import pytest

from kpfnb.storage import paths


@pytest.mark.parametrize(
    ("path", "pattern", "expected"),
    [
        ("a/b.log", "*/*.log", True),
        ("a/b.log", "*.log", False),
        ("a/b.log", "**/*.log", True),
        ("b.log", "**/*.log", True),
        ("a/x/y/b", "a/**/b", True),
        ("a/x/y/b", "a/**", True),
        ("a/x", "?/[xy]", True),
    ],
)
def test_patterns(path: str, pattern: str, expected: bool) -> None:
    assert paths.matches_pattern(path, pattern) is expected
