from __future__ import annotations

import os
import subprocess
from pathlib import Path
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
    deletion,
    local_files,
    rclone,
)
from kpfnb.storage.transfer import transfer_lock_name
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


def states(result: TransferResult) -> dict[str, FileOutcome]:
    return {item.path: item.state for item in result.items}


def flip(file: Path, at: int) -> None:
    """Change one bit; size and time are the same."""
    before = file.stat()
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    file.write_bytes(data)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_upload_and_download(place: Location, behind: Path, source: Path, tmp_path: Path) -> None:
    up = storage.transfer_files(source, place)
    assert up.outcome is Outcome.SUCCEEDED, up
    assert set(states(up).values()) == {FileOutcome.COPIED}
    assert contents(behind) == contents(source)
    down = storage.transfer_files(place, tmp_path / "back")
    assert down.outcome is Outcome.SUCCEEDED, down
    assert contents(tmp_path / "back") == contents(source)


@pytest.mark.parametrize("kind", ["s3", "gdrive"], indirect=True)
def test_unchanged_files_are_not_transferred_again(place: Location, source: Path) -> None:
    storage.transfer_files(source, place)
    (source / "new.txt").write_text("new")
    again = storage.transfer_files(source, place)
    assert {path for path, state in states(again).items() if state is FileOutcome.COPIED} == {
        "new.txt"
    }
    assert {state for path, state in states(again).items() if path != "new.txt"} == {
        FileOutcome.UNCHANGED
    }


def test_a_flipped_bit_at_the_destination_is_found_and_repaired(
    kind: str, place: Location, behind: Path, source: Path
) -> None:
    storage.transfer_files(source, place)
    flip(behind / "a/spec1d.fits", 700_000)
    # An S3 storage reports the hash of what it was given, not of what its disk has now
    thorough = kind == "s3"
    planned = storage.transfer_files(source, place, read_back=thorough, dry_run=True)
    assert states(planned)["a/spec1d.fits"] is FileOutcome.WOULD_COPY
    assert contents(behind) != contents(source)
    repaired = storage.transfer_files(source, place, read_back=thorough)
    assert [i.path for i in repaired.items if i.state is FileOutcome.COPIED] == ["a/spec1d.fits"]
    assert contents(behind) == contents(source)


