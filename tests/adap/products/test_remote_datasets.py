from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kpfnb import storage
from kpfnb.adap.products import remote_datasets
from kpfnb.cli.app import app
from kpfnb.core.errors import InvalidInputError, InvalidParameterError, InvalidSettingsError
from kpfnb.core.result import Outcome
from kpfnb.storage import FileOutcome, StorageErrorKind

NAME = "041615B1/1200G_8800_OG550/2015-10-16"
OTHER = "WISP/600ZD_7400_GG495/2011-01-28_2011-01-29"
FILES = [
    "complete/raw/d1.fits",
    "complete/reduce/A/A.log",
    "complete/reduce/A/Science/spec1d.fits",
    "complete/reduce_2/A/A.log",
    "complete/reduce_old/A/A.log",
]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two datasets on the remote `data`, and an empty remote `backup`."""
    for name in (NAME, OTHER):
        for file in FILES:
            path = tmp_path / "data" / name / file
            path.parent.mkdir(parents=True)
            path.write_text(f"{name} {file}")
    (tmp_path / "backup").mkdir()
    places = {"data": str(tmp_path / "data"), "backup": str(tmp_path / "backup")}
    monkeypatch.setenv("KPFNB_REMOTES", json.dumps(places))
    return tmp_path / "data"


def below(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, [1, 2, 3]), ({"logs": True}, [1, 3]), ({"raw": True}, [0, 1, 2, 3])],
)
def test_download(
    data: Path, tmp_path: Path, options: dict[str, bool], expected: list[int]
) -> None:
    result = remote_datasets.download_dataset(NAME, tmp_path / "here", **options)
    assert result.outcome is Outcome.SUCCEEDED
    assert below(tmp_path / "here" / NAME) == [FILES[i] for i in expected]


def test_download_of_nothing_says_what_is_missing(data: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="no dataset"):
        remote_datasets.download_dataset(NAME.replace("16", "17"))
    (data / "m/c/2015-01-01/complete/raw").mkdir(parents=True)
    (data / "m/c/2015-01-01/complete/raw/x.fits").touch()
    with pytest.raises(InvalidInputError, match="has no results"):
        remote_datasets.download_dataset("m/c/2015-01-01")
    with pytest.raises(InvalidParameterError, match="logs and raw"):
        remote_datasets.download_dataset(NAME, logs=True, raw=True)


def test_all_reductions_are_backed_up_once(data: Path, tmp_path: Path) -> None:
    first = remote_datasets.sync_backups()
    kept = [f"{name}/{FILES[i]}" for name in (NAME, OTHER) for i in (1, 2, 3)]
    assert below(tmp_path / "backup") == kept
    assert [item.path for item in first.items] == kept
    assert {item.state for item in first.items} == {FileOutcome.COPIED}
    (data / NAME / FILES[2]).unlink()
    again = remote_datasets.sync_backups([NAME])
    assert {item.path: item.state for item in again.items} == {
        f"{NAME}/{FILES[1]}": FileOutcome.UNCHANGED,
        f"{NAME}/{FILES[2]}": FileOutcome.DELETED,
        f"{NAME}/{FILES[3]}": FileOutcome.UNCHANGED,
    }


def test_a_reduction_that_is_gone_keeps_its_backup(data: Path, tmp_path: Path) -> None:
    remote_datasets.sync_backups([NAME])
    for file in FILES[1:3]:
        (data / NAME / file).unlink()
    result = remote_datasets.sync_backups([NAME, OTHER])
    assert f"{NAME}/{FILES[2]}" in below(tmp_path / "backup")
    assert result.outcome is Outcome.PARTIAL
    assert [item.path for item in result.failed] == [f"{NAME}/complete/reduce"]
    assert "holds no files" in result.failed[0].detail


def test_one_dataset_that_fails_does_not_stop_the_others(data: Path) -> None:
    result = remote_datasets.sync_backups(["m/c/2015-01-01", NAME])
    assert result.outcome is Outcome.PARTIAL
    assert [(i.path, i.error_kind) for i in result.failed] == [
        ("m/c/2015-01-01", StorageErrorKind.NOT_FOUND)
    ]


def test_a_wrong_name_is_rejected_before_any_work(data: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="not a valid date"):
        remote_datasets.sync_backups([NAME, "m/c/x"])
    assert below(tmp_path / "backup") == []


def test_a_backup_that_is_not_set_up_is_one_error(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KPFNB_REMOTES", json.dumps({"data": str(data), "backup": "unheardof:x"}))
    with pytest.raises(InvalidSettingsError, match="unheardof"):
        remote_datasets.sync_backups()


def test_ctrl_c_names_the_rest(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(storage, "transfer_files", stopped)
    result = remote_datasets.sync_backups()
    assert [(item.path, item.state) for item in result.items] == [
        (NAME, FileOutcome.NOT_REACHED),
        (OTHER, FileOutcome.NOT_REACHED),
    ]


def test_the_commands(data: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    done = runner.invoke(app, ["dataset", "download", NAME, "here", "-l", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["figures"]["copied"] == 2
    done = runner.invoke(app, ["backup", "sync", "--dry-run"])
    assert done.exit_code == 0, done.output
    assert "6 would be copied" in done.output
    assert below(tmp_path / "backup") == []
    done = runner.invoke(app, ["backup", "sync", "m/c/2015-01-01"])
    assert done.exit_code == Outcome.FAILED.exit_code
    assert "no results to back up" in done.output
