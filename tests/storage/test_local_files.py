"""Local listings agree with rclone's, and a file's hash never belongs to older content."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path

import pytest

from kpfnb import storage
from kpfnb.core.errors import InvalidInputError
from kpfnb.storage import local_files, rclone

NAMES = ["a/spec1d.fits", "b.log", "link.fits", "not there", "broken", "a/pipe"]


@pytest.fixture
def tree(source: Path, tmp_path: Path) -> Path:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/raw.fits").write_bytes(b"raw")
    (source / "folder").symlink_to("../elsewhere")
    (source / "link.fits").symlink_to("../elsewhere/raw.fits")
    (source / "broken").symlink_to("nowhere")
    (source / "empty").mkdir()
    (source / os.fsdecode(b"bad\xff.log")).write_bytes(b"")
    os.mkfifo(source / "a/pipe")
    return source


@pytest.mark.parametrize("only", [None, NAMES])
@pytest.mark.parametrize("hash_type", ["", *local_files.HASHES])
def test_files_are_those_that_rclone_lists(
    tree: Path, only: list[str] | None, hash_type: str
) -> None:
    options = ["--recursive", "--files-only", rclone.FOLLOW_LINKS]
    options += ["--hash", f"--hash-type={hash_type}"] if hash_type else []
    completed = rclone.run_command("lsjson", str(tree), options=options, names=only)
    rows = json.loads(completed.output)
    expected = {(r["Path"], r["Size"], r.get("Hashes", {}).get(hash_type, "")) for r in rows}
    files = list(local_files.list_files(str(tree), hash_type=hash_type, only=only))
    assert {file[:3] for file in files if not file.problem} == expected
    assert {file.path for file in files if file.problem} == set(completed.messages.by_file)


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_entries_are_those_that_rclone_lists(tree: Path, depth: int) -> None:
    (tree / "broken").unlink()
    options = ["--recursive", rclone.FOLLOW_LINKS, *([f"--max-depth={depth}"] if depth else [])]
    rows = json.loads(rclone.run_command("lsjson", str(tree), options=options).output)
    expected = {(row["Path"], -1 if row["IsDir"] else row["Size"], row["IsDir"]) for row in rows}
    assert set(local_files.list_entries(str(tree), depth=depth)) == expected


def test_an_unreadable_path_is_named(tree: Path) -> None:
    for place in (tree, Path("/") / "nowhere"):
        with pytest.raises(FileNotFoundError):
            list(local_files.list_entries(str(place)))
    with pytest.raises(InvalidInputError, match=r"No such file or directory: .*/broken"):
        storage.resolve_location(tree).list()
    (tree / "broken").unlink()
    (tree / "a/up").symlink_to("..")
    with pytest.raises(OSError, match="Too many levels"):
        list(local_files.list_entries(str(tree)))


def test_a_file_removed_during_the_listing_is_left_out(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree / "broken").unlink()
    complete = sorted(local_files.list_entries(str(tree)))
    listdir = os.listdir

    def list_with_removed_file(folder: str) -> list[str]:
        return [*listdir(folder), ".kpfnb-gone"]

    monkeypatch.setattr(os, "listdir", list_with_removed_file)
    assert sorted(local_files.list_entries(str(tree))) == complete
    assert not [file for file in local_files.list_files(str(tree)) if file.problem]


def test_a_file_is_its_own_list_and_nothing_gives_an_empty_one(tree: Path) -> None:
    (file,) = local_files.list_files(str(tree / "link.fits"), hash_type="md5")
    assert file == ("link.fits", 3, hashlib.md5(b"raw").hexdigest(), "")
    assert not list(local_files.list_files(str(tree / "missing")))
    assert not list(local_files.list_files(str(tree / "link.fits/below")))


def test_a_link_to_a_directory_above_is_reported_once(tree: Path) -> None:
    (tree / "a/up").symlink_to("..")
    problems = {f.path: f.problem for f in local_files.list_files(str(tree)) if f.problem}
    assert set(problems) == {"a/up", "broken"}
    assert "too many levels of symbolic links" in problems["a/up"]


def test_a_file_is_hashed_again_only_when_it_may_have_changed(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tree / "a/spec1d.fits"

    def digest() -> str:
        return next(local_files.list_files(str(path), hash_type="md5")).hash

    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    time.sleep(2 * local_files.TICK_SECONDS)
    first, misses = digest(), local_files.hash_content.cache_info().misses
    assert (digest(), local_files.hash_content.cache_info().misses) == (first, misses)
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)
    # Neither size nor modification time shows the change
    os.utime(path, ns=times)
    assert digest() == hashlib.md5(content).hexdigest() != first
    # Just written: it may be written once more within one tick of the clock
    content[0] ^= 1
    monkeypatch.setattr(local_files, "TICK_SECONDS", 60)
    status = path.stat()
    misses = local_files.hash_content.cache_info().misses
    path.write_bytes(content)
    monkeypatch.setattr(os, "stat", lambda place: status)
    assert digest() == first
    assert local_files.hash_content.cache_info().misses == misses
