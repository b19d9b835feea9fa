"""Simulated reduced datasets, made once a session; remotes as in the tests of the storage."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from kpfnb import storage
from kpfnb.demo import delivery_inputs
from tests.storage.conftest import impatient, remotes, s3_port, s3_root  # noqa: F401

NAME = delivery_inputs.DATASETS[0]
SETUP = f"complete/reduce/{delivery_inputs.SETUP}"


@pytest.fixture(scope="session")
def datasets_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three datasets, which a test must not change."""
    root = tmp_path_factory.mktemp("datasets")
    delivery_inputs.make_datasets(root)
    return root


@pytest.fixture
def root(datasets_dir: Path, tmp_path: Path) -> Path:
    """One dataset, which a test may change."""
    shutil.copytree(datasets_dir / NAME, tmp_path / "source" / NAME)
    return tmp_path / "source"


@pytest.fixture
def spec1d(root: Path) -> Path:
    """The first spec1d of the dataset."""
    return min((root / NAME / SETUP / "Science").glob("spec1d_*.fits"))


@pytest.fixture
def remote(
    remotes: dict[str, Path],  # noqa: F811
    datasets_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """The datasets on a remote `data`, and a remote `koa`, both S3; the folder behind `koa`."""
    places = {name: f"s3:bucket/{tmp_path.name}/{name}" for name in ("data", "koa")}
    monkeypatch.setenv("KPFNB_REMOTES", json.dumps(places))
    transfer = storage.transfer_files(
        datasets_dir, storage.resolve_location("data:"), progress=False
    )
    assert not transfer.failed, transfer
    return remotes["s3"] / "koa"


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def products(folder: Path) -> dict[str, bytes]:
    """All files of a delivery except the manifests, which contain times."""
    return {
        path: data for path, data in contents(folder).items() if not path.startswith("manifest")
    }


def flip(file: Path, at: int = -100) -> None:
    """Change one bit."""
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    file.write_bytes(data)
