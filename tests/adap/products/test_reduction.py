from __future__ import annotations

from pathlib import Path

import pytest
from astropy.io import fits

from kpfnb.adap.products import reduction
from kpfnb.adap.pypeit import input_files
from tests.adap.fake_pypeit import write_spec1d, write_spec2d

TABLE = """\
setup read
Setup A:
setup end
data read
 path /raw
filename | frametype | target | exptime | comb_id
b27.fits.gz | science | M 31 | 10.0 | {0}
b27-2.fits | science | M 31 | 10.0 | {0}
b24.fits | standard | Feige 66 | 10.0 | -1
data end
"""
TWO = "    INFO | 2026-01-31 12:00:00 | a.py:b:1 | Detectors to work on: [1, 2]\n"


@pytest.fixture
def science(tmp_path: Path) -> Path:
    return tmp_path / "kast_A" / "Science"


def judge(folder: Path, failure: str = "", group: str = "-1", log: str = "") -> dict[str, str]:
    """Reason by frame."""
    file = folder / "kast_A" / "kast_A.pypeit"
    file.parent.mkdir(exist_ok=True)
    file.write_text(TABLE.format(group))
    file.with_suffix(".log").write_text(log)
    return {
        v.file: v.reason
        for v in reduction.evaluate_frames(input_files.read_pypeit_file(file), failure)
    }


def write_all(science: Path, *files: str) -> None:
    for file in files:
        stem = file.removesuffix(".gz").removesuffix(".fits")
        write_spec2d(science / f"spec2d_{stem}-M31_KASTb_2015.fits", file)
        write_spec1d(science / f"spec1d_{stem}-M31_KASTb_2015.fits", file, objects=3)


def test_a_frame_with_all_products_is_reduced(tmp_path: Path, science: Path) -> None:
    write_all(science, "b27.fits.gz", "b27-2.fits", "b24.fits")
    assert set(judge(tmp_path).values()) == {""}
    file = input_files.read_pypeit_file(tmp_path / "kast_A/kast_A.pypeit")
    verdict = reduction.evaluate_frames(file, "")[0]
    assert (verdict.is_reduced, verdict.kind, verdict.objects, verdict.best_snr) == (
        True,
        "science",
        3,
        12.0,
    )
    assert verdict.spec2d == "spec2d_b27-M31_KASTb_2015.fits"


def test_a_frame_without_products_has_the_reason_of_the_run(tmp_path: Path, science: Path) -> None:
    write_all(science, "b27.fits.gz")
    reasons = judge(tmp_path, failure="killed")
    assert reasons == {"b27.fits.gz": "", "b27-2.fits": "killed", "b24.fits": "killed"}
    assert judge(tmp_path)["b24.fits"] == "PypeIt wrote no spec2d for it"


def test_the_header_distinguishes_frames_with_similar_names(tmp_path: Path, science: Path) -> None:
    write_all(science, "b27-2.fits")
    reasons = judge(tmp_path)
    assert (bool(reasons["b27.fits.gz"]), reasons["b27-2.fits"]) == (True, "")


def test_combined_frames_share_the_products_of_the_first(tmp_path: Path, science: Path) -> None:
    write_all(science, "b27.fits.gz", "b24.fits")
    assert set(judge(tmp_path, group="1").values()) == {""}


def test_each_detector_has_to_be_present(tmp_path: Path, science: Path) -> None:
    write_all(science, "b27.fits.gz", "b24.fits")
    write_spec2d(science / "spec2d_b27-M31_KASTb_2015.fits", "b27.fits.gz", detectors=2)
    reasons = judge(tmp_path, log=TWO)
    assert reasons["b27.fits.gz"] == ""
    assert reasons["b24.fits"] == "only 1 of 2 detectors are in its spec2d"


def test_each_extension_has_to_be_present(tmp_path: Path, science: Path) -> None:
    write_all(science, "b27.fits.gz")
    write_spec2d(science / "spec2d_b27-M31_KASTb_2015.fits", "b27.fits.gz", announced=15)
    assert judge(tmp_path)["b27.fits.gz"] == "spec2d is cut off: it has 1 of 15 extensions"


@pytest.mark.parametrize(
    ("left", "reason"),
    [(1, "0 of 3 objects"), (3, "2 of 3 objects"), (4, ""), (5, "")],
)
def test_a_spec1d_that_was_cut_between_two_extensions(
    tmp_path: Path, science: Path, left: int, reason: str
) -> None:
    write_all(science, "b27.fits.gz")
    path = science / "spec1d_b27-M31_KASTb_2015.fits"
    with fits.open(path) as hdus:
        ends = [hdu.fileinfo()["datLoc"] + hdu.fileinfo()["datSpan"] for hdu in hdus]
    path.write_bytes(path.read_bytes()[: ends[left - 1]])
    messages = judge(tmp_path)["b27.fits.gz"]
    assert messages == (f"spec1d is cut off: it has {reason}" if reason else "")


@pytest.mark.parametrize(("kind", "keep"), [("spec2d", 0), ("spec2d", 9000), ("spec1d", 4000)])
def test_a_damaged_product_is_named_in_the_reason(
    tmp_path: Path, science: Path, kind: str, keep: int
) -> None:
    write_all(science, "b27.fits.gz", "b24.fits")
    path = science / f"{kind}_b27-M31_KASTb_2015.fits"
    path.write_bytes(path.read_bytes()[:keep])
    reason = judge(tmp_path)["b27.fits.gz"]
    assert reason.startswith(f"{kind} is {'truncated' if keep else 'empty'}")


def test_a_frame_without_objects_is_not_reduced(tmp_path: Path, science: Path) -> None:
    write_all(science, "b27.fits.gz", "b24.fits")
    (science / "spec1d_b27-M31_KASTb_2015.fits").unlink()
    write_spec1d(science / "spec1d_b24-M31_KASTb_2015.fits", "b24.fits", objects=0)
    reasons = judge(tmp_path)
    assert reasons["b27.fits.gz"] == "no spec1d: PypeIt found no object in it"
    assert reasons["b24.fits"] == "spec1d has no object"
