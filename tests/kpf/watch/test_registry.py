"""What the watchers do with files: `process` with a tiny DRP, `quicklook` with a small night."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kpfnb.core import locks, settings
from kpfnb.core.errors import (
    AlreadyRunningError,
    InvalidParameterError,
    InvalidSettingsError,
    ServiceUnavailableError,
)
from kpfnb.kpf.files.obsid import KPF
from kpfnb.kpf.progress import attempts
from kpfnb.kpf.reprocess import new_products
from kpfnb.kpf.watch import drp_batches, drp_watcher, registry, status
from kpfnb.kpf.watch.arrivals import WatchPolicy
from kpfnb.kpf.watch.handler import WatchOutcome, WatchTask
from kpfnb.kpf.watch.registry import WatcherOptions
from kpfnb.kpf.watch.status import WatcherReport
from kpfnb.kpf.watch.watcher import Watcher
from tests import nights
from tests.kpf.fake_drp import LEVELS, fits, product
from tests.waiting import wait_for

PAST = time.time() - 60
PROJECT = Path(__file__).parents[3]
FAKE = f"{sys.executable} {PROJECT}/tests/kpf/fake_drp.py {{target}}"
DAEMON = f"{sys.executable} -m tests.kpf.fake_daemon {{target}}"


@pytest.fixture
def data(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KPFNB_DRP_COMMAND", FAKE)
    monkeypatch.setenv("KPFNB_WATCH_QUIET_SECONDS", "0")
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    (isolated / "data/L0").mkdir(parents=True)
    return isolated / "data"


def l0(data: Path, number: int = 0, **keywords: str) -> Path:
    path = data / f"L0/20240115/KP.20240115.{number:05d}.00.fits"
    fits(path, {"IMTYPE": "Object", "GREEN": "YES", **keywords})
    return path


def once() -> WatcherReport:
    return registry.run_watcher("process", ncpus=2, once=True)


def given(isolated: Path) -> list[str]:
    """The L0 files in all lists that the DRP was given."""
    folder = status.watcher_dir(isolated / "work", "process") / "drp"
    lists = sorted(folder.glob("*/*.txt"), key=lambda file: file.stat().st_mtime_ns)
    return [Path(line).stem for file in lists for line in file.read_text().splitlines()]


@pytest.mark.parametrize(
    ("path", "levels", "wanted"),
    [
        ("/data/L0/20240115/KP.20240115.00000.00.fits", ["L0"], True),
        ("/data/2D/20240115/KP.20240115.00000.00_2D.fits", ["L0"], False),
        ("/data/2D/20240115/KP.20240115.00000.00_2D.fits", KPF.levels, True),
        ("/data/L0/20240115/KP.20240115.00000.00_2D.fits", KPF.levels, False),
        ("/data/L0/20240116/KP.20240115.00000.00.fits", ["L0"], False),
        ("/data/L0/20240115/.KP.20240115.00000.00.fits.Ab12Cd", ["L0"], False),
        ("/data/L0/20240115/KP.20240115.00000.00-1.fits", ["L0"], False),
        ("/data/L0/20240115", ["L0"], False),
        ("/other/L0/20240115/KP.20240115.00000.00.fits", ["L0"], False),
        ("/data/L0/20240115/deep/KP.20240115.00000.00.fits", ["L0"], False),
    ],
)
def test_which_files_are_wanted(path: str, levels: list[str], wanted: bool) -> None:
    assert registry.match_levels(Path("/data"), levels)(path) is wanted


def test_new_l0_files_are_processed_and_good_ones_are_not(data: Path, isolated: Path) -> None:
    done, fresh = l0(data, 1), l0(data, 2)
    os.utime(done, (PAST, PAST))
    for level in LEVELS:
        fits(product(done, level), {})
    summary = once()
    assert (summary.seen, summary.done, summary.outcome) == (2, 2, "succeeded")
    assert given(isolated) == [fresh.stem]
    assert all(product(fresh, level).exists() for level in LEVELS)
    assert once().seen == 0


def test_junk_is_not_processed(data: Path, isolated: Path) -> None:
    path = l0(data)
    (data / "reference").mkdir()
    (data / "reference/Junk_Observations_for_KPF.csv").write_text(f"a\nb\n{path.stem}\n")
    assert once().done == 1
    assert given(isolated) == []


def test_a_touched_l0_is_processed_again(data: Path, isolated: Path) -> None:
    path = l0(data)
    once()
    os.utime(path)
    assert once().done == 1
    assert given(isolated) == [path.stem] * 2


def test_an_l0_that_arrives_again_with_an_old_time_is_processed_again(
    data: Path, isolated: Path
) -> None:
    path = l0(data)
    once()
    time.sleep(0.01)
    l0(data, IMTYPE="Arclamp")
    os.utime(path, (1e9, 1e9))
    assert once().done == 1
    assert given(isolated) == [path.stem] * 2
    assert once().seen == 0


def test_an_l0_without_products_is_reported_and_tried_three_times(
    data: Path, isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = l0(data, 1), l0(data, 2)
    monkeypatch.setenv("KPFNB_DRP_COMMAND", f"{FAKE} error {bad.stem}")
    for _ in range(4):
        summary = once()
    assert summary.given_up == 1
    assert summary.failing[0][0] == str(bad)
    assert "L2 missing: ERROR" in summary.failing[0][1]
    assert sorted(given(isolated)) == [good.stem, *[bad.stem] * 3]


def test_a_cut_off_product_is_a_failure(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KPFNB_DRP_COMMAND", f"{FAKE} cut")
    l0(data)
    summary = once()
    assert "L1 truncated" in summary.failing[0][1]


def test_a_full_disk_is_not_the_fault_of_an_l0(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = l0(data)
    monkeypatch.setenv("KPFNB_DRP_COMMAND", f"{FAKE} full")
    summary = once()
    assert (summary.failed, summary.failing) == (0, ())
    assert summary.trouble == "the disk is full"
    monkeypatch.setenv("KPFNB_DRP_COMMAND", FAKE)
    assert once().done == 1
    assert all(product(path, level).exists() for level in LEVELS)


def test_a_huge_log_line_is_no_trouble(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = l0(data)
    script = f"print('ERROR {path.stem} ' + 'x' * 100_000_000)"
    monkeypatch.setenv("KPFNB_DRP_COMMAND", f'{sys.executable} -c "{script}" {{target}}')
    summary = once()
    assert len(summary.failing[0][1]) <= 500


def test_it_waits_while_a_reprocessing_runs(data: Path, isolated: Path) -> None:
    l0(data)
    with (
        locks.acquire_lock("reprocess", folder=data / ".kpfnb"),
        pytest.raises(AlreadyRunningError, match="reprocess"),
    ):
        once()
    assert given(isolated) == []


def test_what_a_killed_run_left_is_made_again_first(data: Path) -> None:
    path = l0(data)
    os.utime(path, (PAST, PAST))
    mark = data / ".kpfnb/in-work-watch-1.json"
    mark.parent.mkdir()
    new_products.write_marker(mark, [product(path, level) for level in LEVELS])
    for level in LEVELS:
        fits(product(path, level), {"CUT": "perhaps"})
    once()
    assert all(b"CUT" not in product(path, level).read_bytes() for level in LEVELS)
    assert not mark.exists()


def test_old_lists_and_logs_are_removed(tmp_path: Path) -> None:
    old, new = tmp_path / "a/batch-0001.log", tmp_path / "a/batch-0002.log"
    old.parent.mkdir()
    for file in (old, new):
        file.write_text("")
    os.utime(old, (1e9, 1e9))
    drp_batches.prune_logs(tmp_path)
    assert [file.name for file in tmp_path.glob("a/*")] == [new.name]


@pytest.mark.parametrize(
    ("options", "named"),
    [({"ncpus": 0}, "ncpus: 0"), ({"nice": 20}, "nice: 20"), ({"since": "today"}, "today")],
)
def test_an_invalid_option_is_refused(data: Path, options: dict[str, object], named: str) -> None:
    with pytest.raises(InvalidParameterError, match=named):
        registry.run_watcher("process", once=True, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["drp_command", "drp_watch_command"])
def test_a_command_that_is_not_there_is_refused(
    data: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"KPFNB_{name.upper()}", "no-such-program {target}")
    with pytest.raises(
        InvalidSettingsError, match=f"setting {name}: the program 'no-such-program'"
    ):
        once()


def test_new_files_are_ingested(data: Path) -> None:
    path = l0(data)
    fits(product(path, "2D"), {})
    summary = registry.run_watcher("ingest", once=True)
    assert (summary.seen, summary.done + summary.failed) == (2, 2)


def test_masters_with_the_same_name_in_two_nights_are_distinct(data: Path) -> None:
    name = "kpf_20240115_master_bias_autocal-bias.fits"
    good, gone = (data / f"masters/{night}" / name for night in ("20240115", "20240116"))
    fits(good, {})
    watch_handler = registry.HANDLERS["quicklook"](
        settings.load_settings(), WatcherOptions(ncpus=1)
    )
    assert [end.outcome for end in watch_handler.handle([WatchTask(good), WatchTask(gone)])] == [
        WatchOutcome.DONE,
        WatchOutcome.GONE,
    ]


@pytest.mark.parametrize("name", ["ingest", "quicklook"])
def test_a_file_that_vanishes_during_the_work_has_not_failed(
    data: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = l0(data)
    watch_handler = registry.HANDLERS[name](settings.load_settings(), WatcherOptions(ncpus=1))
    path.unlink()
    (result,) = watch_handler.handle([WatchTask(path)])
    assert result.outcome is WatchOutcome.GONE


def test_an_l0_whose_directory_can_not_be_listed_is_postponed(
    data: Path, isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = l0(data)
    watch_handler = registry.make_process_handler(settings.load_settings(), WatcherOptions(ncpus=1))
    scandir = os.scandir

    def refuse(folder: Path) -> object:
        if Path(folder) == path.parent:
            raise OSError(116, "Stale file handle", str(folder))
        return scandir(folder)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", refuse)
        # The watcher postpones what ends so
        with pytest.raises(ServiceUnavailableError, match=r"can't list .*Stale file handle"):
            watch_handler.handle([WatchTask(path)])
    assert [end.outcome for end in watch_handler.handle([WatchTask(path)])] == [WatchOutcome.DONE]


class Running:
    """The watcher in a thread, with the DRP's own watcher."""

    def __init__(self, folder: Path) -> None:
        watch_handler = registry.make_process_handler(
            settings.load_settings(), WatcherOptions(ncpus=1)
        )
        self.watchers: list[Watcher] = []

        def run() -> None:
            policy = WatchPolicy(quiet_seconds=0.1, retry_seconds=0.1, heartbeat_seconds=0.1)
            self.watchers.append(Watcher(watch_handler, folder, policy))
            self.watchers[0].run()

        self.thread = threading.Thread(target=run)
        self.thread.start()
        wait_for(lambda: "watching" in _text(folder / drp_watcher.LOG_NAME))

    @property
    def now(self) -> WatcherReport:
        return self.watchers[0].counters.report


