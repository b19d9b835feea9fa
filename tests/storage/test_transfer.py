from __future__ import annotations

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kpfnb import storage
from kpfnb.core import locks
from kpfnb.core.errors import AlreadyRunningError, InvalidInputError, InvalidParameterError
from kpfnb.core.result import Outcome
from kpfnb.storage import (
    FileOutcome,
    Location,
    StorageError,
    StorageErrorKind,
    local_files,
    rclone,
    transfer,
)
from kpfnb.storage.transfer import _lock_name
from kpfnb.storage.transfer_result import TransferResult
from tests.storage.wire import Wire

REFUSED_PUT = b"<Error><Code>QuotaExceeded</Code><Message>full</Message></Error>"
FULL = (
    b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/xml\r\nConnection: close\r\n"
    b"Content-Length: " + str(len(REFUSED_PUT)).encode() + b"\r\n\r\n" + REFUSED_PUT
)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def states(carried: TransferResult) -> dict[str, FileOutcome]:
    return {item.path: item.state for item in carried.items}


def flip(file: Path, at: int) -> None:
    """One bit, and nobody sees it in size and time."""
    before = file.stat()
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    file.write_bytes(data)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_there_and_back(place: Location, behind: Path, source: Path, tmp_path: Path) -> None:
    up = place.upload(source)
    assert up.outcome is Outcome.SUCCEEDED, up
    assert set(states(up).values()) == {FileOutcome.COPIED}
    assert contents(behind) == contents(source)
    down = place.download(tmp_path / "back")
    assert down.outcome is Outcome.SUCCEEDED, down
    assert contents(tmp_path / "back") == contents(source)


@pytest.mark.parametrize("kind", ["s3", "gdrive"], indirect=True)
def test_what_is_there_is_not_carried_again(place: Location, source: Path) -> None:
    place.upload(source)
    (source / "new.txt").write_text("new")
    again = place.upload(source)
    assert {path for path, state in states(again).items() if state is FileOutcome.COPIED} == {
        "new.txt"
    }
    assert {state for path, state in states(again).items() if path != "new.txt"} == {
        FileOutcome.UNCHANGED
    }


def test_a_flipped_bit_at_the_destination_is_found_and_mended(
    kind: str, place: Location, behind: Path, source: Path
) -> None:
    place.upload(source)
    flip(behind / "a/spec1d.fits", 700_000)
    # An S3 storage tells the hash of what it was given, not of what its disk has now
    thorough = kind == "s3"
    planned = place.upload(source, read_back=thorough, dry_run=True)
    assert states(planned)["a/spec1d.fits"] is FileOutcome.WOULD_COPY
    assert contents(behind) != contents(source)
    mended = place.upload(source, read_back=thorough)
    assert [i.path for i in mended.items if i.state is FileOutcome.COPIED] == ["a/spec1d.fits"]
    assert contents(behind) == contents(source)


