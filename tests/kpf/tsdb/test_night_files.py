"""Files in the directory of another night or level are reported, and not ingested."""

from __future__ import annotations

import shutil

from kpfnb.core.result import Outcome
from kpfnb.kpf.tsdb import ingest, maintenance, query
from tests.kpf.tsdb import samples
from tests.kpf.tsdb.samples import FIRST, NIGHT

OTHER = "KP.20240116.01000.00"


def misplace(root):
    good = samples.write(root, FIRST)
    path = good.with_name(f"{OTHER}.fits")
    shutil.move(samples.write(root, OTHER), path)
    return path


def problems():
    frame = maintenance.summarize_problems()
    return (
        frame.loc[frame["state"] == "refused", ["first", "example", "problem"]].to_numpy().tolist()
    )


def test_a_file_of_another_night_is_reported_and_not_ingested(any_database, root):
    path = misplace(root)
    result = ingest.ingest_nights(NIGHT)
    reason = f"it is in L0/{NIGHT}, and belongs in L0/20240116"
    assert (result.outcome, result.ingested, result.unchanged) == (Outcome.PARTIAL, 1, 0)
    assert [(file.path, file.reason) for file in result.refused] == [(str(path), reason)]
    assert problems() == [[NIGHT, str(path), reason]]
    assert list(query(["OBJECT"]).index) == [FIRST]
    stale = maintenance.check_database(NIGHT).stale
    assert [(file.night, file.name, file.problem) for file in stale] == [(NIGHT, path.name, reason)]


def test_a_misplaced_file_is_reported_once_and_forgotten_when_it_was_moved(sqlite, root):
    path = misplace(root)
    ingest.ingest_nights(NIGHT)
    again = ingest.ingest_nights(NIGHT)
    assert (again.outcome, again.unchanged) == (Outcome.SUCCEEDED, 2)
    shutil.move(path, root / "L0/20240116" / path.name)
    assert ingest.ingest_nights(NIGHT, "20240116").ingested == 1
    assert problems() == []
    assert list(query(["OBJECT"]).index) == [FIRST, OTHER]


def test_single_files_are_checked_too(sqlite, root):
    path = misplace(root)
    result = ingest.ingest_files([path])
    assert [file.reason for file in result.refused] == [
        f"it is in L0/{NIGHT}, and belongs in L0/20240116"
    ]


def test_a_night_with_products_only_is_ingested(sqlite, root):
    samples.write(root, FIRST, "L1")
    (root / "L0").rmdir()
    assert ingest.ingest_nights(NIGHT).ingested == 1
    assert maintenance.check_database().stale == ()
