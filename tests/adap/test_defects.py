"""The defects of the scripts that `kpfnb.adap` replaces, each with the tests that keep it away."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]

IMPORTS = """
import importlib, pkgutil, sys
import kpfnb.adap
sys.modules["pypeit"] = None
for module in pkgutil.walk_packages(kpfnb.adap.__path__, "kpfnb.adap."):
    importlib.import_module(module.name)
    print(module.name)
"""

QUEUE = {
    "a claim takes the item out for good: a dead worker loses it": (
        "test_a_dead_workers_item_is_taken_over_and_the_third_loss_parks_it",
        "test_all_six_are_complete_each_once",
    ),
    "the first task of each worker is lost": (
        "test_quick_items_are_all_done",
        "test_all_six_are_complete_each_once",
    ),
    "a lock without a time limit": (
        "test_a_killed_holder_holds_nothing",
        "test_a_paused_worker_loses_its_item_and_can_not_commit",
    ),
    "the sheet is tried for minutes inside the queue's lock": (
        "test_a_hanging_sheet_does_not_block_the_queue",
        "test_an_outage_is_survived_reported_and_caught_up_with",
    ),
    "workers leave when the queue is empty for a moment": (
        "test_a_waiting_worker_takes_new_items_and_does_not_poll",
    ),
    "the first rows of the sheet are never queued": (
        "test_the_first_row_is_an_item_unless_it_holds_titles",
        "test_from_the_sheet_to_the_queue_and_back",
    ),
}
STORAGE = {
    "no copy is checked": (
        "test_a_bit_that_flips_during_the_copy_is_a_failure",
        "test_a_flipped_bit_at_the_destination_is_found_and_repaired",
    ),
    "local data are deleted after an upload that failed": (
        "test_local_data_stay_where_the_upload_fails",
        "test_raw_frames_that_only_are_here_are_never_deleted",
        "test_only_what_is_on_the_remote_goes",
        "test_after_a_failed_upload_the_next_worker_goes_on",
        "test_files_are_moved_only_after_they_are_verified",
    ),
    "old results go before the new ones are there": (
        "test_new_results_are_complete_before_old_ones_are_removed",
        "test_a_mixture_on_the_remote_is_never_taken_for_coadds",
    ),
    "logs are uploaded onto the name of a folder": (
        "test_a_file_never_goes_onto_the_name_of_a_folder",
        "test_a_worse_reduction_never_replaces_a_good_one",
    ),
}
RESULTS = {
    "a frame without a spec2d stays COMPLETE": (
        "test_a_missing_spec2d_is_failed_with_any_status",
        "test_an_incomplete_result_is_failed_and_its_logs_are_published",
        "test_a_spec2d_that_is_gone_is_failed",
    ),
    "return codes of PypeIt do not count": ("test_the_command",),
    "a good QA archive is replaced by an empty one": (
        "test_a_good_one_is_never_replaced_by_an_empty_one",
    ),
    "in the sheet the stale row is kept, and the fresh one deleted": (
        "test_rows_are_replaced_and_others_never_touched",
        "test_fewer_rows_than_before_leave_no_stale_one",
    ),
    "the remote archive never saves its tables": ("test_from_a_remote_to_s3_and_back",),
    "tables differ when they are made twice": ("test_twice_gives_the_same_bytes",),
    "names are cut at 64 or 22 characters": ("test_names_are_not_cut",),
    "one bad header stops the preparation of all": (
        "test_bad_headers_are_reported_and_do_not_stop_it",
    ),
    "the custom file of one date is taken for another": (
        "test_the_files_of_other_dates_and_masks_are_not_taken",
        "test_a_single_date_does_not_take_the_file_of_joined_nights",
    ),
    "scripts that can not be imported with this version of PypeIt": (
        "test_all_of_it_is_imported_without_pypeit",
        "test_every_step_succeeded",
    ),
}
CASES = [
    pytest.param(name, id=f"{defect}: {name}")
    for defect, names in {**QUEUE, **STORAGE, **RESULTS}.items()
    for name in names
]


@cache
def all_tests() -> frozenset[str]:
    sources = (path.read_text(encoding="utf-8") for path in TESTS.rglob("test_*.py"))
    return frozenset(name for text in sources for name in re.findall(r"def (test_\w+)", text))


@pytest.mark.parametrize("name", CASES)
def test_it_has_its_test(name: str) -> None:
    assert name in all_tests()


def test_all_of_it_is_imported_without_pypeit() -> None:
    process = subprocess.run(
        [sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    assert "kpfnb.adap.reduce.dataset_pipeline" in process.stdout.splitlines()
