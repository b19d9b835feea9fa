from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from kpfnb import storage
from kpfnb.core.errors import InvalidInputError, InvalidSettingsError
from kpfnb.core.result import Outcome
from kpfnb.storage import Location


def fill(folder: Path) -> None:
    for name in ("complete/reduce/A/A.log", "complete/reduce_2/A.log", "complete/raw/b1.fits"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


@pytest.fixture
def filled(place: Location, tmp_path: Path) -> Location:
    fill(tmp_path / "filling")
    assert storage.transfer_files(tmp_path / "filling", place).outcome is Outcome.SUCCEEDED
    return place


def test_list_glob_read_size_hash(filled: Location) -> None:
    place = filled
    assert [(e.path, e.is_folder) for e in place.list()] == [("complete", True)]
    files = [entry.path for entry in place.list(recursive=True) if not entry.is_folder]
    assert files == ["complete/raw/b1.fits", "complete/reduce/A/A.log", "complete/reduce_2/A.log"]
    assert list(map(str, place.glob("complete/reduce*"))) == [
        f"{place}/complete/reduce",
        f"{place}/complete/reduce_2",
    ]
    assert len(place.glob("**/*.log")) == 2
    log = place / "complete" / "reduce/A/A.log"
    assert log.read_text() == "complete/reduce/A/A.log"
    assert (log.size(), log.name, log.kind()) == (23, "A.log", "file")
    assert place.size() == 23 + 23 + 20
    md5 = hashlib.md5(b"complete/reduce/A/A.log").hexdigest()
    assert log.hash() == log.hash("md5") == md5


def test_a_location_without_a_file(place: Location) -> None:
    assert (place.exists(), place.kind(), list(place.glob("*"))) == (False, "", [])
    for method in (place.size, place.read_text, place.hash):
        with pytest.raises(InvalidInputError, match="not exist"):
            method()
    place.delete()


def test_delete(filled: Location, behind: Path) -> None:
    (filled / "complete/reduce/A/A.log").delete()
    assert not (behind / "complete/reduce/A/A.log").exists()
    (filled / "complete").delete()
    assert not (filled / "complete").exists()


@pytest.mark.parametrize("whole", ["s3:", "gdrive:", "disk:", "/"])
def test_a_whole_storage_is_never_deleted(remotes: dict[str, Path], whole: str) -> None:
    with pytest.raises(InvalidInputError, match="whole storage"):
        storage.resolve_location(whole).delete()


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "x.fits").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidInputError, match="not text"):
        storage.resolve_location(tmp_path / "x.fits").read_text()
    with pytest.raises(InvalidInputError, match="directory"):
        storage.resolve_location(tmp_path).read_text()


def test_a_remote_is_named_as_in_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KPFNB_REMOTES", '{"data": "nautilus:pypeit/adap", "nas": "/nas/adap/"}')
    data = storage.resolve_location("data:mask") / "config/2015-10-16"
    assert data.argument == "nautilus:pypeit/adap/mask/config/2015-10-16"
    assert (str(data), data.is_local) == ("data:mask/config/2015-10-16", False)
    assert storage.resolve_location("nas:mask/").argument == "/nas/adap/mask"
    assert storage.resolve_location("data:").argument == "nautilus:pypeit/adap"
    assert storage.resolve_location(data) is data


def test_a_local_path_is_made_absolute(tmp_path: Path) -> None:
    assert storage.resolve_location("-v").argument == str(tmp_path / "-v")
    assert storage.resolve_location("./a:b").argument == str(tmp_path / "a:b")
    assert (storage.resolve_location("~/x") / "y").argument == str(Path.home() / "x/y")


@pytest.mark.parametrize("text", ["nope:x", "data:a;b", "data:../up", "data:/abs", "bad\x1bpath"])
def test_locations_that_are_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("KPFNB_REMOTES", '{"data": "nautilus:pypeit"}')
    with pytest.raises(InvalidInputError) as caught:
        storage.resolve_location(text)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("spec", [":s3,secret_access_key=HUSH:b", "s3,env_auth=true:b", "x", "-v:"])
def test_remotes_with_options_or_secrets_are_refused(
    monkeypatch: pytest.MonkeyPatch, spec: str
) -> None:
    monkeypatch.setenv("KPFNB_REMOTES", f'{{"data": "{spec}"}}')
    with pytest.raises(InvalidSettingsError, match="remote data") as caught:
        storage.resolve_location("data:x")
    assert "HUSH" not in str(caught.value)


def test_a_remote_that_rclone_does_not_know(
    remotes: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KPFNB_REMOTES", '{"data": "unheardof:x"}')
    with pytest.raises(InvalidSettingsError, match="unheardof"):
        storage.resolve_location("data:x").kind()


def test_a_directory_may_hold_a_file_of_its_own_name(place: Location, source: Path) -> None:
    storage.transfer_files(source / "-rf", place / "x.log/x.log", progress=False)
    kinds = [(place / name).kind() for name in ("x.log", "x.log/x.log", "x.log/y.log")]
    assert kinds == ["folder", "file", ""]


def test_a_missing_directory_may_be_listed_as_empty(place: Location, source: Path) -> None:
    assert (place / "gone").list(missing_ok=True) == []
    storage.transfer_files(source, place / "x", progress=False)
    assert [entry.path for entry in (place / "x").list(missing_ok=True)][:2] == [
        "-rf",
        "J0100+2802_(1)~@=,.log",
    ]
