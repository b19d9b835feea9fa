"""While a cluster lives, nobody without its keys gets in: every open port is tried."""

from __future__ import annotations

import socket
import ssl
import sys
from pathlib import Path

import psutil
import pytest
from distributed import Client
from distributed.security import Security

from kpfnb.compute import clusters
from kpfnb.compute.item_map import map_items
from tests.compute import functions
from tests.compute.test_clusters import PYTHON, SBATCH, SCANCEL, TOP

SECONDS = 5
REFUSED = r"Timed out|TLS|in.*connect|handshake|closed|ssl"
ALL_INTERFACES = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def listening_ports(pid: int | None = None) -> set[tuple[str, int]]:
    """The addresses on which a process (this one by default) and its descendants listen."""
    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return {
        tuple(connection.laddr)
        for process in processes
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }


def answers_without_keys(host: str, port: int) -> bytes:
    """What a port says to an encrypted connection without a certificate."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection((host, port), timeout=SECONDS) as plain:
        try:
            with context.wrap_socket(plain) as encrypted:
                encrypted.sendall(b"GET / HTTP/1.0\r\n\r\n")
                return encrypted.recv(100)
        except (ssl.SSLError, ConnectionError):
            return b""


def answers_in_clear(host: str, port: int) -> bytes:
    """What a port says to a web browser."""
    with socket.create_connection((host, port), timeout=SECONDS) as plain:
        plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
        try:
            return plain.recv(100)
        except ConnectionError:
            return b""


def check_that_outsiders_are_refused(ports: set[tuple[str, int]]) -> None:
    ports = {(ALL_INTERFACES.get(host, host), port) for host, port in ports}
    for host, port in ports:
        assert answers_without_keys(host, port) == b""
        assert answers_in_clear(host, port) == b""
    for host, port in ports:
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        with pytest.raises(OSError, match=REFUSED):
            Client(f"tcp://{place}", timeout=2, set_as_default=False)
        with pytest.raises(OSError, match=REFUSED):
            Client(
                f"tls://{place}",
                security=Security.temporary(),
                timeout=2,
                set_as_default=False,
            )


@pytest.mark.slow
def test_a_local_cluster_lets_nobody_in() -> None:
    before = listening_ports()
    with clusters.shared_cluster(workers=1):
        assert map_items(functions.double, [1], isolate=True).values() == [2]
        ports = listening_ports() - before
        # Scheduler, nanny and worker, and nothing else
        assert len(ports) == 3
        assert {host for host, _ in ports} == {"127.0.0.1"}
        check_that_outsiders_are_refused(ports)
        assert map_items(functions.double, [2], isolate=True).values() == [4]


@pytest.mark.slow
def test_a_slurm_cluster_lets_nobody_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {"sbatch": SBATCH, "scancel": SCANCEL, "python": PYTHON}.items():
        (tmp_path / name).write_text(text.format(folder=tmp_path))
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PYTHONPATH", str(TOP))
    monkeypatch.setenv("KPFNB_CLUSTER", "slurm")
    keys = clusters.load_settings().work_dir / "dask/keys"
    before = listening_ports()
    with clusters.shared_cluster(workers=1):
        assert map_items(functions.double, [1], isolate=True).values() == [2]
        assert {file.stat().st_mode & 0o777 for file in keys.iterdir()} == {0o600}
        assert keys.stat().st_mode & 0o777 == 0o700
        assert "PRIVATE KEY" not in (tmp_path / "job.sh").read_text()
        session = int((tmp_path / "jobs").read_text())
        scheduler, workers = listening_ports() - before, listening_ports(session)
        # A worker listens on all interfaces of its node unless Dask's configuration names one
        assert len(scheduler) == 1
        assert all(host not in ALL_INTERFACES for host, _ in scheduler)
        check_that_outsiders_are_refused(scheduler | workers)
    assert list(keys.iterdir()) == []


def test_a_scheduler_without_keys_is_warned_about(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(clusters, "CONNECT_SECONDS", 0.5)
    monkeypatch.setenv("KPFNB_CLUSTER", "tcp://127.0.0.1:9")
    with pytest.raises(clusters.ServiceUnavailableError):
        map_items(functions.double, [1], isolate=True)
    assert "whoever reaches the Dask scheduler at tcp://127.0.0.1:9 can run code" in caplog.text
