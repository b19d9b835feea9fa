"""Which version of the criteria a verdict was made with: the git commit that last changed them."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

SECONDS = 5
DIGITS = 12


def of(file: Path) -> str:
    """`84c8de9 of 2024-01-15`, `... and changed since, sha256 1f2e`, `not in git, sha256 1f2e`."""
    try:
        last = _git(file, "log", "-1", "--format=%h of %cs", "--", file.name)
        changed = _git(file, "status", "--porcelain", "--", file.name)
    except (OSError, subprocess.SubprocessError):
        last = changed = ""
    digest = f"sha256 {hashlib.sha256(file.read_bytes()).hexdigest()[:DIGITS]}"
    if not last:
        return f"not in git, {digest}"
    return f"{last} and changed since, {digest}" if changed else last


def _git(file: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(file.parent), *arguments],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    return done.stdout.strip()
