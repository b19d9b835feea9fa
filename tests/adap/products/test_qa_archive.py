"""The QA archive: never worse than the one it replaces; nothing is removed before verification."""

from __future__ import annotations

import io
import shutil
import tarfile
from pathlib import Path
from typing import BinaryIO

import pytest

from kpfnb.adap.products import qa_archive
from kpfnb.core.errors import InvalidInputError

PICTURES = {"PNGs/a.png": b"a picture", "PNGs/b $.png": b"another", "MF_A.html": b"<p>"}


def write_qa(folder: Path, files: dict[str, bytes] = PICTURES) -> Path:
    for name, content in files.items():
        path = folder / "QA" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return dict(qa_archive.read_archive(folder / "QA.tar.gz"))


def test_all_files_are_in_it_then_the_folder_goes(tmp_path: Path) -> None:
    assert qa_archive.pack_qa(write_qa(tmp_path)) == tmp_path / "QA.tar.gz"
    assert content(tmp_path) == {f"QA/{name}": text for name, text in PICTURES.items()}
    assert [path.name for path in tmp_path.iterdir()] == ["QA.tar.gz"]
    with tarfile.open(tmp_path / "QA.tar.gz") as tar:
        tar.extractall(tmp_path, filter="data")
    assert (tmp_path / "QA/PNGs/a.png").read_bytes() == b"a picture"


def test_without_qa_there_is_no_archive(tmp_path: Path) -> None:
    assert qa_archive.pack_qa(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("folder", ["no folder", "an empty folder", "empty folders"])
def test_a_good_one_is_never_replaced_by_an_empty_one(tmp_path: Path, folder: str) -> None:
    qa_archive.pack_qa(write_qa(tmp_path))
    before = (tmp_path / "QA.tar.gz").read_bytes()
    if folder != "no folder":
        (tmp_path / ("QA" if folder == "an empty folder" else "QA/PNGs")).mkdir(parents=True)
    assert qa_archive.pack_qa(tmp_path) == tmp_path / "QA.tar.gz"
    assert (tmp_path / "QA.tar.gz").read_bytes() == before
    assert not (tmp_path / "QA").exists()


def test_new_qa_replaces_it(tmp_path: Path) -> None:
    qa_archive.pack_qa(write_qa(tmp_path))
    qa_archive.pack_qa(write_qa(tmp_path, {"PNGs/c.png": b"new"}))
    assert content(tmp_path) == {"QA/PNGs/c.png": b"new"}


def test_the_same_files_give_the_same_archive(tmp_path: Path) -> None:
    write_qa(tmp_path / "first")
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    archives = [qa_archive.pack_qa(tmp_path / name) for name in ("first", "second")]
    assert archives[0].read_bytes() == archives[1].read_bytes()


def test_after_an_incomplete_archive_nothing_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    qa_archive.pack_qa(write_qa(tmp_path, {"PNGs/old.png": b"old"}))
    write_qa(tmp_path)
    add_file = tarfile.TarFile.addfile
    added: list[str] = []

    def skip_first(tar: tarfile.TarFile, member: tarfile.TarInfo, content: BinaryIO) -> None:
        added.append(member.name)
        if len(added) > 1:
            add_file(tar, member, content)

    monkeypatch.setattr(tarfile.TarFile, "addfile", skip_first)
    with pytest.raises(InvalidInputError, match="differs from"):
        qa_archive.pack_qa(tmp_path)
    assert len([p for p in (tmp_path / "QA").rglob("*") if p.is_file()]) == len(PICTURES)
    assert content(tmp_path) == {"QA/PNGs/old.png": b"old"}


def test_stopped_while_the_folder_went_the_archive_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(folder: Path) -> None:
        next(path for path in folder.rglob("*") if path.is_file()).unlink()
        raise KeyboardInterrupt

    remove = shutil.rmtree
    monkeypatch.setattr(shutil, "rmtree", stop)
    with pytest.raises(KeyboardInterrupt):
        qa_archive.pack_qa(write_qa(tmp_path))
    monkeypatch.setattr(shutil, "rmtree", remove)
    qa_archive.pack_qa(tmp_path)
    assert len(content(tmp_path)) == len(PICTURES)
    assert [path.name for path in tmp_path.iterdir()] == ["QA.tar.gz"]


def test_an_archive_that_is_cut_off_is_reported(tmp_path: Path) -> None:
    archive = qa_archive.pack_qa(write_qa(tmp_path, {"a.png": bytes(range(256)) * 100}))
    archive.write_bytes(archive.read_bytes()[:-100])
    with pytest.raises(InvalidInputError, match=r"QA\.tar\.gz can't be read"):
        content(tmp_path)


def test_a_bit_that_flipped_in_an_archive_is_reported(tmp_path: Path) -> None:
    archive = qa_archive.pack_qa(write_qa(tmp_path, {"a.png": bytes(range(256)) * 100}))
    damaged = bytearray(archive.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    archive.write_bytes(damaged)
    for read in (content, lambda folder: qa_archive.list_archive(folder / qa_archive.QA_ARCHIVE)):
        with pytest.raises(InvalidInputError, match=r"QA\.tar\.gz can't be read"):
            read(tmp_path)


def add(archive: Path, *members: tarfile.TarInfo) -> None:
    """Append members that kpfnb would never pack."""
    kept = list(qa_archive.read_archive(archive)) if archive.exists() else []
    with tarfile.open(archive, "w:gz") as tar:
        for name, text in kept:
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text))
        for member in members:
            tar.addfile(member, io.BytesIO(bytes(member.size)))


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def test_single_files_are_picked(tmp_path: Path) -> None:
    archive = qa_archive.pack_qa(write_qa(tmp_path))
    picked = qa_archive.read_selected(archive, {"QA/PNGs/a.png", "QA/gone.png"})
    assert picked == {"QA/PNGs/a.png": b"a picture"}
    assert [path.name for path in tmp_path.iterdir()] == ["QA.tar.gz"]


def test_links_in_an_archive_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"secret")
    archive = qa_archive.pack_qa(write_qa(tmp_path / "made"))
    add(
        archive,
        link("QA/PNGs/s.png", "../../../secret.png"),
        link("QA/PNGs/gone.png", "nothing"),
        link("QA/PNGs/h.png", "QA/PNGs/a.png", tarfile.LNKTYPE),
    )
    assert set(qa_archive.list_archive(archive)) == {f"QA/{name}" for name in PICTURES}
    assert set(dict(qa_archive.read_archive(archive))) == {f"QA/{name}" for name in PICTURES}
    assert qa_archive.read_selected(archive, {"QA/PNGs/s.png", "QA/PNGs/h.png"}) == {}


def test_a_far_too_large_picture_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qa_archive, "MAX_FILE_BYTES", 8)
    archive = qa_archive.pack_qa(write_qa(tmp_path))
    assert qa_archive.read_selected(archive, {"QA/PNGs/a.png", "QA/PNGs/b $.png"}) == {
        "QA/PNGs/b $.png": b"another"
    }