@pytest.fixture
def daemon(data: Path, isolated: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Running]]:
    monkeypatch.setattr(drp_watcher, "CHECK_SECONDS", 0.1)
    monkeypatch.setenv("KPFNB_DRP_WATCH_COMMAND", DAEMON)
    started: list[Running] = []

    def start() -> Running:
        folder = status.watcher_dir(isolated / "work", "process")
        folder.mkdir(parents=True, exist_ok=True)
        started.append(Running(folder))
        return started[-1]

    yield start  # type: ignore[misc]
    for running_watcher in started:
        running_watcher.watchers[0].stop()
        running_watcher.thread.join(20)
        assert not running_watcher.thread.is_alive()


def test_the_drps_own_watcher_is_supervised(data: Path, daemon: type[Running]) -> None:
    running = daemon()  # type: ignore[call-arg]
    path = l0(data)
    wait_for(lambda: running.now.done == 1)
    assert all(product(path, level).exists() for level in LEVELS)


def test_what_was_there_before_its_start_is_touched(
    data: Path, daemon: type[Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drp_watcher, "STARTUP_SECONDS", 1.0)
    path = l0(data)
    running = daemon()  # type: ignore[call-arg]
    wait_for(lambda: running.now.done == 1)
    assert all(product(path, level).exists() for level in LEVELS)
    assert running.now.failed == 0


def test_it_is_started_again_when_it_dies(
    data: Path, daemon: type[Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KPFNB_DRP_WATCH_COMMAND", f"{DAEMON} dies")
    monkeypatch.setattr(drp_watcher, "restart_delay", lambda pause, lasted: 0.1)
    monkeypatch.setattr(drp_watcher, "STARTUP_SECONDS", 1.0)
    monkeypatch.setenv("KPFNB_WATCH_OVERDUE_SECONDS", "5")
    running = daemon()  # type: ignore[call-arg]
    path = l0(data)
    wait_for(lambda: running.now.done == 1, 30)
    assert all(product(path, level).exists() for level in LEVELS)


def test_an_overdue_l0_is_touched_and_given_up_in_the_end(
    data: Path, daemon: type[Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KPFNB_DRP_WATCH_COMMAND", f"{DAEMON} deaf")
    monkeypatch.setenv("KPFNB_WATCH_OVERDUE_SECONDS", "0.3")
    running = daemon()  # type: ignore[call-arg]
    path = l0(data)
    arrived = path.stat().st_mtime_ns
    wait_for(lambda: running.now.given_up == 1)
    assert "overdue: 2D missing" in running.now.failing[0][1]
    assert path.stat().st_mtime_ns > arrived
    assert running.now.failed == 3
    # A missing product can say why
    attempt = attempts.read_attempts(settings.load_settings(), [path.stem])[path.stem]
    assert (attempt.source, attempt.outcome) == ("watcher", "failed")
    assert attempt.reason.startswith("overdue: 2D missing")


def test_a_stop_does_not_wait_for_products(
    data: Path, isolated: Path, daemon: type[Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drp_watcher, "CHECK_SECONDS", 60)
    monkeypatch.setenv("KPFNB_DRP_WATCH_COMMAND", f"{DAEMON} deaf")
    running = daemon()  # type: ignore[call-arg]
    l0(data)
    marker = data / ".kpfnb/in-work-daemon-0.json"
    wait_for(marker.exists)
    running.watchers[0].stop()
    running.thread.join(10)
    assert not running.thread.is_alive()
    assert marker.exists(), "the next start looks for partial products"
    assert (running.now.failed, running.now.given_up) == (0, 0)


def test_the_drps_watcher_gets_a_directory_that_ends_with_a_slash(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The pipeline (v2.12) appends *.fits and 20*/*.fits to the text
    program = tmp_path / "drp.py"
    program.write_text("import os, sys; print(sys.argv[1:], os.getcwd(), os.environ['X'])")
    (tmp_path / "pipeline").mkdir()
    monkeypatch.setenv("KPFNB_DRP_DIRECTORY", str(tmp_path / "pipeline"))
    monkeypatch.setenv("KPFNB_DRP_ENVIRONMENT", '{"X": "y"}')
    monkeypatch.setenv("KPFNB_DRP_WATCH_COMMAND", f"{sys.executable} {program} --watch {{target}}")
    process = drp_watcher.DrpWatcherProcess(settings.load_settings(), tmp_path, ncpus=1, nice=0)
    (data / ".kpfnb").mkdir()
    log = tmp_path / drp_watcher.LOG_NAME
    with process.running():
        wait_for(lambda: log.exists() and log.stat().st_size)
    assert log.read_text() == f"['--watch', '{data}/L0/'] {tmp_path}/pipeline y\n"


def test_an_overdue_file_reports_that_the_drp_does_not_start(
    data: Path, isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drp_watcher, "CHECK_SECONDS", 0.1)
    monkeypatch.setattr(drp_watcher, "restart_delay", lambda pause, lasted: 0.1)
    monkeypatch.setenv("KPFNB_DRP_WATCH_COMMAND", f"{sys.executable} -c exit(3) {{target}}")
    monkeypatch.setenv("KPFNB_WATCH_OVERDUE_SECONDS", "3")
    path = l0(data)
    status.watcher_dir(isolated / "work", "process").mkdir(parents=True)
    watch_handler = registry.make_process_handler(settings.load_settings(), WatcherOptions(ncpus=1))
    with watch_handler.lifetime():
        (result,) = watch_handler.handle([WatchTask(path)])
    assert result.outcome is WatchOutcome.FAILED
    assert result.reason == "overdue: 2D missing; L1 missing; L2 missing; " + (
        "the DRP's watcher exited with code 3"
    )


@pytest.mark.parametrize(
    ("pause", "lasted", "expected"), [(1, 1, 2), (8, 299, 16), (200, 1, 300), (300, 300, 1)]
)
def test_the_pause_before_a_new_start(pause: float, lasted: float, expected: float) -> None:
    assert drp_watcher.restart_delay(pause, lasted) == expected


def test_a_log_in_use_is_rotated(tmp_path: Path) -> None:
    log = tmp_path / "drp.log"
    with log.open("ab", buffering=0) as program:
        for number in range(7):
            program.write(b"%d" % number * 20)
            drp_watcher.rotate_log(log, 10)
        program.write(b"end")
    assert log.read_bytes() == b"end"
    kept = sorted(tmp_path.glob("drp.log.*"))
    assert [file.read_bytes()[:1] for file in kept] == [b"6", b"5", b"4", b"3", b"2"]


def test_a_log_that_can_not_be_copied_is_cut_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: Path, target: Path) -> None:
        target.write_text("the begi")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", full)
    log = tmp_path / "drp.log"
    log.write_text("x" * 20)
    drp_watcher.rotate_log(log, 10)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("drp.log", "")]


def _text(file: Path) -> str:
    return file.read_text() if file.exists() else ""


@pytest.mark.parametrize(
    ("path", "levels", "wanted"),
    [
        ("L0/20240115/KP.20240115.00000.00.fits", ["L0"], True),
        ("L1/20240115/KP.20240115.00000.00_L1.fits", ["L0"], False),
        ("masters/20240115/kpf_20240115_master_bias_autocal-bias.fits", ["master"], True),
        ("masters/20240115/kpf_20240115_master_bias_autocal-bias.fits", ["L0"], False),
        ("masters/20240115/anything.fits", ["master"], False),
    ],
)
def test_which_files_quicklook_wants(path: str, levels: list[str], wanted: bool) -> None:
    assert registry.match_targets(Path("/data"), levels, "any")(f"/data/{path}") is wanted


def test_quicklook_can_be_asked_for_new_or_for_old_files_only(data: Path) -> None:
    path = l0(data)
    assert registry.match_targets(data, ["L0"], "recent")(str(path))
    assert not registry.match_targets(data, ["L0"], "old")(str(path))
    os.utime(path, (0, 0))
    assert not registry.match_targets(data, ["L0"], "recent")(str(path))
    assert registry.match_targets(data, ["L0"], "old")(str(path))


@pytest.mark.slow
def test_quicklook_makes_pages(data: Path) -> None:
    observed = nights.small_night(data).key_figures()["observations"]
    result = registry.run_watcher("quicklook", ncpus=1, levels=["L0"], once=True)
    assert (result.done, result.failed) == (observed, 0)
    assert (data / "QLP/20240115/index.html").is_file()
