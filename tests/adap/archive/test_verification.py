from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kpfnb.adap.archive import verification
from kpfnb.adap.archive.delivery import deliver_datasets
from kpfnb.adap.archive.locations import DeliveryConfig
from kpfnb.adap.archive.result import DeliveryResult, UnitStatus
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.result import Outcome
from kpfnb.notebook.display import figures
from tests.adap.archive.conftest import NAME, contents, flip

TO = "to"
FILE = "keck_deimos_A/Calibrations/WaveCalib_A_0_DET01.fits"


def deliver(
    source: Path | str, to: str = TO, names: tuple[str, ...] | list[str] = (), **options: Any
) -> DeliveryResult:
    config = DeliveryConfig(source=source, destination=to, **options)
    return deliver_datasets(names, config, progress=False)


@pytest.fixture
def delivered(root: Path, tmp_path: Path) -> Path:
    deliver(root)
    return tmp_path / TO


def check(**options: object) -> verification.VerificationResult:
    return verification.verify_delivery(destination=TO, progress=False, **options)  # type: ignore[arg-type]


def test_all_is_well(delivered: Path) -> None:
    before = contents(delivered)
    result = check()
    assert result.outcome is Outcome.SUCCEEDED
    assert result.reason.endswith("all unchanged since their delivery")
    assert contents(delivered) == before
    assert figures.plot(result).axes


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("at", [0, 2880, -1])
def test_a_flipped_bit_is_found_and_fixed(
    delivered: Path, root: Path, quick: bool, at: int
) -> None:
    flip(delivered / NAME / FILE, at)
    result = check(quick=quick)
    assert result.outcome is Outcome.FAILED
    assert list(result.wrong) == [f"{NAME}/{FILE}"]
    assert f"1 wrong: {NAME}/{FILE}" in result.reason
    assert f"{NAME}/{FILE}" in str(result)
    again = deliver(root)
    assert again.units[0].state is UnitStatus.DELIVERED
    assert check().outcome is Outcome.SUCCEEDED


@pytest.mark.slow
def test_a_flipped_bit_behind_s3_is_found_by_reading_it(remote: Path, tmp_path: Path) -> None:
    deliver("data:", "koa:", [NAME])
    flip(remote / NAME / FILE)
    result = verification.verify_delivery(destination="koa:", progress=False)
    assert result.wrong == {f"{NAME}/{FILE}": "its SHA-256 differs from the manifest"}
    again = deliver("data:", "koa:", [NAME], read_back=True)
    assert again.outcome is Outcome.SUCCEEDED
    assert (
        verification.verify_delivery(destination="koa:", progress=False).outcome
        is Outcome.SUCCEEDED
    )


def test_missing_and_unlisted_files_are_reported(delivered: Path) -> None:
    (delivered / NAME / FILE).unlink()
    (delivered / NAME / "stray.txt").write_text("x")
    result = check()
    assert result.wrong == {f"{NAME}/{FILE}": "missing"}
    assert result.unlisted == (f"{NAME}/stray.txt",)
    assert result.key_figures()["unlisted"] == 1


@pytest.mark.parametrize("names", [[], [NAME]])
def test_what_is_not_delivered_yet_is_not_called_well(delivered: Path, names: list[str]) -> None:
    path = delivered / f"manifest/{NAME}.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, "delivered": ""}))
    result = check(names=names)
    assert result.undelivered == (NAME,)
    assert not result.outcome.is_good
    assert f"1 not delivered yet: {NAME}" in result.reason
    assert "all are" not in result.reason


def test_a_table_that_somebody_changed_is_found(delivered: Path) -> None:
    flip(delivered / "reduced_files_meta.dat")
    assert list(check().wrong) == ["reduced_files_meta.dat"]


def test_a_damaged_manifest_is_named(delivered: Path) -> None:
    (delivered / f"manifest/{NAME}.json").write_text("{")
    with pytest.raises(InvalidInputError, match=r"2011-04-02\.json is not a manifest"):
        check()


def test_what_was_never_delivered_is_refused(delivered: Path) -> None:
    with pytest.raises(InvalidInputError, match="nothing was delivered to"):
        verification.verify_delivery(destination="elsewhere")
    with pytest.raises(InvalidInputError, match="x/y/2011-01-02 was not delivered"):
        check(names=["x/y/2011-01-02"])
