"""Three kinds of storage: a disk, a real S3 endpoint, and an alias in place of Google Drive."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kpfnb import storage
from kpfnb.storage import rclone
from kpfnb.storage.location import Location
from tests.storage.wire import Wire

KEYS = ("ACCESSKEY", "VERYSECRET")


@pytest.fixture(scope="session")
def s3_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root directory of the S3 server; its buckets are directories."""
    root = tmp_path_factory.mktemp("s3")
    (root / "bucket").mkdir()
    return root


@pytest.fixture(scope="session")
def s3_port(s3_root: Path) -> Iterator[int]:
    """The port of a real S3 endpoint."""
    options = ["--addr=127.0.0.1:0", f"--auth-key={','.join(KEYS)}", "--vfs-cache-mode=off"]
    server = subprocess.Popen(
        [rclone.find_rclone(), "serve", "s3", *options, "--", str(s3_root)],
        env={**os.environ, "RCLONE_CONFIG": os.devnull},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield _port(server)
    finally:
        server.terminate()
        server.communicate(timeout=30)


def _port(server: subprocess.Popen[str]) -> int:
    assert server.stderr
    for line in server.stderr:
        if match := re.search(r"http://127\.0\.0\.1:(\d+)/", line):
            return int(match[1])
    raise AssertionError("the S3 server did not start")


@pytest.fixture
def remotes(
    s3_port: int, tmp_path: Path, s3_root: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Path]:
    """Remotes `s3`, `gdrive` and `disk`; gives the directory behind each."""
    behind = {"s3": s3_root / "bucket" / tmp_path.name}
    behind |= {"gdrive": tmp_path / "gdrive/backups", "disk": tmp_path / "disk"}
    for folder in behind.values():
        folder.mkdir(parents=True)
    for name, value in {
        "S3_TYPE": "s3",
        "S3_PROVIDER": "Rclone",
        "S3_ENDPOINT": f"http://127.0.0.1:{s3_port}",
        "S3_ACCESS_KEY_ID": KEYS[0],
        "S3_SECRET_ACCESS_KEY": KEYS[1],
        "GDRIVE_TYPE": "alias",
        "GDRIVE_REMOTE": str(tmp_path / "gdrive"),
    }.items():
        monkeypatch.setenv(f"RCLONE_CONFIG_{name}", value)
    monkeypatch.setenv("RCLONE_CONFIG", os.devnull)
    places = {"s3": f"s3:bucket/{tmp_path.name}", "gdrive": "gdrive:backups"}
    monkeypatch.setenv("KPFNB_REMOTES", json.dumps({**places, "disk": str(behind["disk"])}))
    return behind


@pytest.fixture(params=["disk", "s3", "gdrive"])
def kind(request: pytest.FixtureRequest) -> str:
    """The name of a remote; a test that asks for it runs on all three."""
    return str(request.param)


@pytest.fixture
def place(kind: str, remotes: dict[str, Path]) -> Location:
    """A directory on that remote that does not exist yet."""
    return storage.resolve_location(f"{kind}:mask/config")


@pytest.fixture
def behind(kind: str, remotes: dict[str, Path]) -> Path:
    """The same directory as its server sees it."""
    return remotes[kind] / "mask/config"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Four local files, one of them large."""
    folder = tmp_path / "source"
    contents = {
        "a/spec1d.fits": os.urandom(1_500_000),
        "a/QA/page.html": b"<p>",
        "-rf": b"a name like an option",
        "J0100+2802_(1)~@=,.log": b"each character that is allowed\n",
    }
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def wire(s3_port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    """A proxy to the S3 server that can cut connections."""
    with Wire(s3_port) as wire:
        monkeypatch.setenv("RCLONE_CONFIG_S3_ENDPOINT", f"http://127.0.0.1:{wire.port}")
        yield wire


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause between attempts."""
    monkeypatch.setattr("kpfnb.storage.transfer.RETRY_SECONDS", 0)
