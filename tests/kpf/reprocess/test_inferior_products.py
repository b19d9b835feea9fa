"""Complete new products that are not what was asked for are not thrown away for worse old ones."""

from __future__ import annotations

import os
import shlex
import sys
import time
from pathlib import Path

import pytest

from kpfnb.kpf.files.obsid import KPF, ObsID
from kpfnb.kpf.progress.evaluation import CompletenessRules
from kpfnb.kpf.progress.header_index import HeaderIndex
from kpfnb.kpf.reprocess import recovery
from kpfnb.kpf.reprocess.plan import ReprocessOptions
from kpfnb.kpf.reprocess.recovery import ProductBackup
from kpfnb.kpf.reprocess.result import ObservationOutcome, ReprocessItem
from kpfnb.kpf.reprocess.run import reprocess_observations
from tests.kpf import fake_drp
from tests.kpf.l2_files import write_l2

OBSID = ObsID("KP.20240101.00001.00")
PAST = time.time() - 3600


@pytest.fixture
def root(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A star with an L0, and a DRP whose L2 have no velocity."""
    command = [sys.executable, fake_drp.__file__, "{target}"]
    monkeypatch.setenv("KPFNB_DRP_COMMAND", shlex.join(command))
    root = isolated / "data"
    add_l0(root, "Arclamp", "LFCFiber")
    return root


def add_l0(root: Path, imtype: str, science: str) -> None:
    path = OBSID.path(root, KPF.raw)
    fake_drp.fits(path, {"GREEN": "YES", "IMTYPE": imtype, "SCI-OBJ": science})
    os.utime(path, (PAST, PAST))


def add_old_products(root: Path, tag: str, *, velocity: float = 12.5) -> None:
    for level in KPF.products:
        path = OBSID.path(root, level)
        if level == "L2":
            write_l2(path, {"DRPTAG": tag, "CCFRV": velocity, "OLD": "yes"})
        else:
            fake_drp.fits(path, {"DRPTAG": tag, "OLD": "yes"})
        os.utime(path, (PAST + 60, PAST + 60))


def ages(root: Path) -> list[str]:
    """`old` or `new` for each level."""
    paths = [OBSID.path(root, level) for level in KPF.products]
    return ["old" if b"OLD" in path.read_bytes() else "new" for path in paths]


def run_with_delete(version: str) -> ReprocessItem:
    options = ReprocessOptions(
        targets=OBSID.night,
        version=version,
        force=True,
        delete=True,
        grace_seconds=0.3,
        progress=False,
    )
    [item] = reprocess_observations(options).items
    return item


@pytest.mark.parametrize(
    ("new_tag", "version", "reason"),
    [
        ("v2.12.0rc1", "2.12", "2D old version (v2.12.0rc1)"),
        ("v2.12.0.dev3", "2.12", "2D old version (v2.12.0.dev3)"),
        ("No tags found", "2.9", "2D unknown version (DRPTAG 'No tags found' is not a version)"),
        ("", "2.9", "2D unknown version (no DRPTAG)"),
    ],
)
def test_new_products_of_another_version_are_kept(
    root: Path, monkeypatch: pytest.MonkeyPatch, new_tag: str, version: str, reason: str
) -> None:
    add_old_products(root, "v2.9.1")
    monkeypatch.setenv("FAKE_DRP_TAG", new_tag)
    item = run_with_delete(version)
    assert item.outcome is ObservationOutcome.FAILED
    assert item.reason.startswith(reason)
    assert item.reason.endswith("the new products were kept")
    assert ages(root) == ["new"] * 3
    assert not list(root.glob("*/.kpfnb-holding"))


@pytest.mark.parametrize("tag", ["v2.12.0rc1", "v2.12.0rc1-4-gabc123", "v2.12.0"])
def test_a_release_candidate_is_later_than_a_release_before_it(
    root: Path, monkeypatch: pytest.MonkeyPatch, tag: str
) -> None:
    add_old_products(root, "v2.9.1")
    monkeypatch.setenv("FAKE_DRP_TAG", tag)
    assert run_with_delete("2.10").outcome is ObservationOutcome.DONE
    assert ages(root) == ["new"] * 3


def test_products_of_an_earlier_version_than_the_old_ones_are_not_kept(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_old_products(root, "v2.9.1")
    monkeypatch.setenv("FAKE_DRP_TAG", "v2.5.3")
    assert run_with_delete("2.9").reason.endswith("the old products were restored")
    assert ages(root) == ["old"] * 3


def test_an_l2_without_a_velocity_is_not_kept_for_one_with(root: Path) -> None:
    add_l0(root, "Object", "Target")
    add_old_products(root, "v2.8")
    item = run_with_delete("")
    assert item.outcome is ObservationOutcome.FAILED
    assert item.reason == ("L2 no velocity (no extension RV); the old products were restored")
    assert ages(root) == ["old"] * 3


def test_an_l2_without_a_velocity_is_kept_if_the_old_one_has_none(root: Path) -> None:
    add_l0(root, "Object", "Target")
    add_old_products(root, "v2.8", velocity=0.0)
    item = run_with_delete("")
    assert item.reason == "L2 no velocity (no extension RV); the new products were kept"
    assert ages(root) == ["new"] * 3


@pytest.mark.parametrize(
    ("new_tag", "kept"), [("v2.12.0rc1", "new"), ("No tags found", "new"), ("v2.5", "old")]
)
def test_recovery_of_a_killed_run_decides_in_the_same_way(
    root: Path, new_tag: str, kept: str
) -> None:
    add_old_products(root, "v2.9.1")
    ProductBackup(root, "run1", KPF.products, "2.12").stash([OBSID])
    for level in KPF.products:
        fake_drp.fits(OBSID.path(root, level), {"DRPTAG": new_tag})
    rules = CompletenessRules(root, KPF.products)
    [note] = recovery.resolve_stale_backups(rules, HeaderIndex(None))
    assert ages(root) == [kept] * 3
    count = 0 if kept == "new" else 1
    assert f"the old products of {count} observations were restored" in note


def test_a_camera_that_is_missing_in_a_new_l1_is_reported(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "kpfnb.kpf.progress.header_facts.find_missing_cameras",
        lambda path: "no extensions of RED" if "_L1" in path.name else "",
    )
    add_old_products(root, "v2.9.1")
    assert run_with_delete("").reason == ("L1 no extensions of RED; the old products were restored")