def test_a_bit_that_flips_during_the_copy_is_a_failure(
    remotes: dict[str, Path], source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = local_files.copy_files

    def bad_disk(*arguments: Any) -> dict[str, str]:
        failures = copy(*arguments)
        flip(remotes["disk"] / "x/a/spec1d.fits", 3)
        return failures

    monkeypatch.setattr(local_files, "copy_files", bad_disk)
    result = storage.transfer_files(source, "disk:x", retries=1)
    assert result.outcome is Outcome.PARTIAL
    (failed,) = result.failed
    assert (failed.path, failed.error_kind) == ("a/spec1d.fits", StorageErrorKind.DAMAGED)
    assert "a/spec1d.fits" in str(result)


def test_bytes_are_compared_where_no_hash_is_known_of_both(
    remotes: dict[str, Path], source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kpfnb.storage.comparison.find_common_hash", lambda first, second: "")
    assert storage.transfer_files(source, "gdrive:x").outcome is Outcome.SUCCEEDED
    assert set(states(storage.transfer_files(source, "gdrive:x")).values()) == {
        FileOutcome.UNCHANGED
    }
    flip(remotes["gdrive"] / "x/a/spec1d.fits", 5)
    planned = storage.transfer_files(source, "gdrive:x", dry_run=True)
    assert states(planned)["a/spec1d.fits"] is FileOutcome.WOULD_COPY


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
    result = storage.transfer_files(source, place)
    log = source / "J0100+2802_(1)~@=,.log"
    result = storage.transfer_files(log, place / "logs/reduce.log")
    assert result.outcome is Outcome.SUCCEEDED
    assert (behind / "logs/reduce.log").read_bytes() == log.read_bytes()
    storage.transfer_files(place / "logs/reduce.log", tmp_path / "mine.log")
    assert (tmp_path / "mine.log").read_bytes() == log.read_bytes()


def test_a_file_never_goes_onto_the_name_of_a_folder(place: Location, source: Path) -> None:
    storage.transfer_files(source, place)
    with pytest.raises(InvalidInputError, match=r"is a file, and .* a folder"):
        storage.transfer_files(source / "-rf", place)
    with pytest.raises(InvalidInputError, match=r"is a folder, and .* a file"):
        storage.transfer_files(source, place / "-rf")


@pytest.mark.parametrize("kind", ["disk", "s3"], indirect=True)
def test_only_the_files_that_are_named(place: Location, behind: Path, source: Path) -> None:
    result = storage.transfer_files(
        source, place, only=["a/QA/page.html", "-rf", "nope.fits", "x;y", "../up"]
    )
    assert set(contents(behind)) == {"a/QA/page.html", "-rf"}
    assert {item.path: item.error_kind for item in result.failed} == {
        "nope.fits": StorageErrorKind.NOT_FOUND,
        "x;y": StorageErrorKind.REFUSED,
        "../up": StorageErrorKind.REFUSED,
    }
    assert result.outcome is Outcome.PARTIAL


@pytest.mark.parametrize("kind", ["disk", "s3"], indirect=True)
def test_hostile_names_are_reported_and_all_others_transferred(
    place: Location, behind: Path, source: Path
) -> None:
    hostile = ["$(touch bad)", "a\nb", "sem;i", "quo'te", "# c", " lead", "ünïcode", "back\\slash"]
    for name in hostile:
        (source / name).write_text("x")
    fine = {name for name in contents(source) if name not in hostile}
    result = storage.transfer_files(source, place)
    assert set(contents(behind)) == fine
    assert len(result.failed) == len(hostile)
    assert {item.error_kind for item in result.failed} == {StorageErrorKind.REFUSED}
    assert "';'" in next(item.detail for item in result.failed if item.path == "sem;i")


@pytest.mark.parametrize("kind", ["s3"], indirect=True)
def test_links_are_followed_and_a_broken_one_is_reported(
    place: Location, behind: Path, source: Path, tmp_path: Path
) -> None:
    (tmp_path / "raw.fits").write_bytes(b"raw")
    (source / "link.fits").symlink_to(tmp_path / "raw.fits")
    (source / "broken.fits").symlink_to("nowhere")
    result = storage.transfer_files(source, place)
    assert (behind / "link.fits").read_bytes() == b"raw"
    assert [item.path for item in result.failed] == ["broken.fits"]
    assert result.outcome is Outcome.PARTIAL


@pytest.mark.parametrize("kind", ["disk"], indirect=True)
def test_files_of_killed_writers_are_not_transferred(
    place: Location, behind: Path, source: Path
) -> None:
    fine = set(contents(source))
    (source / "a/.kpfnb-x1y2.fits").write_bytes(b"half")
    (source / "a/spec1d.fits.0123abcd.partial").write_bytes(b"half")
    assert storage.transfer_files(source, place).outcome is Outcome.SUCCEEDED
    assert set(contents(behind)) == fine


@pytest.mark.parametrize("upload", [True, False], ids=["upload", "download"])
def test_a_cut_connection_is_resumed(
    remotes: dict[str, Path], source: Path, wire: Wire, tmp_path: Path, upload: bool
) -> None:
    if not upload:
        storage.transfer_files(source, "s3:x")
    ends = (source, "s3:x") if upload else ("s3:x", tmp_path / "back")
    wire.cut_after, wire.cuts, wire.passed = 600_000, 2, 0
    result = storage.transfer_files(*ends)
    assert result.outcome is Outcome.SUCCEEDED, result
    assert wire.cuts_made == 2
    assert contents(remotes["s3"] / "x" if upload else tmp_path / "back") == contents(source)


def test_a_connection_that_stays_bad_is_an_outcome_and_the_next_run_continues(
    remotes: dict[str, Path], source: Path, wire: Wire
) -> None:
    wire.cut_after, wire.cuts = 600_000, 1_000
    result = storage.transfer_files(source, "s3:x", retries=0)
    assert result.outcome is Outcome.PARTIAL
    assert [(i.path, i.error_kind) for i in result.failed] == [
        ("a/spec1d.fits", StorageErrorKind.NETWORK)
    ]
    wire.cuts = 0
    again = storage.transfer_files(source, "s3:x")
    assert [i.path for i in again.items if i.state is FileOutcome.COPIED] == ["a/spec1d.fits"]


def test_a_server_that_does_not_answer(
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
    result = storage.transfer_files(source, "s3:x", move=True)
    assert result.outcome is Outcome.FAILED
    assert {item.error_kind for item in result.failed} == {StorageErrorKind.QUOTA}
    assert "no space left" in result.reason
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
        result = storage.transfer_files(source, tiny / "x")
        files = contents(tiny)
    finally:
        subprocess.run(["umount", str(tiny)], check=True)
    assert result.outcome is Outcome.PARTIAL
    assert [(i.path, i.error_kind) for i in result.failed] == [
        ("a/spec1d.fits", StorageErrorKind.QUOTA)
    ]
    assert len(files) == 3, "no half file is left"


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
        failures = copy(*arguments)
        (behind / "-rf").unlink()
        return failures

    monkeypatch.setattr(local_files, "copy_files", another_writer)
    result = storage.transfer_files(source, place, move=True, retries=0)
    assert states(result)["-rf"] is FileOutcome.FAILED
    assert contents(source) == {"-rf": before.pop("-rf")}
    assert contents(behind) == before


def test_a_source_that_is_gone_after_the_copy_is_an_outcome(
    place: Location, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: Any, **__: Any) -> None:
        raise StorageError(StorageErrorKind.NETWORK, "nobody answers")

    monkeypatch.setattr(deletion, "take_inventory", gone)
    before = contents(source)
    result = storage.transfer_files(source, place, move=True, retries=0)
    assert result.outcome is Outcome.FAILED
    assert {item.detail for item in result.failed} == {"copied, but not deleted: nobody answers"}
    assert contents(source) == before


@pytest.mark.parametrize("kind", ["s3"], indirect=True)
def test_a_move_of_one_file(place: Location, behind: Path, source: Path) -> None:
    result = storage.transfer_files(source / "-rf", place / "x.log", move=True)
    assert [item.state for item in result.items] == [FileOutcome.MOVED]
    assert not (source / "-rf").exists()
    assert (behind / "x.log").exists()


def test_a_mirror_deletes_what_the_source_no_longer_has(
    place: Location, behind: Path, source: Path
) -> None:
    storage.transfer_files(source, place, mirror=True)
    (source / "a/QA/page.html").unlink()
    (source / "new").write_text("new")
    planned = storage.transfer_files(source, place, mirror=True, dry_run=True)
    assert planned.to_dict()["deleted"] == ["a/QA/page.html"]
    result = storage.transfer_files(source, place, mirror=True)
    assert states(result)["a/QA/page.html"] is FileOutcome.DELETED
    assert contents(behind) == contents(source)
    assert not (behind / "a/QA").exists()


@pytest.mark.parametrize("kind", ["disk"], indirect=True)
def test_a_mirror_with_any_failure_deletes_nothing(
    place: Location, behind: Path, source: Path
) -> None:
    storage.transfer_files(source, place, mirror=True)
    (source / "a/QA/page.html").unlink()
    (source / "bad name").write_text("x")
    result = storage.transfer_files(source, place, mirror=True)
    assert result.outcome is Outcome.PARTIAL
    assert (behind / "a/QA/page.html").exists()


@pytest.mark.parametrize("kind", ["s3"], indirect=True)
def test_a_mirror_of_nothing_is_refused(place: Location, source: Path, tmp_path: Path) -> None:
    storage.transfer_files(source, place, mirror=True)
    (tmp_path / "empty").mkdir()
    for nothing in (tmp_path / "empty", tmp_path / "unmounted", place / "nope"):
        with pytest.raises(InvalidInputError, match=r"no files|not exist"):
            storage.transfer_files(nothing, place, mirror=True)
    assert place.exists()


def test_ctrl_c_says_what_was_not_reached(
    remotes: dict[str, Path], source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.transfer_files(source, "s3:x", only=["-rf"])

    def stopped(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(rclone, "run_transfer", stopped)
    result = storage.transfer_files(source, "s3:x")
    assert result.interrupted
    assert {state for path, state in states(result).items() if path != "-rf"} == {
        FileOutcome.NOT_REACHED
    }
    assert result.outcome is Outcome.PARTIAL


@pytest.mark.parametrize("kind", ["disk"], indirect=True)
def test_two_never_transfer_to_one_location(place: Location, source: Path) -> None:
    with (
        locks.acquire_lock(transfer_lock_name(place)),
        pytest.raises(AlreadyRunningError, match="config"),
    ):
        storage.transfer_files(source, place)


def test_options_that_exclude_each_other(source: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameterError, match="mirror and only"):
        storage.transfer_files(source, tmp_path / "x", mirror=True, only=["-rf"])
    with pytest.raises(InvalidInputError, match=r"is a file"):
        storage.transfer_files(source / "-rf", tmp_path / "x", mirror=True)
