"""What a row about a dataset leads to: QA, scorecard, logs; in every table that names one."""

from __future__ import annotations

from pathlib import Path

import pytest

from kpfnb.adap.archive import delivery
from kpfnb.adap.archive.locations import DeliveryConfig
from kpfnb.adap.pages import reduction_details
from kpfnb.adap.pages.row_details import row_details, row_details_of
from kpfnb.adap.products import qa_archive
from kpfnb.adap.reduce.batch_result import DatasetResult, ReductionBatchResult
from kpfnb.adap.reduce.result import ReductionResult
from kpfnb.adap.score import run
from kpfnb.adap.score.result import ScoreResult
from kpfnb.core.result import Outcome
from kpfnb.demo import coadd_inputs, delivery_inputs, reduced_datasets
from kpfnb.demo.coadd_inputs import SimulatedSlit

DATASET = "m/c/2015-10-16"
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A reduction of a good and a bad slit, scored."""
    folder_path = tmp_path / DATASET / "complete/reduce"
    reduced_datasets.write_reduction(
        folder_path,
        {"DE.1.fits": {"DET01": [SimulatedSlit(100), SimulatedSlit(420, rms=0.9, coverage=30.0)]}},
    )
    return folder_path


@pytest.fixture
def scores(folder: Path) -> ScoreResult:
    return run.score_reductions(folder, progress=False)


def test_a_dataset_leads_to_its_qa_scorecard_and_log(scores: ScoreResult, folder: Path) -> None:
    [row] = scores.summary().to_dict("records")
    page = row_details(scores, row)
    assert DATASET in page
    assert "data:image/jpeg;base64," in page
    assert "the end of keck_deimos_A.log" in page
    assert "bad slits" in page
    assert "<summary>scorecard (1)</summary>" in page
    packed = qa_archive.pack_qa(folder / "keck_deimos_A")
    assert packed
    assert row_details(scores, row).count("data:image/jpeg") == page.count("data:image/jpeg")


def test_a_slit_leads_to_its_own_pictures_first(scores: ScoreResult) -> None:
    [row] = scores.worst_frame().to_dict("records")
    first, _, rest = row_details(scores, row).partition(f"<h4>{DATASET}")
    assert "DET01:420" in first
    assert first.count("data:image/jpeg") == 2
    assert rest.count("data:image/jpeg") >= 2


def test_text_of_logs_and_records_is_escaped(scores: ScoreResult, folder: Path) -> None:
    with (folder / "keck_deimos_A/keck_deimos_A.log").open("a") as log:
        log.write(f"[ERROR] - {HOSTILE}\n")
    (folder / "keck_deimos_A/QA/PNGs/DE.1-<img onerror=x>.png").write_bytes(b"no picture")
    page = reduction_details.details_html(folder, HOSTILE)
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert "<img onerror" not in page


def test_what_is_not_reduced_or_damaged_is_reported(folder: Path, tmp_path: Path) -> None:
    assert "not reduced" in reduction_details.details_html(tmp_path / "gone", "a/b/2015-10-16")
    (folder / "reduction.json").write_text("{")
    assert "its record is damaged" in reduction_details.details_html(folder, DATASET)


def test_reductions_lead_by_dataset_and_frame(folder: Path) -> None:
    folder_path = ReductionResult(folder, {"frames": []})
    parts = (
        DatasetResult("a/b/2015-10-16", Outcome.FAILED, HOSTILE),
        DatasetResult(DATASET, Outcome.FAILED, "x", (folder_path,)),
    )
    result = ReductionBatchResult(parts)
    rows = result.to_frame().to_dict("records")
    assert "&lt;script&gt;" in row_details(result, rows[0])
    assert "<script" not in row_details(result, rows[0])
    assert "QA pictures" in row_details(result, rows[1])
    assert "QA pictures" in row_details(folder_path, {"file": "DE.1.fits"})


def test_a_frame_has_its_own_pictures(folder: Path) -> None:
    every = reduction_details.details_html(folder, DATASET).count("data:image/jpeg")
    page = reduction_details.details_html(folder, DATASET, file="DE.1.fits")
    count = page.count("data:image/jpeg")
    assert 0 < count < every
    assert (
        reduction_details.details_html(folder, DATASET, file="arc.fits").count("data:image/jpeg")
        == every
    )


def test_a_delivered_unit_leads_to_its_findings_and_reductions(tmp_path: Path) -> None:
    source = delivery_inputs.resolve_source("SIMULATED")
    config = DeliveryConfig(source=source, destination=tmp_path / "koa")
    done = delivery.deliver_datasets((), config, progress=False)
    pages = [row_details(done, row) for row in done.to_frame().to_dict("records")]
    assert any("QA pictures" in page for page in pages)
    assert all("<summary>findings (" in page for page in pages)


def test_a_coadd_leads_to_its_picture_and_an_exposure_to_its_reduction(tmp_path: Path) -> None:
    from kpfnb.adap.coadd.run import coadd_item
    from kpfnb.adap.coadd.task import CoaddConfig

    coadd_inputs.simulate_coadd_inputs(tmp_path)
    name = "simulated_coadd/1200G_8800_OG550"
    done = coadd_item(name, tmp_path, CoaddConfig(), dry_run=True)
    coadd = done.to_frame().to_dict("records")[0]
    assert "data:image/png;base64," in row_details(done, coadd)
    exposure = done.frames().to_dict("records")[0]
    assert exposure["file"].rpartition("/")[2] in row_details(done, exposure)
    assert "the end of" in row_details(done, exposure)


def test_a_dataset_that_failed_can_be_reduced_again_from_its_row() -> None:
    parts = (
        DatasetResult("mask/config/2024-01-15", Outcome.FAILED, "no <arc>"),
        DatasetResult("mask/config/2024-01-16", Outcome.SUCCEEDED, "done"),
        DatasetResult("setup_A/a.pypeit", Outcome.FAILED, "no arc"),
    )
    result = ReductionBatchResult(parts)
    failed, good, file = (row_details_of(result)({"name": part.name}) for part in parts)
    assert "kpfnb run reduce -p dataset=mask/config/2024-01-15 -p force=True" in failed
    assert "no &lt;arc&gt;" in failed
    assert "kpfnb run" not in good + file
