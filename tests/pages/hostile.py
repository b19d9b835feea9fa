"""Every kind of static page, with hostile text: it would run, break out or fetch if it could."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from kpfnb import runs
from kpfnb.adap.pages import dataset_list
from kpfnb.adap.prepare import sort_frames
from kpfnb.adap.prepare.placement_plan import IN_PLACE, FramePlacement
from kpfnb.adap.prepare.sort_result import SortResult
from kpfnb.adap.products.reduction import FrameResult
from kpfnb.adap.pypeit.command import CommandResult
from kpfnb.adap.reduce.result import FrameType, ReductionResult
from kpfnb.adap.score.page import write_page
from kpfnb.adap.score.result import ScoreResult
from kpfnb.adap.score.row import ScorecardRow
from kpfnb.adap.score.scorecard import Scorecard
from kpfnb.core import atomic, settings
from kpfnb.core.result import Outcome
from kpfnb.demo.header_only_night import DEFAULT_COUNTS, NightFault, write_night
from kpfnb.kpf.nightreport.report import write_report
from kpfnb.kpf.quicklook import record
from kpfnb.kpf.quicklook.quality import QualityCheck, Verdict
from kpfnb.kpf.quicklook.record import ExposureSummary, Picture, QuicklookRecord, SkippedPlot
from kpfnb.kpf.quicklook.site import update_all_pages, update_pages
from kpfnb.kpf.quicklook.targets import QuicklookTarget
from kpfnb.kpf.timeseries import period
from kpfnb.kpf.timeseries.site import ShownPanel, TimeSeriesPage, update_site, write_page_record
from kpfnb.kpf.verdict import assessment
from kpfnb.pipelines.page import render_run_page
from kpfnb.pipelines.spec import DeclaredParameter, Pipeline, PipelineStep
from kpfnb.pipelines.step_state import StepPhase, StepState
from kpfnb.runs import site
from kpfnb.runs.classification import RunEndFacts
from kpfnb.runs.report import REPORT_NAME, render_report

NIGHT = "20240115"
DATASET = "mask/grating/2015-10-16"
RUN = "window.hacked = 1"
EVIL = f"<script>{RUN}</script><img src=x onerror='{RUN}'>\"'=HYPERLINK(\"//x\",1) ../../etc"
IN_A_NAME = f"<img src=x onerror={RUN.replace(' ', '')}>"
"""Hostile text that is possible in a file name."""

IN_A_CARD = f"<svg onload='{RUN}'>=1+1 ../x"
"""Hostile text that is possible in a header card."""

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
SMALL = {"L0": 40, "2D": 60, "L1": 130, "L2": 140}


def make_site(top: Path) -> dict[str, Path]:
    """All pages below `top`, by the name of their kind."""
    site_settings = settings.load_settings()
    _runs(top)
    _night(top)
    _datasets(site_settings.work_dir)
    work, data = top / "work", top / "data"
    days = sorted((work / "runs/days").glob("20*.html"))
    return {
        "runs": work / "runs/index.html",
        "pipelines": work / "runs/pipelines.html",
        "days": work / "runs/days/index.html",
        "day": days[-1],
        "run report": _report(top),
        "pipeline": _pipeline(top),
        "nights": work / "runs/nights/index.html",
        "verdict": work / f"runs/nights/{NIGHT}/verdict.html",
        "night report": work / f"runs/nights/{NIGHT}/report.html",
        "datasets": work / "runs/datasets/index.html",
        "dataset": work / f"runs/datasets/{DATASET}.html",
        "quicklook nights": data / "QLP/index.html",
        "quicklook night": data / f"QLP/{NIGHT}/index.html",
        "quicklook observation": next((data / f"QLP/{NIGHT}").glob("KP.*/index.html")),
        "quicklook masters": data / f"QLP/{NIGHT}/Masters/index.html",
        "time series": work / f"timeseries/day/{NIGHT}/index.html",
        "time series index": work / "timeseries/index.html",
        "reorganised": _write(
            top / "reorganised.html", sort_frames.render_report(_reorganised(top))
        ),
        "scorecard": write_page(ScoreResult((_scorecard(top),)), top / "scorecard.html"),
    }


def _runs(top: Path) -> None:
    for outcome in (*Outcome, None):
        for notebook, kind in (("progress", "notebook"), (f"odd {IN_A_NAME}", "pipeline")):
            fields = {"parameters": {"start": NIGHT, EVIL: EVIL}, "kind": kind, "parent": EVIL}
            run = runs.start_run(notebook, **fields)
            (run.directory / REPORT_NAME).write_text("<!doctype html><title>x</title>")
            if outcome:
                result = {"outcome": outcome, "reason": EVIL, "figures": {EVIL: EVIL, "nights": 3}}
                run = runs.finish_run(run, RunEndFacts(result=result))
            site.update_site(run)


def _night(top: Path) -> None:
    night = write_night(
        top / "data",
        NIGHT,
        DEFAULT_COUNTS,
        NightFault.FAINT_STARS,
        NightFault.NO_MASTER_BIAS,
        NightFault.DRIFT,
        sizes=SMALL,
    )
    night.rewrite("star", "L0", 0, OBJECT=IN_A_CARD, PROGNAME=IN_A_CARD)
    night.rewrite("star", "L2", 0, CCFRV=1.5, CCFBJD=2460000.5, DRPTAG=IN_A_CARD)
    night.rewrite("flat", "L0", 0, OBJECT=IN_A_CARD)
    (night.master("bias").parent / f"kpf_{NIGHT}_master_bias_{IN_A_NAME}.fits").write_bytes(b"x")
    for obsid in (night.obsids["star"][0], night.obsids["bias"][0]):
        for level in ("L0", "2D", "L1"):
            _quicklook(top / "data/QLP", f"L0/{NIGHT}/{obsid}", level)
    _quicklook(top / "data/QLP", f"masters/{NIGHT}/kpf_{NIGHT}_master_bias_{IN_A_NAME}", "master")
    update_all_pages(top / "data/QLP", [NIGHT])
    _timeseries(top / "work/timeseries")
    assessment.override_rule(NIGHT, "star-signal", "PASS", EVIL, who=EVIL)
    write_report(NIGHT)
    # The second time, the pages link to each other
    write_report(NIGHT)


def _quicklook(products: Path, name: str, level: str) -> None:
    suffix = {"L0": "", "master": ""}.get(level, f"_{level}")
    target = QuicklookTarget.from_path(Path(f"/x/{name}{suffix}.fits"))
    product_dir = products / target.product_dir
    prefix = "" if level == "master" else f"{level}/"
    picture = Picture(level, EVIL, f"{prefix}a.png", f"{prefix}a_small.jpg")
    for file in (picture.path, picture.thumbnail):
        (product_dir / file).parent.mkdir(parents=True, exist_ok=True)
        (product_dir / file).write_bytes(PIXEL)
    checks = tuple(
        QualityCheck(EVIL, verdict, value, "m/s", EVIL, EVIL, detail=EVIL, limit_source=EVIL)
        for verdict in Verdict
        for value in (EVIL, 1.5)
    )
    quicklook_record = QuicklookRecord(
        name=target.name, level=target.level, night=NIGHT, file=str(target.path), size=1,
        mtime_ns=1, made="2024-01-16T00:00:00Z", pictures=(picture,), checks=checks,
        heading=ExposureSummary(EVIL, EVIL, 60, "2024-01-15T01:02:03", EVIL, EVIL, simulated=True),
        left_out=(SkippedPlot(EVIL, EVIL, broken=True),),
    )  # fmt: skip
    record.write_record(product_dir, quicklook_record)
    update_pages(products, target)


def _timeseries(top: Path) -> None:
    day = period.period_containing(period.PeriodInterval.DAY, NIGHT)
    (top / day.path).mkdir(parents=True)
    (top / day.path / "a.png").write_bytes(PIXEL)
    rows = ((EVIL, "1"), ("total", "1"))
    panels = (
        ShownPanel("a", EVIL, EVIL, EVIL, "a.png", 900, 300, (EVIL,), 3, (EVIL, "number"), rows),
        ShownPanel("b", EVIL, EVIL, EVIL, missing=(EVIL,)),
    )
    write_page_record(top, TimeSeriesPage(day, "mark", "2024-01-16T00:00:00Z", panels))
    update_site(top, [day])


def _datasets(work_dir: Path) -> None:
    top = work_dir / "datasets"
    odd_dataset = top / f"m {IN_A_NAME}/g/2015-10-16/complete/reduce"
    atomic.write_json(
        odd_dataset / "reduction.json", {"outcome": "x", "science": [{"reason": EVIL}]}
    )
    atomic.write_text(odd_dataset / "scorecard.csv", f"status\nCOMPLETE\n{IN_A_NAME}\n")
    reduce = top / DATASET / "complete/reduce"
    setup = reduce / IN_A_NAME
    for name in ("a", EVIL.replace("/", " ")):
        (setup / "QA/PNGs").mkdir(parents=True, exist_ok=True)
        (setup / f"QA/PNGs/{name}.png").write_bytes(PIXEL)
    atomic.write_text(setup / "a.pypeit", EVIL)
    atomic.write_text(
        setup / "a.log", f"[WARNING] - All traces removed! {EVIL}\n[ERROR] - {EVIL}\n"
    )
    verdicts = (
        FrameResult("a", "science", EVIL, IN_A_NAME, objects=2, best_snr=12.5),
        FrameResult(EVIL, "standard", EVIL, IN_A_NAME, EVIL),
    )
    reduction = ReductionResult(
        reduce, {"frames": {EVIL: [1, 2]}}, verdicts, (FrameType("a", EVIL, EVIL, None, EVIL),),
        ((EVIL, EVIL),), (CommandResult(EVIL, 60.0, 10**9, 1, EVIL, 50.0),), (EVIL,),
    )  # fmt: skip
    atomic.write_json(reduce / "reduction.json", reduction.to_dict())
    row = ScorecardRow(DATASET, EVIL, "2024-01-01T00:00:00Z", EVIL, 3, 2, 5)
    Scorecard(reduce, DATASET, (row,)).write()
    atomic.write_text(work_dir / "datasets/mask/bad/2015-10-16/complete/reduce/reduction.json", "{")
    dataset_list.write_dataset_pages()


def _report(top: Path) -> Path:
    outputs = [
        new_output("stream", text=EVIL),
        new_output("error", ename="E", evalue=EVIL, traceback=[EVIL]),
        new_output("display_data", {"text/html": f"<table><tr><td>1</td></tr></table>{EVIL}"}),
        new_output("display_data", {"image/png": base64.b64encode(PIXEL).decode()}),
    ]
    cells = [new_markdown_cell(f"# Title\n\n{EVIL}"), new_code_cell(EVIL, outputs=outputs)]
    run = replace(runs.start_run("progress", parameters={EVIL: EVIL}), reason=EVIL)
    return _write(top / "report.html", render_report(run, new_notebook(cells=cells)))


def _pipeline(top: Path) -> Path:
    states = {
        "look": StepState(
            "look", "progress", [], StepPhase.RAN, Outcome.FAILED, EVIL, 1, "", 3.2, "progress/r-1"
        ),
        "work": StepState("work", EVIL, ["look"], StepPhase.BLOCKED, parameters={EVIL: EVIL}),
        "done": StepState(
            "done", "progress", ["look"], StepPhase.ALREADY_DONE, Outcome.SUCCEEDED, EVIL
        ),
        "after": StepState("after", "progress", ["work", "done"]),
    }
    pipeline = Pipeline(
        name="nightly",
        title=EVIL,
        parameters={"night": DeclaredParameter(default=EVIL, help=EVIL)},
        steps={name: PipelineStep(notebook="progress", title=EVIL) for name in states},
    )
    run = runs.start_run("pipeline-nightly", kind="pipeline", parameters={"night": EVIL})
    ended = replace(run, reason=EVIL, outcome=Outcome.PARTIAL)
    zone = settings.load_settings().zone
    html = render_run_page(pipeline, ended, states, "20240101", zone=zone)
    return _write(top / "pipeline.html", html)


def _reorganised(top: Path) -> SortResult:
    rows = (
        FramePlacement(
            IN_A_NAME, EVIL, IN_PLACE, f"{IN_A_NAME}/g/2015-10-16", EVIL, NIGHT, (EVIL,), EVIL, EVIL
        ),
        FramePlacement("b.fits", "x", "bad header", note=EVIL),
    )
    return SortResult(top, EVIL, "copy", rows, {f"{IN_A_NAME}/g/2015-10-16": (EVIL,)}, (EVIL,))


def _scorecard(top: Path) -> Scorecard:
    rows = tuple(
        ScorecardRow(f"{IN_A_NAME}/g/2015-10-16", EVIL, "2024-01-01T00:00:00Z", status, 3, 2, 5)
        for status in ("COMPLETE", "FAILED")
    )
    return Scorecard(top, f"{IN_A_NAME}/g/2015-10-16", rows, reasons={EVIL: EVIL})


def _write(path: Path, text: str) -> Path:
    atomic.write_text(path, text)
    return path
