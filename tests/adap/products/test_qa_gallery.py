from __future__ import annotations

import base64
import io
import re
import shutil
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from kpfnb.adap.products import qa_archive, qa_gallery


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pngs = tmp_path / qa_gallery.PLOTS_FOLDER
    pngs.mkdir(parents=True)
    for name in ("Arc_1dfit_A_0_S1", "Arc_1dfit_A_0_S2", "b27-<b>&_S1_obj_prof"):
        Image.effect_noise((900, 600), 60).convert("RGBA").save(pngs / f"{name}.png")
    return tmp_path


def embedded(page: str) -> list[Image.Image]:
    result = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    return [Image.open(io.BytesIO(base64.b64decode(data))) for data in result]


def test_pictures_are_shown_small_with_what_they_show(folder: Path) -> None:
    page = qa_gallery.QaGallery(qa_gallery.list_pictures(folder))._repr_html_()
    assert [picture.size for picture in embedded(page)] == [(420, 280)] * 3
    assert "profile of the object along the slit" in page
    assert "b27-&lt;b&gt;&amp;_S1_obj_prof" in page
    assert "<b>&_S1" not in page


def test_the_budget_is_kept_and_each_kind_comes_first(folder: Path) -> None:
    pictures = qa_gallery.list_pictures(folder)
    sizes = [len(qa_gallery.QaGallery([path])._repr_html_()) for path in pictures]
    budget = max(sizes) * 2
    page = qa_gallery.QaGallery(pictures, budget_bytes=budget)._repr_html_()
    assert len(page) < budget + 2000
    assert "obj_prof" in page.partition("not shown (1): ")[0]
    assert page.partition("not shown (1): ")[2].startswith("Arc_1dfit_A_0_S2.png")


def test_what_is_transparent_is_white(folder: Path) -> None:
    path = folder / qa_gallery.PLOTS_FOLDER / "clear.png"
    Image.new("RGBA", (50, 50), (0, 0, 0, 0)).save(path)
    (picture,) = embedded(qa_gallery.QaGallery([path])._repr_html_())
    assert picture.getpixel((25, 25)) == (255, 255, 255)


def test_a_file_that_is_not_a_picture_is_named(folder: Path) -> None:
    (folder / qa_gallery.PLOTS_FOLDER / "half.png").write_bytes(b"\x89PNG")
    page = qa_gallery.QaGallery(qa_gallery.list_pictures(folder))._repr_html_()
    assert "not shown (1): half.png" in page
    assert len(embedded(page)) == 3


def test_a_folder_without_pictures_is_reported(tmp_path: Path) -> None:
    assert qa_gallery.list_pictures(tmp_path) == []
    assert qa_gallery.QaGallery([])._repr_html_() == "<p>no QA pictures</p>"


def test_pictures_of_an_archive_are_shown_and_nothing_beside_it(folder: Path) -> None:
    outside = folder.parent / "outside.png"
    shutil.copy(next((folder / qa_gallery.PLOTS_FOLDER).glob("*.png")), outside)
    (folder / qa_gallery.PLOTS_FOLDER / "deeper").mkdir()
    shutil.copy(outside, folder / qa_gallery.PLOTS_FOLDER / "deeper/x.png")
    archive = qa_archive.pack_qa(folder)
    with tarfile.open(archive, "r:gz") as tar:
        kept = {member.name: tar.extractfile(member).read() for member in tar}
    kept |= {"QA/PNGs/../../../outside.png": outside.read_bytes(), str(outside): b""}
    with tarfile.open(archive, "w:gz") as tar:
        for name, content in kept.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    result = qa_gallery.list_pictures(folder)
    assert sorted(path.parent for path in result) == [archive / qa_gallery.PLOTS_FOLDER] * 3
    assert len(embedded(qa_gallery.QaGallery(result)._repr_html_())) == 3
    tricky = archive / "QA/PNGs/../../../outside.png"
    assert qa_gallery.make_thumbnails([tricky]) == {tricky: ""}


def test_an_archive_that_cannot_be_read_is_named(folder: Path) -> None:
    archive = qa_archive.pack_qa(folder)
    archive.write_bytes(archive.read_bytes()[:-10])
    page = qa_gallery.QaGallery(qa_gallery.list_pictures(folder))._repr_html_()
    assert "not shown (1): QA.tar.gz" in page
