from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from kpfnb.compute import programs
from kpfnb.compute.programs import ExitReason, ProductSnapshot, SupervisionLimits
from kpfnb.core import progress

QUICK = SupervisionLimits(silence_seconds=60, grace_seconds=0.3, poll_seconds=0.05)
NEVER_MADE = ProductSnapshot(0, 0)


def script(folder: Path, text: str) -> list[str]:
    """A program that runs `text`; it can note the pids of its children in the file `pids`."""
    file = folder / "program.py"
    file.write_text(f"import os, sys, time, signal, subprocess\n{text}\n")
    return [sys.executable, str(file)]


def supervise(
    command: list[str],
    folder: Path,
    *,
    product: Path | None = None,
    patience: SupervisionLimits = QUICK,
) -> programs.SupervisedExit:
    def snapshot() -> ProductSnapshot:
        return ProductSnapshot(int(bool(product and product.exists())), 0)

    return programs.supervise_program(
        command, log=folder / "log.txt", take_snapshot=snapshot, expected=1, limits=patience
    )


def alive(folder: Path) -> list[int]:
    """Those of the noted processes that still run."""
    pids = [int(line) for line in (folder / "pids").read_text().split()]
    assert pids
    return [p for p in pids if psutil.pid_exists(p) and psutil.Process(p).status() != "zombie"]


@pytest.mark.parametrize("code", [0, 3])
def test_exit_code_and_output_are_kept(tmp_path: Path, code: int) -> None:
    command = script(
        tmp_path, f"print('out'); sys.stdout.flush(); os.write(2, b'err'); exit({code})"
    )
    ended = supervise(command, tmp_path)
    assert (ended.reason, ended.exit_code, ended.left_behind) == (ExitReason.EXITED, code, 0)
    assert str(ended) == f"exited with code {code}"
    assert (tmp_path / "log.txt").read_text() == "out\nerr"


@pytest.mark.parametrize("content", [None, "#!/nowhere/python\n"])
def test_a_program_that_can_not_be_started_was_not_killed(
    tmp_path: Path, content: str | None
) -> None:
    program = tmp_path / "drp"
    if content:
        program.write_text(content)
        program.chmod(0o755)
    ended = supervise([str(program)], tmp_path)
    assert (str(ended), ended.was_killed) == ("exited with code 127", False)
    assert (tmp_path / "log.txt").read_text() == f"{program}: No such file or directory\n"


def test_arguments_never_meet_a_shell(tmp_path: Path) -> None:
    command = script(tmp_path, "print(sys.argv[1:])")
    supervise([*command, "--nice", "$(touch bad); 'x", "--"], tmp_path)
    assert (tmp_path / "log.txt").read_text() == "['--nice', \"$(touch bad); 'x\", '--']\n"
    assert not (tmp_path / "bad").exists()


def test_a_program_that_never_exits_is_stopped_when_all_is_made(tmp_path: Path) -> None:
    product = tmp_path / "product"
    command = script(tmp_path, f"open({str(product)!r}, 'w').close(); time.sleep(60)")
    ended = supervise(command, tmp_path, product=product, patience=SupervisionLimits(60, 0.2, 0.05))
    assert (ended.reason, ended.exit_code) == (ExitReason.LINGERED, None)


def test_a_silent_program_is_stopped_though_it_ignores_sigterm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "TERM_SECONDS", 0.2)
    command = script(
        tmp_path,
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "open('pids', 'w').write(str(os.getpid()))\n"
        "time.sleep(60)",
    )
    stamps = iter(range(10**6))

    def snapshot() -> ProductSnapshot:
        # Silence begins when the program is well under way, however slow this machine is
        return NEVER_MADE if (tmp_path / "pids").exists() else ProductSnapshot(0, next(stamps))

    ended = programs.supervise_program(
        command,
        log=tmp_path / "log.txt",
        take_snapshot=snapshot,
        expected=1,
        limits=SupervisionLimits(silence_seconds=0.3, poll_seconds=0.05),
    )
    assert (ended.reason, ended.exit_code) == (ExitReason.SILENT, None)
    assert alive(tmp_path) == []


def test_what_a_program_leaves_behind_is_not_its_own_lingering(tmp_path: Path) -> None:
    """All products exist before it starts; its end and its processes are reported first."""
    command = script(
        tmp_path,
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "open('pids', 'w').write(str(child.pid))\n"
        "os._exit(0)",
    )
    ended = programs.supervise_program(
        command,
        log=tmp_path / "log.txt",
        take_snapshot=lambda: ProductSnapshot(1, 0),
        expected=1,
        limits=SupervisionLimits(grace_seconds=4, poll_seconds=0.05),
    )
    assert (ended.reason, ended.exit_code, ended.left_behind) == (ExitReason.EXITED, 0, 1)
    assert alive(tmp_path) == []


def test_children_left_behind_are_stopped_even_detached_ones(tmp_path: Path) -> None:
    command = script(
        tmp_path,
        "sleep = [sys.executable, '-c', 'import time; time.sleep(60)']\n"
        "children = [subprocess.Popen(sleep, start_new_session=new) for new in (True, False)]\n"
        "open('pids', 'w').write(' '.join(str(c.pid) for c in children))\n"
        "os._exit(0)",
    )
    ended = supervise(command, tmp_path)
    assert (ended.reason, ended.exit_code, ended.left_behind) == (ExitReason.EXITED, 0, 2)
    assert "left 2 processes running" in str(ended)
    assert alive(tmp_path) == []


