"""What a row about a dataset leads to: QA, scorecard, logs; in every table that names one."""

from __future__ import annotations

from pathlib import Path

import pytest

from kpfnb.adap import evidence
from kpfnb.adap.archive import delivery
from kpfnb.adap.reducing import qatar
from kpfnb.adap.reducing.reduced import Reduction
from kpfnb.adap.reducing.reductions import Part, Reductions
from kpfnb.adap.scoring import scorecards
from kpfnb.adap.scoring.scores import Scores
from kpfnb.demo import coaddable, deliverable, reductions
from kpfnb.demo.slitmask import Slit
from kpfnb.outcomes import Outcome

DATASET = "m/c/2015-10-16"
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A reduction of a good and a bad slit, scored."""
    made = tmp_path / DATASET / "complete/reduce"
    reductions.write(made, {"DE.1.fits": {"DET01": [Slit(100), Slit(420, rms=0.9, coverage=30.0)]}})
    return made


@pytest.fixture
def scores(folder: Path) -> Scores:
    return scorecards.run(folder, progress=False)


def test_a_dataset_leads_to_its_qa_scorecard_and_log(scores: Scores, folder: Path) -> None:
    [row] = scores.brief().to_dict("records")
    page = scores.lead(row)
    assert DATASET in page
    assert "data:image/jpeg;base64," in page
    assert "the end of keck_deimos_A.log" in page
    assert "bad slits" in page
    assert "<summary>scorecard (1)</summary>" in page
    packed = qatar.pack(folder / "keck_deimos_A")
    assert packed
    assert scores.lead(row).count("data:image/jpeg") == page.count("data:image/jpeg")


def test_a_slit_leads_to_its_own_pictures_first(scores: Scores) -> None:
    [row] = scores.worst_frame().to_dict("records")
    first, _, rest = scores.lead(row).partition(f"<h4>{DATASET}")
    assert "DET01:420" in first
    assert first.count("data:image/jpeg") == 2
    assert rest.count("data:image/jpeg") >= 2


def test_text_of_logs_and_records_is_escaped(scores: Scores, folder: Path) -> None:
    with (folder / "keck_deimos_A/keck_deimos_A.log").open("a") as log:
        log.write(f"[ERROR] - {HOSTILE}\n")
    (folder / "keck_deimos_A/QA/PNGs/DE.1-<img onerror=x>.png").write_bytes(b"no picture")
    page = evidence.of(folder, HOSTILE)
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert "<img onerror" not in page


def test_what_is_not_reduced_or_damaged_is_told(folder: Path, tmp_path: Path) -> None:
    assert "not reduced" in evidence.of(tmp_path / "gone", "a/b/2015-10-16")
    (folder / "reduction.json").write_text("{")
    assert "its record is damaged" in evidence.of(folder, DATASET)


def test_reductions_lead_by_dataset_and_frame(folder: Path) -> None:
    made = Reduction(folder, {"frames": []})
    parts = (
        Part("a/b/2015-10-16", Outcome.FAILED, HOSTILE),
        Part(DATASET, Outcome.FAILED, "x", (made,)),
    )
    result = Reductions(parts)
    rows = result.to_frame().to_dict("records")
    assert "&lt;script&gt;" in result.lead(rows[0])
    assert "<script" not in result.lead(rows[0])
    assert "QA pictures" in result.lead(rows[1])
    assert "QA pictures" in made.lead({"file": "DE.1.fits"})


def test_a_frame_has_its_own_pictures(folder: Path) -> None:
    every = evidence.of(folder, DATASET).count("data:image/jpeg")
    own = evidence.of(folder, DATASET, file="DE.1.fits").count("data:image/jpeg")
    assert 0 < own < every
    assert evidence.of(folder, DATASET, file="arc.fits").count("data:image/jpeg") == every


def test_a_delivered_unit_leads_to_its_findings_and_reductions(tmp_path: Path) -> None:
    source = deliverable.source("SIMULATED")
    done = delivery.deliver(source=source, destination=tmp_path / "koa", progress=False)
    pages = [done.lead(row) for row in done.to_frame().to_dict("records")]
    assert any("QA pictures" in page for page in pages)
    assert all("<summary>findings (" in page for page in pages)


def test_a_coadd_leads_to_its_picture_and_an_exposure_to_its_reduction(tmp_path: Path) -> None:
    from kpfnb.adap.coadding import coadds

    coaddable.simulate(tmp_path)
    done = coadds.run("simulated_coadd/1200G_8800_OG550", tmp_path, dry_run=True)
    coadd = done.to_frame().to_dict("records")[0]
    assert "data:image/png;base64," in done.lead(coadd)
    exposure = done.frames().to_dict("records")[0]
    assert exposure["file"].rpartition("/")[2] in done.lead(exposure)
    assert "the end of" in done.lead(exposure)
