from __future__ import annotations

import os
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from kpfnb.core import locks
from kpfnb.core.errors import AlreadyRunningError, InvalidParameterError, InvalidSettingsError
from kpfnb.core.result import Outcome
from kpfnb.kpf.files import masters
from kpfnb.kpf.files.obsid import ObsID
from kpfnb.kpf.masters.manifest import MANIFEST_NAME
from kpfnb.kpf.masters.run import MADE_BY_DRP, make_masters
from kpfnb.kpf.reprocess import new_products, night_log, recovery
from kpfnb.kpf.reprocess.plan import ReprocessOptions
from kpfnb.kpf.reprocess.result import ObservationOutcome, ReprocessResult
from tests.kpf import fake_drp

NIGHT, OTHER, DARK = "20240101", "20240102", "20240103"
PAST = time.time() - 3600

MAKE = """
import os, pathlib, sys, time
sys.path.insert(0, {tests_dir!r})
import fake_drp
night = pathlib.Path(sys.argv[1]).name
if night not in {skip!r}:
    for lamp in ("lfc", "thar"):
        place = pathlib.Path(sys.argv[1]).parents[1] / "masters" / night
        name = f"kpf_{{night}}_master_WLS_autocal-{{lamp}}-all-eve_L1.fits"
        fake_drp.fits(place / name, {{}}, written={written})
    {then}
print("ERROR: no", night) if night in {skip!r} else None
sys.exit({code})
"""