def test_something_new_now_and_then_is_not_silence(tmp_path: Path) -> None:
    stamps = iter(range(10**6))
    ended = programs.supervise_program(
        script(tmp_path, "time.sleep(1)"),
        log=tmp_path / "log.txt",
        take_snapshot=lambda: ProductSnapshot(0, next(stamps)),
        expected=1,
        limits=SupervisionLimits(silence_seconds=0.3, grace_seconds=0.3, poll_seconds=0.05),
    )
    assert ended.reason is ExitReason.EXITED


def test_a_notebook_answers_its_browser_while_a_program_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = []
    monkeypatch.setattr(progress, "_idle_callback", lambda: answers.append(time.monotonic()))
    supervise(script(tmp_path, "time.sleep(0.5)"), tmp_path)
    assert len(answers) >= 3


def test_ctrl_c_stops_everything(tmp_path: Path) -> None:
    command = script(tmp_path, "open('pids', 'w').write(str(os.getpid())); time.sleep(60)")

    def snapshot() -> ProductSnapshot:
        if (tmp_path / "pids").exists() and (tmp_path / "pids").read_text():
            raise KeyboardInterrupt
        return NEVER_MADE

    with pytest.raises(KeyboardInterrupt):
        programs.supervise_program(
            command,
            log=tmp_path / "log.txt",
            take_snapshot=snapshot,
            expected=1,
            limits=SupervisionLimits(60, 60, 0.05),
        )
    assert alive(tmp_path) == []


def test_a_killed_guard_takes_the_program_along(tmp_path: Path) -> None:
    command = script(
        tmp_path,
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "open('pids', 'w').write(f'{os.getpid()} {child.pid}')\n"
        "time.sleep(60)",
    )
    killed = threading.Event()

    def snapshot() -> ProductSnapshot:
        if not killed.is_set() and len((tmp_path / "pids").read_text().split()) == 2:
            children = psutil.Process().children()
            running = [process for process in children if process.status() != psutil.STATUS_ZOMBIE]
            [guard] = [
                process for process in running if "kpfnb.compute.subreaper" in process.cmdline()
            ]
            guard.kill()
            killed.set()
        return NEVER_MADE

    (tmp_path / "pids").write_text("")
    ended = programs.supervise_program(
        command,
        log=tmp_path / "log.txt",
        take_snapshot=snapshot,
        expected=1,
        limits=SupervisionLimits(60, 60, 0.05),
    )
    assert (ended.reason, ended.exit_code, str(ended)) == (
        ExitReason.EXITED,
        None,
        "exited (killed)",
    )
    wait_until_gone(tmp_path)


SUPERVISOR = """
import sys
from pathlib import Path
from kpfnb.compute.programs import ProductSnapshot, supervise_program
supervise_program(
    sys.argv[1:], log=Path("log.txt"), take_snapshot=lambda: ProductSnapshot(0, 0), expected=1,
    lock=Path("lock"),
)
"""


def test_nothing_outlives_a_killed_supervisor_and_the_lock_shows_when(tmp_path: Path) -> None:
    from filelock import FileLock

    command = script(
        tmp_path,
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'],\n"
        "                         start_new_session=True)\n"
        "open('pids.part', 'w').write(f'{os.getpid()} {child.pid}')\n"
        "os.rename('pids.part', 'pids')\n"
        "time.sleep(60)",
    )
    with subprocess.Popen([sys.executable, "-c", SUPERVISOR, *command]) as supervisor:
        while not (tmp_path / "pids").exists():
            time.sleep(0.02)
        os.kill(supervisor.pid, signal.SIGKILL)
    with FileLock(tmp_path / "lock", timeout=30):
        assert alive(tmp_path) == []


def test_nice_is_added(tmp_path: Path) -> None:
    command = script(tmp_path, "print(os.nice(0))")
    programs.supervise_program(
        command,
        log=tmp_path / "log",
        take_snapshot=lambda: NEVER_MADE,
        expected=1,
        limits=QUICK,
        nice=3,
    )
    assert int((tmp_path / "log").read_text()) == min(os.nice(0) + 3, 19)


@pytest.mark.parametrize(
    ("count", "quiet_seconds", "verdict"),
    [
        (0, 0, None),
        (0, 99, None),
        (0, 100, ExitReason.SILENT),
        (3, 9, None),
        (3, 10, ExitReason.LINGERED),
        (2, 10, None),
    ],
)
def test_verdict(count: int, quiet_seconds: float, verdict: ExitReason | None) -> None:
    patience = SupervisionLimits(silence_seconds=100, grace_seconds=10)
    assert patience.reason_to_stop(count, expected=3, quiet_seconds=quiet_seconds) is verdict


def wait_until_gone(folder: Path) -> None:
    deadline = time.monotonic() + 30
    while alive(folder) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert alive(folder) == []


def test_directory_and_additional_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEPT", "kept")
    place = tmp_path / "pipeline"
    place.mkdir()
    command = script(tmp_path, "print(os.getcwd(), os.environ['KPFPIPE_DATA'], os.environ['KEPT'])")
    programs.supervise_program(
        command,
        log=tmp_path / "log.txt",
        take_snapshot=lambda: NEVER_MADE,
        expected=1,
        limits=QUICK,
        directory=place,
        environment={"KPFPIPE_DATA": "/data"},
    )
    assert (tmp_path / "log.txt").read_text() == f"{place} /data kept\n"
