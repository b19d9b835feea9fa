from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from kpfnb import files
from kpfnb.adap.pypeit import installation, kast, pack
from kpfnb.errors import BadInput, BadSettings, ServiceUnavailable


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pack with one raw frame and one file for each cache."""
    place = tmp_path / "pack"
    manifest = {}
    for kind, name in (("raw", "raw/b1.fits"), ("astropy", "sites"), ("pypeit", "arc")):
        files.write_text(place / name, name)
        digest = hashlib.sha256(name.encode()).hexdigest()
        manifest[kind] = [{"path": name, "name": name, "subdir": "x", "sha256": digest}]
    files.write_json(place / pack.MANIFEST, manifest)
    monkeypatch.setenv(pack.VARIABLE, str(place))
    return place


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    made: list[tuple[str, ...]] = []
    monkeypatch.setattr(pack, "in_pypeit", lambda *arguments, variables: made.append(arguments))
    return made


def test_without_a_pack_pypeit_is_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(pack.VARIABLE, raising=False)
    assert pack.folder() is None
    assert pack.environment(tmp_path) == {}


def test_a_folder_that_is_no_pack_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(pack.VARIABLE, str(tmp_path / "nope"))
    with pytest.raises(BadSettings, match=r"KPFNB_KAST_PACK: .*nope is not a pack"):
        pack.folder()


def test_raw_frames_are_those_of_the_pack_and_checked(folder: Path, tmp_path: Path) -> None:
    assert kast.example_frames(tmp_path) == folder / "raw"
    (folder / "raw/b1.fits").write_text("other")
    with pytest.raises(BadInput, match=r"b1\.fits is missing or damaged"):
        kast.example_frames(tmp_path)


def test_caches_are_filled_once_a_pack(
    folder: Path, tmp_path: Path, calls: list[tuple[str, ...]]
) -> None:
    variables = pack.environment(tmp_path / "work")
    assert pack.environment(tmp_path / "work") == variables
    assert calls == [("seed", str(folder))]
    assert (Path(variables["XDG_CACHE_HOME"]) / "astropy").is_dir()
    config = Path(variables["XDG_CONFIG_HOME"]) / "astropy/astropy.cfg"
    assert "allow_internet = False" in config.read_text()
    manifest = json.loads((folder / pack.MANIFEST).read_text())
    files.write_json(folder / pack.MANIFEST, {**manifest, "version": 2})
    pack.environment(tmp_path / "work")
    assert len(calls) == 2


def test_a_damaged_pack_fills_nothing(
    folder: Path, tmp_path: Path, calls: list[tuple[str, ...]]
) -> None:
    (folder / "arc").unlink()
    with pytest.raises(BadInput, match="arc is missing"):
        pack.environment(tmp_path / "work")
    assert calls == []


def test_frames_are_downloaded_where_there_is_no_pack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: list[tuple[str, ...]]
) -> None:
    monkeypatch.delenv(pack.VARIABLE, raising=False)
    monkeypatch.setattr(installation, "spectrographs", list)
    assert kast.example_frames(tmp_path) == tmp_path / "kast"
    assert calls == [("fetch", str(tmp_path / "kast"), *kast.NAMES)]
    for name in kast.NAMES:
        files.write_text(tmp_path / "kast" / name, "frame")
    kast.example_frames(tmp_path)
    assert len(calls) == 1


def test_no_network_is_told_with_a_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*arguments: str, variables: dict[str, str]) -> str:
        raise ServiceUnavailable("PypeIt's download cache: no route")

    monkeypatch.delenv(pack.VARIABLE, raising=False)
    monkeypatch.setattr(installation, "spectrographs", list)
    monkeypatch.setattr(pack, "in_pypeit", unreachable)
    with pytest.raises(ServiceUnavailable, match=r"can't be downloaded: .*no route") as caught:
        kast.example_frames(tmp_path)
    # In the line itself, which is all that the list of a pipeline's steps shows
    assert f"connect this machine, or name the folder of a pack in {pack.VARIABLE}" in (
        caught.value.what
    )


def test_a_child_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(ServiceUnavailable, match="No such file"):
        pack.in_pypeit("seed", str(tmp_path / "nope"), variables={})