def use_drp(
    monkeypatch: pytest.MonkeyPatch,
    *,
    skip: Sequence[str] = (),
    written: int = 1,
    code: int = 0,
    then: str = "",
) -> None:
    """skip : nights without masters; then : what the program does after those of a night."""
    tests_dir = str(Path(fake_drp.__file__).parent)
    program = MAKE.format(
        tests_dir=tests_dir, skip=list(skip), written=written, code=code, then=then
    )
    monkeypatch.setenv(
        "KPFNB_MASTERS_COMMAND", shlex.join([sys.executable, "-c", program, "{target}"])
    )


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two nights with a calibration and a star each, and one with a star alone."""
    use_drp(monkeypatch)
    for night in (NIGHT, OTHER, DARK):
        add(tmp_path / "data", f"KP.{night}.00002.00", "Object")
        if night != DARK:
            add(tmp_path / "data", f"KP.{night}.00001.00", "Bias")
    return tmp_path / "data"


def use_steps(monkeypatch: pytest.MonkeyPatch, *programs: str) -> None:
    """Python programs as steps; {night} and {root} are filled in."""
    steps = [shlex.join([sys.executable, "-c", program, "{target}"]) for program in programs]
    monkeypatch.setenv("KPFNB_MASTERS_COMMAND", " && ".join(steps))


def add(root: Path, obsid: str, imtype: str) -> Path:
    path = ObsID(obsid).path(root, "L0")
    fake_drp.fits(path, {"GREEN": "YES", "IMTYPE": imtype})
    os.utime(path, (PAST, PAST))
    return path


def run(*targets: str, **options: Any) -> ReprocessResult:
    return make_masters(
        ReprocessOptions(targets=targets, grace_seconds=1, progress=False, **options)
    )


def outcomes(result: ReprocessResult) -> dict[str, ObservationOutcome]:
    return {item.name: item.outcome for item in result.items}


def test_each_night_is_done_once_and_again_when_its_calibrations_change(root: Path) -> None:
    first = run(f"{NIGHT}:{DARK}")
    assert outcomes(first) == {
        DARK: ObservationOutcome.SKIPPED,
        OTHER: ObservationOutcome.DONE,
        NIGHT: ObservationOutcome.DONE,
    }
    assert first.outcome is Outcome.SUCCEEDED
    assert len(list((root / "masters" / NIGHT).glob("*.fits"))) == 2
    assert outcomes(run(f"{NIGHT}:{DARK}"))[NIGHT] is ObservationOutcome.SKIPPED
    add(root, f"KP.{NIGHT}.00003.00", "Flatlamp")
    assert outcomes(run(NIGHT, OTHER)) == {
        OTHER: ObservationOutcome.SKIPPED,
        NIGHT: ObservationOutcome.DONE,
    }
    (root / "masters" / OTHER / f"kpf_{OTHER}_master_WLS_autocal-thar-all-eve_L1.fits").unlink()
    assert outcomes(run(OTHER)) == {OTHER: ObservationOutcome.DONE}
    assert outcomes(run(OTHER, force=True)) == {OTHER: ObservationOutcome.DONE}


def test_a_run_with_nothing_to_do_leaves_nothing(root: Path, tmp_path: Path) -> None:
    run(NIGHT)
    run(NIGHT)
    assert len(list((tmp_path / "work/reprocess").iterdir())) == 1


def test_a_later_version_makes_them_again(root: Path) -> None:
    run(NIGHT, version="2.9")
    assert outcomes(run(NIGHT, version="2.9")) == {NIGHT: ObservationOutcome.SKIPPED}
    assert outcomes(run(NIGHT, version="2.10")) == {NIGHT: ObservationOutcome.DONE}


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"skip": [NIGHT]}, "no master was made"),
        ({"written": 0}, "kpf_20240101_master_WLS_autocal-lfc"),
        ({"code": 3}, "the DRP exited with code 3"),
    ],
)
def test_the_new_masters_decide_the_outcome(
    root: Path, monkeypatch: pytest.MonkeyPatch, fault: dict[str, Any], reason: str
) -> None:
    use_drp(monkeypatch, **fault)
    result = run(NIGHT)
    (item,) = result.items
    assert (result.outcome, item.outcome) == (Outcome.FAILED, ObservationOutcome.FAILED)
    assert item.reason.startswith(reason)
    use_drp(monkeypatch)
    assert outcomes(run(NIGHT)) == {NIGHT: ObservationOutcome.DONE}


def test_the_last_product_of_a_killed_drp_is_not_trusted(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_drp(monkeypatch, then="os.kill(os.getpid(), 9)")
    result = run(NIGHT)
    assert result.items[0].reason == "the DRP exited (killed)"
    assert len(list((root / "masters" / NIGHT).glob("*.fits.unfinished"))) == 2
    assert not list((root / "masters" / NIGHT).glob("*.fits"))
    use_drp(monkeypatch)
    assert outcomes(run(NIGHT)) == {NIGHT: ObservationOutcome.DONE}
    assert not list(root.rglob("*.unfinished"))


def test_the_last_product_of_a_killed_kpfnb_run_is_not_trusted(root: Path) -> None:
    place, state = root / "masters" / NIGHT, root / ".kpfnb"
    new_products.write_marker(recovery.marker_path(state, "masters"), [], folder=place)
    fake_drp.fits(place / f"kpf_{NIGHT}_master_lfc.fits", {})
    result = run(NIGHT)
    assert outcomes(result) == {NIGHT: ObservationOutcome.DONE}
    assert "set aside 1 product that a killed run may not have finished" in result.notes
    assert (place / f"kpf_{NIGHT}_master_lfc.fits.unfinished").exists()


@pytest.mark.slow
def test_masters_of_a_drp_that_hangs_may_be_some_of_them_only(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_drp(monkeypatch, then="time.sleep(60)")
    result = run(NIGHT, silence_seconds=3)
    assert outcomes(result) == {NIGHT: ObservationOutcome.FAILED}
    assert result.items[0].reason == "the DRP stopped: nothing new for too long"
    assert outcomes(run(NIGHT, dry_run=True)) == {NIGHT: ObservationOutcome.PLANNED}


@pytest.mark.parametrize(
    ("place", "fate", "reason"),
    [
        (
            "reprocess.new_products.write_marker",
            ObservationOutcome.NOT_REACHED,
            "No space left on device: here",
        ),
        (
            "masters.run.write_manifest",
            ObservationOutcome.FAILED,
            "the masters are good, but their manifest can't be written (No space left",
        ),
    ],
)
def test_a_full_disk_is_a_reason_not_a_traceback(
    root: Path, monkeypatch: pytest.MonkeyPatch, place: str, fate: ObservationOutcome, reason: str
) -> None:
    def full(*given: Any, **more: Any) -> None:
        raise OSError(28, "No space left on device", "here")

    monkeypatch.setattr(f"kpfnb.kpf.{place}", full)
    result = run(NIGHT)
    assert outcomes(result) == {NIGHT: fate}
    assert result.items[0].reason.startswith(reason)
    assert "not finished" in night_log.load_night_log().reason


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"calibrations": 1'])
def test_an_unreadable_manifest_is_ignored(root: Path, text: str) -> None:
    run(NIGHT)
    (root / "masters" / NIGHT / MANIFEST_NAME).write_text(text)
    assert outcomes(run(NIGHT)) == {NIGHT: ObservationOutcome.DONE}
    assert outcomes(run(NIGHT)) == {NIGHT: ObservationOutcome.SKIPPED}


def test_ctrl_c_while_masters_are_checked_loses_no_result(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    defect = masters.find_master_defect

    def interrupted(path: Path) -> str:
        signal.raise_signal(signal.SIGINT)
        return defect(path)

    monkeypatch.setattr(masters, "find_master_defect", interrupted)
    result = run(NIGHT, OTHER)
    assert outcomes(result) == {
        OTHER: ObservationOutcome.DONE,
        NIGHT: ObservationOutcome.NOT_REACHED,
    }
    assert "ended early: interrupted" in result.notes


def test_invalid_names_in_a_list_are_reported(root: Path, tmp_path: Path) -> None:
    names = tmp_path / "names.csv"
    names.write_text(f"{NIGHT}\nKP.2024.1\n")
    result = run(str(names))
    assert outcomes(result) == {
        NIGHT: ObservationOutcome.DONE,
        "KP.2024.1": ObservationOutcome.FAILED,
    }
    assert result.outcome is Outcome.PARTIAL


def test_a_night_that_failed_is_what_is_resumed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_drp(monkeypatch, skip=[NIGHT])
    assert run(NIGHT, OTHER, version="2.9").outcome is Outcome.PARTIAL
    log = night_log.load_night_log()
    assert "1 not finished" in log.reason
    assert "masters" in str(log) and "masters" in log._repr_html_()
    assert list(log.to_frame()["failed"]) == [0, 1]
    use_drp(monkeypatch)
    again = run(resume=True)
    assert (outcomes(again), again.version) == ({NIGHT: ObservationOutcome.DONE}, "2.9")
    assert run(resume=True).notes[0].startswith("the last run has finished all its nights")
    assert [entry.kind for entry in night_log.load_night_log().entries] == [night_log.MASTERS] * 3


def test_a_dry_run_says_the_command_and_changes_nothing(root: Path) -> None:
    before = sorted(root.rglob("*"))
    result = run(NIGHT, dry_run=True)
    assert outcomes(result) == {NIGHT: ObservationOutcome.PLANNED}
    assert result.command[-1] == str(root / "L0/NIGHT")
    assert sorted(root.rglob("*")) == before


def test_a_drp_that_makes_them_by_itself_is_not_run(
    root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("KPFNB_MASTERS_COMMAND")
    (tmp_path / "kpfnb.toml").write_text("masters_command = []\n")
    result = run(NIGHT)
    assert (result.outcome, result.notes) == (Outcome.SUCCEEDED, (MADE_BY_DRP,))


def test_one_works_on_the_tree_at_a_time(root: Path) -> None:
    with (
        locks.acquire_lock("reprocess", folder=root / ".kpfnb"),
        pytest.raises(AlreadyRunningError),
    ):
        run(NIGHT)


def test_invalid_options_and_settings_are_named(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidParameterError, match="masters are made by night"):
        run(NIGHT, objects=["HD*"])
    monkeypatch.setenv("KPFNB_MASTERS_COMMAND", "kpf --all")
    with pytest.raises(InvalidSettingsError, match=r"masters_command has no \{target\}"):
        run(NIGHT)


STACK = """
import pathlib, sys
sys.path.insert(0, {tests_dir!r})
import fake_drp
fake_drp.fits(pathlib.Path("{{root}}/masters/{place}/kpf_{{night}}_{name}.fits"), {{}})
"""


def make_file(place: str, name: str) -> str:
    """A program that writes a file below the directory of the masters."""
    tests_dir = str(Path(fake_drp.__file__).parent)
    return STACK.format(tests_dir=tests_dir, place=place, name=name).replace("{{", "{")


COPY = """
import pathlib, shutil
for path in pathlib.Path("{root}/masters/pool").glob("kpf_{night}*"):
    shutil.copy(path, "{root}/masters/{night}")
