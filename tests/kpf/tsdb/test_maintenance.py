"""Status, check, problems and deleting."""

from __future__ import annotations

import os

import pytest

from kpfnb.errors import BadInput, BadParameter
from kpfnb.kpf.tsdb import ingest, query, upkeep
from kpfnb.outcomes import Outcome
from tests.kpf.tsdb import samples
from tests.kpf.tsdb.samples import FIRST, NIGHT, SECOND, THIRD

OTHER = "KP.20240116.01000.00"


def test_a_directory_that_can_not_be_listed_is_named(sqlite, root, monkeypatch):
    samples.write(root, FIRST)
    ingest.nights(NIGHT)
    scandir = os.scandir

    def refuse(folder):
        if str(folder).endswith(NIGHT):
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(BadInput, match=f"can't list .*{NIGHT}: Permission denied"):
        upkeep.check(NIGHT)
    assert "can't list" in ingest.nights(NIGHT).failed[NIGHT]


def test_status(any_database, root):
    samples.write_all(root, FIRST, OTHER)
    samples.write(root, SECOND).write_bytes(b"")
    ingest.nights(NIGHT, "20240116")
    found = upkeep.status()
    assert (found.rows["observation"], found.rows["file"], found.nights) == (2, 8, 2)
    assert (found.first, found.last) == (NIGHT, "20240116")
    # Both L0s have a sensor without a reading
    assert (found.problems, found.refused) == (3, 1)
    assert found.size_bytes > 0
    assert found.changed.endswith("Z")
    assert "2 nights" not in str(found)
    assert "nights        2" in str(found)


def test_check_tells_what_disk_and_database_do_not_agree_on(any_database, root):
    gone = samples.write(root, FIRST)
    changed = samples.write(root, SECOND)
    ingest.nights(NIGHT)
    assert upkeep.check().outcome is Outcome.SUCCEEDED
    gone.unlink()
    changed.touch()
    new = samples.write(root, THIRD)
    found = upkeep.check(NIGHT, NIGHT)
    assert found.outcome is Outcome.PARTIAL
    assert {one.name: one.problem for one in found.stale} == {
        gone.name: "no longer on disk",
        changed.name: "changed on disk since",
        new.name: "not in the database",
    }
    assert len(found.to_frame()) == 3


def test_nights_are_deleted_and_can_come_again(any_database, root):
    samples.write_all(root, FIRST, OTHER)
    ingest.nights(NIGHT, "20240116")
    before = query(["OBJECT", "RVS10"])
    assert upkeep.delete_nights(NIGHT, dry_run=True) == [NIGHT]
    assert query(["OBJECT", "RVS10"]).equals(before)
    assert upkeep.delete_nights(NIGHT) == [NIGHT]
    assert list(query(["OBJECT"]).index) == [OTHER]
    ingest.nights(NIGHT)
    assert query(["OBJECT", "RVS10"]).equals(before)
    with pytest.raises(BadParameter, match="after end"):
        upkeep.delete_nights("20240116", NIGHT)
