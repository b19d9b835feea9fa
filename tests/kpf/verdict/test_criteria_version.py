"""The version of the criteria."""

from __future__ import annotations

import subprocess
from pathlib import Path

from kpfnb.kpf.verdict import criteria_file


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "-C", folder, *who, *arguments], check=True, capture_output=True)


def test_the_version_is_the_commit_that_last_changed_the_criteria(tmp_path: Path) -> None:
    file = tmp_path / "criteria.yml"
    file.write_text("a")
    assert criteria_file.criteria_version(file).startswith("not in git, sha256 ")
    git(tmp_path, "init")
    assert criteria_file.criteria_version(file).startswith("not in git, sha256 ")
    git(tmp_path, "add", file.name)
    git(tmp_path, "commit", "-m", "x")
    committed = criteria_file.criteria_version(file)
    assert " of 20" in committed
    file.write_text("b")
    assert criteria_file.criteria_version(file).startswith(
        f"{committed} and changed since, sha256 "
    )