"""
WLS = "master_WLS_autocal-lfc-all-eve_L1"


def test_steps_run_in_order_and_files_can_be_copied_between_them(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_steps(monkeypatch, make_file("pool", "smooth_lamp"), make_file("{night}", WLS), COPY)
    result = run(NIGHT)
    assert outcomes(result) == {NIGHT: ObservationOutcome.DONE}
    names = sorted(path.name for path in (root / "masters" / NIGHT).glob("*.fits"))
    assert names == [f"kpf_{NIGHT}_{WLS}.fits", f"kpf_{NIGHT}_smooth_lamp.fits"]
    log = Path(result.batches[0].log).read_text()
    steps = [line[:14] for line in log.splitlines() if line.startswith("==")]
    assert steps == [f"== step {number} of 3" for number in (1, 2, 3)]
    assert result.command.count("&&") == 2
    assert outcomes(run(NIGHT)) == {NIGHT: ObservationOutcome.SKIPPED}


def test_after_a_step_that_fails_the_rest_is_not_run(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_steps(monkeypatch, make_file("{night}", WLS), "raise SystemExit(4)", COPY)
    result = run(NIGHT)
    assert outcomes(result) == {NIGHT: ObservationOutcome.FAILED}
    assert result.items[0].reason == "the DRP exited with code 4 in step 2 of 3"
    assert "step 3" not in Path(result.batches[0].log).read_text()


def test_a_stack_without_uncertainties_is_no_good_master(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_steps(monkeypatch, make_file("{night}", "master_bias_autocal-bias"))
    result = run(NIGHT)
    assert outcomes(result) == {NIGHT: ObservationOutcome.FAILED}
    assert result.items[0].reason.endswith("fits no extension GREEN_CCD or RED_CCD")


def test_order_traces_are_masters_too(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = "{root}/masters/{night}/kpf_{night}_master_flat_GREEN_CCD.csv"
    program = f"import pathlib; path = pathlib.Path('{trace}'); path.parent.mkdir(parents=True)"
    use_steps(monkeypatch, f"{program}; path.write_text('a\\n')")
    assert run(NIGHT).items[0].reason == f"kpf_{NIGHT}_master_flat_GREEN_CCD.csv no rows"
