"""A missing product says why: its L0, the last attempt of the DRP, the error in its log."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from kpfnb.core import settings
from kpfnb.kpf.files.obsid import ObsID
from kpfnb.kpf.progress import attempts, missing, missing_groups
from kpfnb.kpf.progress.attempts import Attempt
from kpfnb.kpf.progress.completeness import IncompleteReason, MissingLevel
from kpfnb.kpf.progress.missing import MissingProduct

NIGHT = "20240101"
A, B = f"KP.{NIGHT}.00001.00", f"KP.{NIGHT}.00002.00"
L0_TIME = 1_704_100_000.0
"""2024-01-01 09:06:40 UTC."""

FAILED = Attempt(
    root="",
    obsid=A,
    ended="2024-01-02T12:03:00Z",
    source="reprocessing",
    outcome="failed",
    reason="L1 missing",
    log="/logs/batch-0001.log",
    excerpt=f"[{A}.log][ERROR]:it failed\nKeyError: 'THRSBIN'",
)


@pytest.fixture
def root(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data root with the L0 files of two observations."""
    monkeypatch.setenv("KPFNB_TIME_ZONE", "UTC")
    root = settings.load_settings().kpf_root
    for obsid in (A, B):
        path = ObsID(obsid).path(root, "L0")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(2880))
        os.utime(path, (L0_TIME, L0_TIME))
    return root


def record(root: Path, *known: Attempt) -> None:
    rows = [replace(attempt, root=str(root)) for attempt in known]
    assert attempts.record_attempts(settings.load_settings(), rows) == ""


def explain(
    obsid: str = A, level: str = "L1", reason: str = "missing", detail: str = ""
) -> MissingProduct:
    item = MissingLevel(obsid, level, IncompleteReason(reason), detail)
    [product] = missing.explain_missing([item])
    return product


def test_without_an_attempt_it_says_so(root: Path) -> None:
    product = explain()
    assert product.sentence == "no attempt known"
    assert product.raw == "2.88 kB, written 2024-01-01 09:06"
    assert (product.attempt, product.log, product.excerpt) == (None, None, "")


def test_a_failure_names_the_time_and_the_error(root: Path) -> None:
    record(root, FAILED)
    product = explain()
    assert product.sentence == "the DRP failed on 2024-01-02 12:03: KeyError: 'THRSBIN'"
    assert product.cause == "the DRP failed: KeyError: 'THRSBIN'"
    assert product.log == Path("/logs/batch-0001.log")
    assert product.excerpt.splitlines()[0] == product.error == "KeyError: 'THRSBIN'"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"source": "watcher"}, "the watcher's DRP failed on 2024-01-02 12:03: KeyError"),
        ({"excerpt": ""}, "12:03: its log has no error (L1 missing)"),
        (
            {"outcome": "not reached", "reason": "interrupted"},
            "the DRP did not reach it on 2024-01-02 12:03: interrupted",
        ),
        (
            {"outcome": "done", "reason": ""},
            "the DRP made all products on 2024-01-02 12:03, L1 was removed or changed since",
        ),
        (
            {"ended": "2024-01-01T08:00:00Z"},
            "its L0 was written after the last attempt on 2024-01-01 08:00",
        ),
    ],
)
def test_each_end_of_an_attempt_has_its_words(
    root: Path, change: dict[str, str], sentence: str
) -> None:
    record(root, replace(FAILED, **change))
    assert sentence in explain().sentence


@pytest.mark.parametrize(
    ("reason", "detail", "sentence"),
    [
        ("older than L0", "", "L1 exists but is older than its L0; no attempt known"),
        ("old version", "v2.8.1", "L1 is of DRP version v2.8.1; no attempt known"),
        ("unknown version", "no DRPTAG", "the DRP version of L1 is unknown: no DRPTAG; no attempt"),
        ("camera missing", "no extensions of RED", "L1 has no extensions of RED; no attempt known"),
        ("no velocity", "CCFRV is 0", "L1 has no velocity: CCFRV is 0; no attempt known"),
        ("unreadable", "empty", "L1 can't be read: empty; no attempt known"),
        ("L0 unreadable", "not FITS", "its L0 can't be read: not FITS; transfer it again"),
    ],
)
def test_each_reason_is_a_sentence(root: Path, reason: str, detail: str, sentence: str) -> None:
    assert explain(reason=reason, detail=detail).sentence.startswith(sentence)


