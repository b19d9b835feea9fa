"""Status, check, problems and deleting."""

from __future__ import annotations

import os

import pytest

from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.core.result import Outcome
from kpfnb.kpf.tsdb import ingest, maintenance, query
from tests.kpf.tsdb import samples
from tests.kpf.tsdb.samples import FIRST, NIGHT, SECOND, THIRD

OTHER = "KP.20240116.01000.00"


def test_a_directory_that_can_not_be_listed_is_named(sqlite, root, monkeypatch):
    samples.write(root, FIRST)
    ingest.ingest_nights(NIGHT)
    scandir = os.scandir

    def refuse(folder):
        if str(folder).endswith(NIGHT):
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InvalidInputError, match=f"can't list .*{NIGHT}: Permission denied"):
        maintenance.check_database(NIGHT)
    assert "can't list" in ingest.ingest_nights(NIGHT).failed[NIGHT]


def test_status(any_database, root):
    samples.write_all(root, FIRST, OTHER)
    samples.write(root, SECOND).write_bytes(b"")
    ingest.ingest_nights(NIGHT, "20240116")
    status = maintenance.read_status()
    assert (status.rows["observation"], status.rows["file"], status.nights) == (2, 8, 2)
    assert (status.first, status.last) == (NIGHT, "20240116")
    # Both L0s have a sensor without a reading
    assert (status.problems, status.refused) == (3, 1)
    assert status.size_bytes > 0
    assert status.changed.endswith("Z")
    assert "2 nights" not in str(status)
    assert "nights        2" in str(status)


def test_check_lists_the_differences_between_disk_and_database(any_database, root):
    gone = samples.write(root, FIRST)
    changed = samples.write(root, SECOND)
    ingest.ingest_nights(NIGHT)
    assert maintenance.check_database().outcome is Outcome.SUCCEEDED
    gone.unlink()
    changed.touch()
    new = samples.write(root, THIRD)
    result = maintenance.check_database(NIGHT, NIGHT)
    assert result.outcome is Outcome.PARTIAL
    assert {file.name: file.problem for file in result.stale} == {
        gone.name: "no longer on disk",
        changed.name: "changed on disk since",
        new.name: "not in the database",
    }
    assert len(result.to_frame()) == 3


def test_nights_are_deleted_and_can_come_again(any_database, root):
    samples.write_all(root, FIRST, OTHER)
    ingest.ingest_nights(NIGHT, "20240116")
    before = query(["OBJECT", "RVS10"])
    assert maintenance.delete_nights(NIGHT, dry_run=True) == [NIGHT]
    assert query(["OBJECT", "RVS10"]).equals(before)
    assert maintenance.delete_nights(NIGHT) == [NIGHT]
    assert list(query(["OBJECT"]).index) == [OTHER]
    ingest.ingest_nights(NIGHT)
    assert query(["OBJECT", "RVS10"]).equals(before)
    with pytest.raises(InvalidParameterError, match="after end"):
        maintenance.delete_nights("20240116", NIGHT)
