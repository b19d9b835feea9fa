"""A local folder is seen as rclone sees it, and a file's hash is never one of other content."""

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
def test_it_sees_what_rclone_sees(tree: Path, only: list[str] | None, hash_type: str) -> None:
    options = ["--recursive", "--files-only", rclone.FOLLOW_LINKS]
    options += ["--hash", f"--hash-type={hash_type}"] if hash_type else []
    answer = rclone.run_command("lsjson", str(tree), options=options, names=only)
    rows = json.loads(answer.output)
    told = {(r["Path"], r["Size"], r.get("Hashes", {}).get(hash_type, "")) for r in rows}
    found = list(local_files.list_files(str(tree), hash_type=hash_type, only=only))
    assert {one[:3] for one in found if not one.problem} == told
    assert {one.path for one in found if one.problem} == set(answer.messages.by_file)


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_it_lists_what_rclone_lists(tree: Path, depth: int) -> None:
    (tree / "broken").unlink()
    options = ["--recursive", rclone.FOLLOW_LINKS, *([f"--max-depth={depth}"] if depth else [])]
    rows = json.loads(rclone.run_command("lsjson", str(tree), options=options).output)
    told = {(row["Path"], -1 if row["IsDir"] else row["Size"], row["IsDir"]) for row in rows}
    assert set(local_files.list_entries(str(tree), depth=depth)) == told


def test_what_can_not_be_looked_at_is_named(tree: Path) -> None:
    for place in (tree, Path("/") / "nowhere"):
        with pytest.raises(FileNotFoundError):
            list(local_files.list_entries(str(place)))
    with pytest.raises(InvalidInputError, match=r"No such file or directory: .*/broken"):
        storage.resolve_location(tree).list()
    (tree / "broken").unlink()
    (tree / "a/up").symlink_to("..")
    with pytest.raises(OSError, match="Too many levels"):
        list(local_files.list_entries(str(tree)))


def test_what_goes_while_it_is_listed_is_not_there(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree / "broken").unlink()
    whole = sorted(local_files.list_entries(str(tree)))
    listdir = os.listdir

    def before(folder: str) -> list[str]:
        return [*listdir(folder), ".kpfnb-gone"]

    monkeypatch.setattr(os, "listdir", before)
    assert sorted(local_files.list_entries(str(tree))) == whole
    assert not [one for one in local_files.list_files(str(tree)) if one.problem]


def test_one_file_is_itself_and_nothing_is_none(tree: Path) -> None:
    (one,) = local_files.list_files(str(tree / "link.fits"), hash_type="md5")
    assert one == ("link.fits", 3, hashlib.md5(b"raw").hexdigest(), "")
    assert not list(local_files.list_files(str(tree / "missing")))
    assert not list(local_files.list_files(str(tree / "link.fits/below")))


def test_a_link_to_a_folder_above_is_told_once(tree: Path) -> None:
    (tree / "a/up").symlink_to("..")
    problems = {one.path: one.problem for one in local_files.list_files(str(tree)) if one.problem}
    assert set(problems) == {"a/up", "broken"}
    assert "too many levels of symbolic links" in problems["a/up"]


def test_what_was_hashed_is_read_again_only_when_it_may_have_changed(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tree / "a/spec1d.fits"

    def digest() -> str:
        return next(local_files.list_files(str(path), hash_type="md5")).hash

    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    time.sleep(2 * local_files.TICK_SECONDS)
    first, misses = digest(), local_files._hash_content.cache_info().misses
    assert (digest(), local_files._hash_content.cache_info().misses) == (first, misses)
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)
    # Neither its size nor the time that its writer says tells it
    os.utime(path, ns=times)
    assert digest() == hashlib.md5(content).hexdigest() != first
    # Just written: it may be written once more within one tick of the clock
    content[0] ^= 1
    monkeypatch.setattr(local_files, "TICK_SECONDS", 60)
    kept = path.stat()
    misses = local_files._hash_content.cache_info().misses
    path.write_bytes(content)
    monkeypatch.setattr(os, "stat", lambda place: kept)
    assert digest() == first
    assert local_files._hash_content.cache_info().misses == misses
