from __future__ import annotations

import os
from pathlib import Path

import pytest

from kpfnb.kpf.index import Index
from kpfnb.kpf.obsid import ObsID
from kpfnb.kpf.standing import Rules, State
from tests.kpf import fakedrp

A, B = ObsID("KP.20240101.00001.00"), ObsID("KP.20240102.00001.00")
LEVELS = ("2D", "L1", "L2")


def add(root: Path, obsid: ObsID, tag: str = "v2.9", imtype: str = "Object") -> None:
    l0 = obsid.path(root, "L0")
    fakedrp.fits(l0, {"GREEN": "YES", "IMTYPE": imtype})
    os.utime(l0, (1000, 1000))
    for level in LEVELS:
        fakedrp.fits(obsid.path(root, level), {"DRPTAG": tag})


def stand(rules: Rules, obsid: ObsID = A) -> tuple[State, str]:
    standing = rules.look([obsid], Index(None))[obsid]
    return standing.state, standing.reason


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("", (State.DONE, "")),
        ("2.9", (State.DONE, "")),
        (
            "2.10",
            (State.LACKING, "; ".join(f"{level} old version (v2.9)" for level in LEVELS)),
        ),
    ],
)
def test_version(tmp_path: Path, version: str, expected: tuple[State, str]) -> None:
    add(tmp_path, A)
    assert stand(Rules(tmp_path, LEVELS, version)) == expected


def test_what_is_lacking_is_told_by_level(tmp_path: Path) -> None:
    add(tmp_path, A)
    A.path(tmp_path, "L1").unlink()
    os.utime(A.path(tmp_path, "L2"), (1000, 1000))
    assert stand(Rules(tmp_path, LEVELS)) == (State.LACKING, "L1 missing; L2 older than L0")
    assert stand(Rules(tmp_path, ["2D"])) == (State.DONE, "")


def test_a_bias_has_no_l2(tmp_path: Path) -> None:
    add(tmp_path, A, imtype="Bias")
    A.path(tmp_path, "L2").unlink()
    found = Rules(tmp_path, LEVELS).look([A], Index(None))[A]
    assert (found.state, found.expected) == (State.DONE, ("2D", "L1"))


def test_junk_bad_and_missing_l0(tmp_path: Path) -> None:
    add(tmp_path, A)
    assert stand(Rules(tmp_path, LEVELS, junk={A.text})) == (State.JUNK, "junk")
    assert stand(Rules(tmp_path, LEVELS), B) == (State.NO_L0, "no L0 file")
    A.path(tmp_path, "L0").write_bytes(b"")
    assert stand(Rules(tmp_path, LEVELS)) == (State.BAD_L0, "L0 empty")


def test_many_nights_at_once(tmp_path: Path) -> None:
    for obsid in (A, B):
        add(tmp_path, obsid)
    assert set(Rules(tmp_path, LEVELS).look([B, A], Index(None))) == {A, B}