def test_an_l0_of_the_future_or_gone_is_named(root: Path) -> None:
    path = ObsID(A).path(root, "L0")
    future = time.time() + 86_400
    os.utime(path, (future, future))
    record(root, FAILED)
    product = explain()
    assert "its L0 is dated in the future, so no product can be newer" in product.sentence
    assert "DATED IN THE FUTURE" in product.raw
    path.write_bytes(b"")
    assert explain().raw.startswith("empty, written ")
    path.unlink()
    assert explain().raw == "no such file or directory"


def test_the_drps_own_log_is_read_where_the_setting_names_it(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KPFNB_DRP_LOG_DIR", str(tmp_path / "logs"))
    assert explain().sentence == "no attempt known"
    log = tmp_path / "logs" / NIGHT / f"{A}.log"
    log.parent.mkdir(parents=True)
    log.write_text(f"[{A}.log][INFO]:start\n[{A}.log][ERROR]:no order mask\n")
    os.utime(log, (L0_TIME + 3600,) * 2)
    product = explain()
    assert product.sentence == "the DRP ran on 2024-01-01 10:06: no order mask"
    assert product.log == log
    # The newer of both counts
    record(root, FAILED)
    assert "KeyError" in explain().sentence
    os.utime(log, (L0_TIME + 10 * 86_400,) * 2)
    assert "no order mask" in explain().sentence


def test_equal_causes_are_one_group_with_one_action(root: Path) -> None:
    error = "ERROR {}: no flux"
    record(
        root,
        replace(FAILED, excerpt=error.format(A)),
        replace(FAILED, obsid=B, excerpt=error.format(B), ended="2024-01-03T12:03:00Z"),
    )
    items = [MissingLevel(o, lvl, IncompleteReason.MISSING) for o in (A, B) for lvl in ("L1", "L2")]
    products = missing.explain_missing(items)
    [group] = missing_groups.group_missing(products)
    assert (group.count, group.obsids) == ("2 L1, 2 L2", [A, B])
    assert group.action
    assert group.action.label == "Reprocess these 2"
    assert group.action.parameters == {"targets": [A, B]}
    night = missing_groups.night_action(products, "2.9")
    assert night
    assert night.parameters == {"targets": [NIGHT], "version": "2.9"}
    html = missing_groups.groups_html(products)
    assert html.count("<li>") == 1
    assert "kpfnb run reprocess -p targets=20240101" in html


def test_what_processing_can_not_help_has_no_action(root: Path) -> None:
    items = [MissingLevel(A, "2D", IncompleteReason.L0_UNREADABLE, "<b>")]
    products = missing.explain_missing(items)
    assert missing_groups.night_action(products) is None
    assert "&lt;b&gt;" in missing_groups.groups_html(products)


def test_many_are_explained_fast(root: Path) -> None:
    names = [f"KP.{NIGHT}.{second:05d}.00" for second in range(500)]
    record(root, *(replace(FAILED, obsid=name) for name in names))
    items = [MissingLevel(name, "L1", IncompleteReason.MISSING) for name in names]
    begin = time.process_time()
    assert len(missing.explain_missing(items)) == 500
    # Half a second on a slow machine; measured: 0.03 s
    assert time.process_time() - begin < 0.5


def test_a_record_that_can_not_be_used_is_no_failure(root: Path) -> None:
    path = attempts.attempts_path(settings.load_settings())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("no database " * 100)
    assert "can't be recorded" in attempts.record_attempts(settings.load_settings(), [FAILED])
    assert explain().sentence == "no attempt known"
