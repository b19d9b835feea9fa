from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from kpfnb.adap.pypeit import installation
from kpfnb.core import atomic
from kpfnb.core.errors import InvalidInputError, InvalidSettingsError, ServiceUnavailableError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pack with one raw frame and one file for each cache."""
    place = tmp_path / "pack"
    manifest = {}
    for kind, name in (("raw", "raw/b1.fits"), ("astropy", "sites"), ("pypeit", "arc")):
        atomic.write_text(place / name, name)
        digest = hashlib.sha256(name.encode()).hexdigest()
        manifest[kind] = [{"path": name, "name": name, "subdir": "x", "sha256": digest}]
    atomic.write_json(place / installation.PACK_MANIFEST, manifest)
    monkeypatch.setenv(installation.PACK_VARIABLE, str(place))
    return place


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    commands: list[tuple[str, ...]] = []
    monkeypatch.setattr(
        installation, "run_in_pypeit", lambda *arguments, variables: commands.append(arguments)
    )
    return commands


def test_without_a_pack_pypeit_is_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(installation.PACK_VARIABLE, raising=False)
    assert installation.pack_folder() is None
    assert installation.pack_environment(tmp_path) == {}


def test_a_folder_that_is_not_a_pack_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(installation.PACK_VARIABLE, str(tmp_path / "nope"))
    with pytest.raises(InvalidSettingsError, match=r"KPFNB_KAST_PACK: .*nope is not a pack"):
        installation.pack_folder()


def test_raw_frames_are_those_of_the_pack_and_checked(folder: Path, tmp_path: Path) -> None:
    assert installation.get_example_frames(tmp_path) == folder / "raw"
    (folder / "raw/b1.fits").write_text("other")
    with pytest.raises(InvalidInputError, match=r"b1\.fits is missing or damaged"):
        installation.get_example_frames(tmp_path)


def test_caches_are_filled_once_a_pack(
    folder: Path, tmp_path: Path, calls: list[tuple[str, ...]]
) -> None:
    variables = installation.pack_environment(tmp_path / "work")
    assert installation.pack_environment(tmp_path / "work") == variables
    assert calls == [("seed", str(folder))]
    assert (Path(variables["XDG_CACHE_HOME"]) / "astropy").is_dir()
    config = Path(variables["XDG_CONFIG_HOME"]) / "astropy/astropy.cfg"
    assert "allow_internet = False" in config.read_text()
    manifest = json.loads((folder / installation.PACK_MANIFEST).read_text())
    atomic.write_json(folder / installation.PACK_MANIFEST, {**manifest, "version": 2})
    installation.pack_environment(tmp_path / "work")
    assert len(calls) == 2


def test_a_damaged_pack_fills_nothing(
    folder: Path, tmp_path: Path, calls: list[tuple[str, ...]]
) -> None:
    (folder / "arc").unlink()
    with pytest.raises(InvalidInputError, match="arc is missing"):
        installation.pack_environment(tmp_path / "work")
    assert calls == []


def test_frames_are_downloaded_where_there_is_no_pack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: list[tuple[str, ...]]
) -> None:
    monkeypatch.delenv(installation.PACK_VARIABLE, raising=False)
    monkeypatch.setattr(installation, "list_spectrographs", list)
    assert installation.get_example_frames(tmp_path) == tmp_path / "kast"
    assert calls == [("fetch", str(tmp_path / "kast"), *installation.KAST_FRAMES)]
    for name in installation.KAST_FRAMES:
        atomic.write_text(tmp_path / "kast" / name, "frame")
    installation.get_example_frames(tmp_path)
    assert len(calls) == 1


def test_without_network_the_message_gives_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*arguments: str, variables: dict[str, str]) -> str:
        raise ServiceUnavailableError("PypeIt's download cache: no route")

    monkeypatch.delenv(installation.PACK_VARIABLE, raising=False)
    monkeypatch.setattr(installation, "list_spectrographs", list)
    monkeypatch.setattr(installation, "run_in_pypeit", unreachable)
    with pytest.raises(ServiceUnavailableError, match=r"can't be downloaded: .*no route") as caught:
        installation.get_example_frames(tmp_path)
    # In the line itself, which is all that the list of a pipeline's steps shows
    assert (
        f"connect this machine, or name the directory of a pack in {installation.PACK_VARIABLE}"
        in (caught.value.what)
    )


def test_a_child_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(ServiceUnavailableError, match="No such file"):
        installation.run_in_pypeit("seed", str(tmp_path / "nope"), variables={})
