from __future__ import annotations

import os
from pathlib import Path

import pytest

from kpfnb.kpf.files.obsid import ObsID
from kpfnb.kpf.progress.evaluation import CompletenessRules, ObservationStatus
from kpfnb.kpf.progress.header_index import HeaderIndex
from tests.kpf import fake_drp

A, B = ObsID("KP.20240101.00001.00"), ObsID("KP.20240102.00001.00")
LEVELS = ("2D", "L1", "L2")


def add(root: Path, obsid: ObsID, tag: str = "v2.9", imtype: str = "Object") -> None:
    l0 = obsid.path(root, "L0")
    fake_drp.fits(l0, {"GREEN": "YES", "IMTYPE": imtype})
    os.utime(l0, (1000, 1000))
    for level in LEVELS:
        fake_drp.fits(obsid.path(root, level), {"DRPTAG": tag})


def observation_status(rules: CompletenessRules, obsid: ObsID = A) -> tuple[ObservationStatus, str]:
    check = rules.check_observations([obsid], HeaderIndex(None))[obsid]
    return check.status, check.reason


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("", (ObservationStatus.DONE, "")),
        ("2.9", (ObservationStatus.DONE, "")),
        (
            "2.10",
            (
                ObservationStatus.INCOMPLETE,
                "; ".join(f"{level} old version (v2.9)" for level in LEVELS),
            ),
        ),
    ],
)
def test_version(tmp_path: Path, version: str, expected: tuple[ObservationStatus, str]) -> None:
    add(tmp_path, A)
    assert observation_status(CompletenessRules(tmp_path, LEVELS, version)) == expected


def test_defects_are_reported_by_level(tmp_path: Path) -> None:
    add(tmp_path, A)
    A.path(tmp_path, "L1").unlink()
    os.utime(A.path(tmp_path, "L2"), (1000, 1000))
    assert observation_status(CompletenessRules(tmp_path, LEVELS)) == (
        ObservationStatus.INCOMPLETE,
        "L1 missing; L2 older than L0",
    )
    assert observation_status(CompletenessRules(tmp_path, ["2D"])) == (ObservationStatus.DONE, "")


def test_a_bias_has_no_l2(tmp_path: Path) -> None:
    add(tmp_path, A, imtype="Bias")
    A.path(tmp_path, "L2").unlink()
    checks = CompletenessRules(tmp_path, LEVELS).check_observations([A], HeaderIndex(None))[A]
    assert (checks.status, checks.expected) == (ObservationStatus.DONE, ("2D", "L1"))


def test_junk_bad_and_missing_l0(tmp_path: Path) -> None:
    add(tmp_path, A)
    assert observation_status(CompletenessRules(tmp_path, LEVELS, junk={A.text})) == (
        ObservationStatus.JUNK,
        "junk",
    )
    assert observation_status(CompletenessRules(tmp_path, LEVELS), B) == (
        ObservationStatus.NO_L0,
        "no L0 file",
    )
    A.path(tmp_path, "L0").write_bytes(b"")
    assert observation_status(CompletenessRules(tmp_path, LEVELS)) == (
        ObservationStatus.BAD_L0,
        "L0 empty",
    )


def test_many_nights_at_once(tmp_path: Path) -> None:
    for obsid in (A, B):
        add(tmp_path, obsid)
    assert set(
        CompletenessRules(tmp_path, LEVELS).check_observations([B, A], HeaderIndex(None))
    ) == {A, B}
