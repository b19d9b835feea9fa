from __future__ import annotations

import json

import pytest

from kpfnb import storage
from kpfnb.core.result import Outcome, Result
from kpfnb.notebook.display import figures
from kpfnb.storage import FileOutcome, FileTransfer, StorageErrorKind, TransferResult

HOSTILE = "<img src=x>\x1b[31m"

MIXED = TransferResult(
    "local",
    "s3:remote",
    (
        FileTransfer("a/1.fits", FileOutcome.COPIED, 2_000_000),
        FileTransfer("a/2.fits", FileOutcome.UNCHANGED, 1_000_000),
        FileTransfer(
            "b/3.fits", FileOutcome.FAILED, 5, StorageErrorKind.QUOTA, "no space left on device"
        ),
        FileTransfer(
            HOSTILE,
            FileOutcome.FAILED,
            0,
            StorageErrorKind.REFUSED,
            "the character '<' is not allowed",
        ),
        FileTransfer("old", FileOutcome.DELETED, 7),
    ),
    seconds=3.2,
)


def test_it_is_a_result_that_names_every_failure() -> None:
    assert isinstance(MIXED, Result)
    assert MIXED.outcome is Outcome.PARTIAL
    values = json.loads(json.dumps(MIXED.to_dict()))
    assert [item["path"] for item in values["failed"]] == ["b/3.fits", HOSTILE]
    assert values["failed"][0]["trouble"] == "quota"
    assert values["deleted"] == ["old"]
    assert MIXED.key_figures()["MB transferred"] == 2.0
    assert list(MIXED.to_frame()["state"])[:2] == ["copied", "there already"]


def test_the_reason_says_what_to_do() -> None:
    full = TransferResult(
        "a", "b", (FileTransfer("x", FileOutcome.FAILED, 1, StorageErrorKind.QUOTA, "disk full"),)
    )
    assert full.outcome is Outcome.FAILED
    assert full.reason.startswith("1 failed (1 byte); no space left: x: disk full; free some space")


def test_hostile_names_are_shown_harmlessly() -> None:
    assert "<img" not in MIXED._repr_html_()
    assert "\x1b" not in str(MIXED)


def test_the_plot_has_every_directory_and_outcome() -> None:
    (axes,) = figures.plot(MIXED).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["b", "a", "."]
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [
        "copied",
        "there already",
        "deleted",
        "failed",
    ]


def test_an_empty_transfer_is_drawn_too() -> None:
    empty = TransferResult("a", "b")
    assert empty.outcome is Outcome.SUCCEEDED
    assert figures.plot(empty).axes


def test_results_are_merged() -> None:
    merged = storage.merge_results(
        "s", "d", [("one", MIXED), ("two", TransferResult("", "", MIXED.items[:1]))]
    )
    assert [item.path for item in merged.items][:2] == ["one/a/1.fits", "one/a/2.fits"]
    assert merged.items[-1].path == "two/a/1.fits"
    assert merged.seconds == MIXED.seconds


def test_an_incomplete_transfer_is_an_error_with_its_kind() -> None:
    good = TransferResult("data:a", "/b", (FileTransfer("x", FileOutcome.COPIED, 1),))
    assert good.require_complete() is good
    failed = FileTransfer("y", FileOutcome.FAILED, 1, StorageErrorKind.QUOTA, "disk full")
    incomplete = TransferResult("data:a", "/b", (*good.items, failed))
    with pytest.raises(storage.StorageError, match=r"data:a to /b: .*y: disk full") as error:
        incomplete.require_complete()
    assert error.value.error_kind is StorageErrorKind.QUOTA
    stopped = TransferResult("data:a", "/b", (FileTransfer("z", FileOutcome.NOT_REACHED, 1),))
    with pytest.raises(KeyboardInterrupt):
        stopped.require_complete()
