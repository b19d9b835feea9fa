"""The crontab of a production site: each line runs as cron would run it."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kpfnb.core import locks

PROJECT = Path(__file__).parents[1]
CRON = PROJECT / "pipelines/cron"
SITE = "/opt/kpfnb"

LINES = [
    line
    for line in (CRON / "crontab").read_text().splitlines()
    if line and not line.startswith("#")
]
VARIABLES = dict(line.split("=", 1) for line in LINES if re.match(r"[A-Z]+=", line))
JOBS = [line for line in LINES if not re.match(r"[A-Z]+=", line)]
FIELDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
NEEDS_WATCHERS = "watch status"


def split(job: str) -> tuple[list[str], str]:
    """The five fields of the time, and the command as the shell gets it."""
    *times, command = job.split(None, 5)
    return times, re.sub(r"(?<!\\)%.*", "", command).replace(r"\%", "%")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A project as installed for production."""
    site = tmp_path / "site"
    site.mkdir()
    for name in ("notebooks", "params", "pipelines"):
        (site / name).symlink_to(PROJECT / name)
    (site / ".venv").mkdir()
    (site / ".venv/bin").symlink_to(Path(sys.executable).parent)
    (site / "kpfnb.toml").write_text('data_root = "data"\nworkers = 1\n')
    # So far tonight has no files
    (site / "data/L0" / f"{datetime.now(UTC):%Y%m%d}").mkdir(parents=True)
    return site


def as_cron(command: str, site: Path) -> subprocess.CompletedProcess[str]:
    """Run it by the crontab's shell, with its environment and no other."""
    environment = {**VARIABLES, "HOME": str(site), "LOGNAME": "kpf"}
    return subprocess.run(
        [VARIABLES["SHELL"], "-c", command.replace(SITE, str(site))],
        cwd="/", env=environment, capture_output=True, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("job", JOBS)
def test_its_time_is_one(job: str) -> None:
    times, command = split(job)
    for text, (low, high) in zip(times, FIELDS, strict=True):
        for part in text.split(","):
            match = re.fullmatch(r"(\*|\d+)(?:/(\d+))?", part)
            assert match
            assert match[1] == "*" or low <= int(match[1]) <= high
            assert match[2] is None or 1 <= int(match[2]) <= high
    assert "%" not in re.sub(r"date -u[^)]*\)", "", command)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_line_runs_as_cron_runs_it(site: Path) -> None:
    """Only those that need a complete night print something: the night is empty."""
    said = {}
    for job in JOBS:
        command = split(job)[1]
        if NEEDS_WATCHERS not in job:
            done = as_cron(command, site)
            assert done.stderr == ""
            # 5: nothing to do
            assert bool(done.stdout) is (done.returncode not in (0, 5)), done.stdout
            if done.stdout:
                said[command] = done.stdout
    assert len(said) == 2
    for command, text in said.items():
        assert "cron/run night" in command or "pipeline run nightly" in command
        assert text.startswith("exit code ")
        assert "partial, Night" in text and " no L0 files (" in text
    assert list((site / "work").glob("tsdb-*.backup"))


def test_a_problem_is_reported(site: Path) -> None:
    [job] = [line for line in JOBS if NEEDS_WATCHERS in line]
    done = as_cron(split(job)[1], site)
    assert done.returncode != 0
    assert done.stdout.startswith(f"exit code {done.returncode}: .venv/bin/kpfnb watch status")
    assert "process" in done.stdout


def test_a_run_already_in_progress_is_not_an_error(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [job] = [line for line in JOBS if "pipeline run nightly" in line]
    monkeypatch.setenv("KPFNB_WORK_DIR", str(site / "work"))
    with locks.acquire_lock("pipeline-nightly"):
        done = as_cron(split(job)[1], site)
    assert (done.returncode, done.stdout, done.stderr) == (5, "", "")


def test_secrets_come_from_their_file(site: Path) -> None:
    (site / "secrets.env").write_text('KPFNB_TIME_ZONE="No/Where"\n')
    done = as_cron(f"cd {SITE} && pipelines/cron/run doctor", site)
    assert done.returncode == 2
    assert "time_zone (from KPFNB_TIME_ZONE)" in done.stdout


def test_a_command_keeps_its_arguments_unsplit(tmp_path: Path) -> None:
    program = "import sys; print(sys.argv[1:]); sys.exit(3)"
    command = [str(CRON / "on-trouble"), sys.executable, "-c", program, "a b", "$HOME", "*"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 3
    assert "['a b', '$HOME', '*']" in done.stdout
    assert not list(tmp_path.iterdir())