def test_a_bit_that_flips_on_the_way_is_a_failure(
    remotes: dict[str, Path], source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = local_files.copy_files

    def bad_disk(*arguments: Any) -> dict[str, str]:
        said = copy(*arguments)
        flip(remotes["disk"] / "x/a/spec1d.fits", 3)
        return said

    monkeypatch.setattr(local_files, "copy_files", bad_disk)
    carried = storage.transfer_files(source, "disk:x", retries=1)
    assert carried.outcome is Outcome.PARTIAL
    (failed,) = carried.failed
    assert (failed.path, failed.error_kind) == ("a/spec1d.fits", StorageErrorKind.DAMAGED)
    assert "a/spec1d.fits" in str(carried)


def test_bytes_are_compared_where_no_hash_is_known_of_both(
    remotes: dict[str, Path], source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kpfnb.storage.comparison.find_common_hash", lambda first, second: "")
    assert storage.transfer_files(source, "gdrive:x").outcome is Outcome.SUCCEEDED
    assert set(states(storage.transfer_files(source, "gdrive:x")).values()) == {
        FileOutcome.UNCHANGED
    }
    flip(remotes["gdrive"] / "x/a/spec1d.fits", 5)
    found = storage.transfer_files(source, "gdrive:x", dry_run=True)
    assert states(found)["a/spec1d.fits"] is FileOutcome.WOULD_COPY


def test_read_back_trusts_no_hash(remotes: dict[str, Path], source: Path) -> None:
    log = source / "-rf"
    assert (
        storage.transfer_files(log, "s3:renamed.log", read_back=True).outcome is Outcome.SUCCEEDED
    )
    again = storage.transfer_files(log, "s3:renamed.log", read_back=True)
    assert [item.state for item in again.items] == [FileOutcome.UNCHANGED]


def test_one_file_gets_the_name_that_is_given(
    place: Location, behind: Path, source: Path, tmp_path: Path
) -> None:
    carried = place.upload(source)
    log = source / "J0100+2802_(1)~@=,.log"
    carried = (place / "logs/reduce.log").upload(log)
    assert carried.outcome is Outcome.SUCCEEDED
    assert (behind / "logs/reduce.log").read_bytes() == log.read_bytes()
    (place / "logs/reduce.log").download(tmp_path / "mine.log")
    assert (tmp_path / "mine.log").read_bytes() == log.read_bytes()


def test_a_file_never_goes_onto_the_name_of_a_folder(place: Location, source: Path) -> None:
    place.upload(source)
    with pytest.raises(InvalidInputError, match=r"is a file, and .* a folder"):
        place.upload(source / "-rf")
    with pytest.raises(InvalidInputError, match=r"is a folder, and .* a file"):
        (place / "-rf").upload(source)


@pytest.mark.parametrize("kind", ["disk", "s3"], indirect=True)
def test_only_the_files_that_are_named(place: Location, behind: Path, source: Path) -> None:
    carried = place.upload(source, only=["a/QA/page.html", "-rf", "nope.fits", "x;y", "../up"])
    assert set(contents(behind)) == {"a/QA/page.html", "-rf"}
    assert {item.path: item.error_kind for item in carried.failed} == {
        "nope.fits": StorageErrorKind.NOT_FOUND,
        "x;y": StorageErrorKind.REFUSED,
        "../up": StorageErrorKind.REFUSED,
    }
    assert carried.outcome is Outcome.PARTIAL


@pytest.mark.parametrize("kind", ["disk", "s3"], indirect=True)
def test_hostile_names_are_told_and_all_else_is_carried(
    place: Location, behind: Path, source: Path
) -> None:
    hostile = ["$(touch bad)", "a\nb", "sem;i", "quo'te", "# c", " lead", "ünïcode", "back\\slash"]
    for name in hostile:
        (source / name).write_text("x")
    fine = {name for name in contents(source) if name not in hostile}
    carried = place.upload(source)
    assert set(contents(behind)) == fine
    assert len(carried.failed) == len(hostile)
    assert {item.error_kind for item in carried.failed} == {StorageErrorKind.REFUSED}
    assert "';'" in next(item.detail for item in carried.failed if item.path == "sem;i")


@pytest.mark.parametrize("kind", ["s3"], indirect=True)
def test_links_are_followed_and_a_broken_one_is_told(
    place: Location, behind: Path, source: Path, tmp_path: Path
) -> None:
    (tmp_path / "raw.fits").write_bytes(b"raw")
    (source / "link.fits").symlink_to(tmp_path / "raw.fits")
    (source / "broken.fits").symlink_to("nowhere")
    carried = place.upload(source)
    assert (behind / "link.fits").read_bytes() == b"raw"
    assert [item.path for item in carried.failed] == ["broken.fits"]
    assert carried.outcome is Outcome.PARTIAL


@pytest.mark.parametrize("kind", ["disk"], indirect=True)
def test_leftovers_of_killed_writers_are_not_carried(
    place: Location, behind: Path, source: Path
) -> None:
    fine = set(contents(source))
    (source / "a/.kpfnb-x1y2.fits").write_bytes(b"half")
    (source / "a/spec1d.fits.0123abcd.partial").write_bytes(b"half")
    assert place.upload(source).outcome is Outcome.SUCCEEDED
    assert set(contents(behind)) == fine


@pytest.mark.parametrize("upload", [True, False], ids=["upload", "download"])
def test_a_cut_connection_is_taken_up_again(
    remotes: dict[str, Path], source: Path, wire: Wire, tmp_path: Path, upload: bool
) -> None:
    if not upload:
        storage.transfer_files(source, "s3:x")
    ends = (source, "s3:x") if upload else ("s3:x", tmp_path / "back")
    wire.cut_after, wire.cuts, wire.passed = 600_000, 2, 0
    carried = storage.transfer_files(*ends)
    assert carried.outcome is Outcome.SUCCEEDED, carried
    assert wire.cuts_made == 2
    assert contents(remotes["s3"] / "x" if upload else tmp_path / "back") == contents(source)


def test_a_connection_that_stays_bad_is_an_outcome_and_the_next_run_goes_on(
    remotes: dict[str, Path], source: Path, wire: Wire
) -> None:
    wire.cut_after, wire.cuts = 600_000, 1_000
    carried = storage.transfer_files(source, "s3:x", retries=0)
    assert carried.outcome is Outcome.PARTIAL
    assert [(i.path, i.error_kind) for i in carried.failed] == [
        ("a/spec1d.fits", StorageErrorKind.NETWORK)
    ]
    wire.cuts = 0
    again = storage.transfer_files(source, "s3:x")
    assert [i.path for i in again.items if i.state is FileOutcome.COPIED] == ["a/spec1d.fits"]


def test_nobody_answers(
    remotes: dict[str, Path], source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RCLONE_CONFIG_S3_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setattr(rclone, "FLAGS", (*rclone.FLAGS, "--low-level-retries=1"))
    with pytest.raises(StorageError, match="connection refused") as caught:
        storage.transfer_files(source, "s3:x")
    assert caught.value.error_kind is StorageErrorKind.NETWORK


def test_a_full_quota_of_an_s3_storage_is_an_outcome(
    remotes: dict[str, Path], source: Path, wire: Wire
) -> None:
    wire.answer_to_put = FULL
    carried = storage.transfer_files(source, "s3:x", move=True)
    assert carried.outcome is Outcome.FAILED
    assert {item.error_kind for item in carried.failed} == {StorageErrorKind.QUOTA}
    assert "no room left" in carried.reason
    assert len(contents(source)) == 4, "nothing was deleted"


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A disk of one megabyte, in a mount namespace's or the machine's own table."""
    folder = tmp_path / "gdrive/tiny"
    folder.mkdir(parents=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True
    )
    if done.returncode:
        pytest.skip("only root can make a full disk")
    return folder


def test_a_full_disk_is_an_outcome(remotes: dict[str, Path], source: Path, tiny: Path) -> None:
    try:
        carried = storage.transfer_files(source, tiny / "x")
        found = contents(tiny)
    finally:
        subprocess.run(["umount", str(tiny)], check=True)
    assert carried.outcome is Outcome.PARTIAL
    assert [(i.path, i.error_kind) for i in carried.failed] == [
        ("a/spec1d.fits", StorageErrorKind.QUOTA)
    ]
    assert len(found) == 3, "no half file is left"


def test_wrong_credentials_are_one_clear_error_without_the_secret(
    remotes: dict[str, Path], source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RCLONE_CONFIG_S3_SECRET_ACCESS_KEY", "WRONG-SECRET")
    with pytest.raises(StorageError) as caught:
        storage.transfer_files(source, "s3:x")
    assert caught.value.error_kind is StorageErrorKind.PERMISSION
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("kind", ["disk"], indirect=True)
def test_a_move_deletes_only_what_is_verified(
    place: Location, behind: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(source)
    copy = local_files.copy_files

    def another_writer(*arguments: Any) -> dict[str, str]:
        said = copy(*arguments)
        (behind / "-rf").unlink()
        return said

    monkeypatch.setattr(local_files, "copy_files", another_writer)
    carried = place.upload(source, move=True, retries=0)
    assert states(carried)["-rf"] is FileOutcome.FAILED
    assert contents(source) == {"-rf": before.pop("-rf")}
    assert contents(behind) == before


def test_a_source_that_is_gone_after_the_copy_is_an_outcome(
    place: Location, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: Any, **__: Any) -> None:
        raise StorageError(StorageErrorKind.NETWORK, "nobody answers")

    monkeypatch.setattr(transfer, "inventory", SimpleNamespace(take=gone))
    before = contents(source)
    carried = place.upload(source, move=True, retries=0)
    assert carried.outcome is Outcome.FAILED
    assert {item.detail for item in carried.failed} == {"copied, but not deleted: nobody answers"}
    assert contents(source) == before


@pytest.mark.parametrize("kind", ["s3"], indirect=True)
def test_a_move_of_one_file(place: Location, behind: Path, source: Path) -> None:
    carried = (place / "x.log").upload(source / "-rf", move=True)
    assert [item.state for item in carried.items] == [FileOutcome.MOVED]
    assert not (source / "-rf").exists()
    assert (behind / "x.log").exists()


def test_a_mirror_deletes_what_the_source_has_no_more(
    place: Location, behind: Path, source: Path
) -> None:
    place.sync(source)
    (source / "a/QA/page.html").unlink()
    (source / "new").write_text("new")
    planned = place.sync(source, dry_run=True)
    assert planned.to_dict()["deleted"] == ["a/QA/page.html"]
    carried = place.sync(source)
    assert states(carried)["a/QA/page.html"] is FileOutcome.DELETED
    assert contents(behind) == contents(source)
    assert not (behind / "a/QA").exists()


@pytest.mark.parametrize("kind", ["disk"], indirect=True)
def test_a_mirror_with_any_failure_deletes_nothing(
    place: Location, behind: Path, source: Path
) -> None:
    place.sync(source)
    (source / "a/QA/page.html").unlink()
    (source / "bad name").write_text("x")
    carried = place.sync(source)
    assert carried.outcome is Outcome.PARTIAL
    assert (behind / "a/QA/page.html").exists()


@pytest.mark.parametrize("kind", ["s3"], indirect=True)
def test_a_mirror_of_nothing_is_refused(place: Location, source: Path, tmp_path: Path) -> None:
    place.sync(source)
    (tmp_path / "empty").mkdir()
    for nothing in (tmp_path / "empty", tmp_path / "unmounted", place / "nope"):
        with pytest.raises(InvalidInputError, match=r"no files|not there"):
            place.sync(nothing)
    assert place.exists()


def test_ctrl_c_says_what_was_not_reached(
    remotes: dict[str, Path], source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.transfer_files(source, "s3:x", only=["-rf"])

    def stopped(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(rclone, "run_transfer", stopped)
    carried = storage.transfer_files(source, "s3:x")
    assert carried.interrupted
    assert {state for path, state in states(carried).items() if path != "-rf"} == {
        FileOutcome.NOT_REACHED
    }
    assert carried.outcome is Outcome.PARTIAL


@pytest.mark.parametrize("kind", ["disk"], indirect=True)
def test_two_never_carry_to_one_place(place: Location, source: Path) -> None:
    with locks.acquire_lock(_lock_name(place)), pytest.raises(AlreadyRunningError, match="config"):
        place.upload(source)


def test_impossible_wishes(source: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameterError, match="mirror and only"):
        storage.transfer_files(source, tmp_path / "x", mirror=True, only=["-rf"])
    with pytest.raises(InvalidInputError, match=r"is a file"):
        storage.transfer_files(source / "-rf", tmp_path / "x", mirror=True)
