"""Ingestion: idempotent, complete, never worse than before; with SQLite and with PostgreSQL."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from astropy.io import fits
from sqlalchemy import func, select

from kpfnb.compute.services import postgres
from kpfnb.core.errors import InvalidInputError, InvalidParameterError, ServiceUnavailableError
from kpfnb.core.result import Outcome
from kpfnb.kpf.tsdb import (
    catalogue,
    chunks,
    database,
    file_reader,
    ingest,
    maintenance,
    query,
    schema,
)
from kpfnb.notebook.display import figures
from tests.kpf.tsdb import samples
from tests.kpf.tsdb.samples import FIRST, NIGHT, SECOND, THIRD
from tests.waiting import wait_for

OTHER = "KP.20240116.01000.00"


def count(table):
    with database.read_transaction() as connection:
        return connection.scalar(select(func.count()).select_from(table))


def dump(columns=("OBJECT", "EXPTIME", "L2:EXPTIME", "RVS10", "kpfmet.TEMP", "DRPTAG")):
    return query(columns, not_junk=False)


def test_a_night_is_ingested_and_queried(any_database, root):
    samples.write_all(root, FIRST, SECOND)
    samples.write(root, THIRD, IMTYPE="Bias", OBJECT="autocal-bias")
    result = ingest.ingest_nights(NIGHT)
    assert (result.outcome, result.ingested) == (Outcome.SUCCEEDED, 9)
    frame = dump()
    assert list(frame.index) == [FIRST, SECOND, THIRD]
    assert frame["OBJECT"].tolist() == ["10700", "10700", "autocal-bias"]
    assert frame["RVS10"].tolist()[:2] == [10.03, 10.03]
    assert np.isnan(frame["RVS10"].iloc[2])
    assert frame["L2:EXPTIME"].notna().tolist() == [True, True, False]


def test_unchanged_files_are_not_read(any_database, root, monkeypatch):
    samples.write_all(root, FIRST)
    ingest.ingest_nights(NIGHT)
    before = dump()
    monkeypatch.setattr(ingest, "read_file", lambda *given, **more: pytest.fail("read again"))
    second = ingest.ingest_nights(NIGHT)
    assert (second.ingested, second.unchanged) == (0, 4)
    assert dump().equals(before)


def test_forced_twice_is_the_same_as_once(any_database, root):
    samples.write_all(root, FIRST, SECOND)
    ingest.ingest_nights(NIGHT)
    before = dump()
    assert ingest.ingest_nights(NIGHT, force=True).ingested == 8
    assert dump().equals(before)
    assert (count(schema.chunk_table), count(schema.file_table)) == (1, 8)


def test_a_changed_file_replaces_the_old_one(any_database, root):
    samples.write_all(root, FIRST, SECOND)
    ingest.ingest_nights(NIGHT)
    samples.write(root, FIRST, EXPTIME=99.0, FRAMENO=None)
    assert ingest.ingest_nights(NIGHT).ingested == 1
    frame = query(["EXPTIME", "FRAMENO", "2D:EXPTIME", "RVS10"])
    assert frame["EXPTIME"].tolist() == [99.0, 30.5]
    assert frame["FRAMENO"].isna().tolist() == [True, False]
    assert frame["2D:EXPTIME"].tolist() == [30.5, 30.5]


@pytest.mark.parametrize("size", [0, 2880, 5000])
def test_a_bad_file_never_replaces_a_good_row(any_database, root, size):
    path = samples.write(root, FIRST)
    ingest.ingest_nights(NIGHT)
    before = dump(["OBJECT", "EXPTIME"])
    os.truncate(path, size)
    result = ingest.ingest_nights(NIGHT)
    assert (result.outcome, len(result.refused)) == (Outcome.PARTIAL, 1)
    assert dump(["OBJECT", "EXPTIME"]).equals(before)
    row = maintenance.summarize_problems().iloc[0]
    assert (bool(row["refused"]), row["example"]) == (True, str(path))
    # It is not read again until it changes, and its problem goes when it is good
    assert ingest.ingest_nights(NIGHT).outcome is Outcome.SUCCEEDED
    samples.write(root, FIRST)
    ingest.ingest_nights(NIGHT)
    assert not maintenance.summarize_problems()["refused"].any()


@pytest.mark.parametrize("sensors", [(), None])
def test_an_incomplete_file_is_ingested_only_if_there_is_no_complete_one(
    any_database, root, sensors
):
    hdu = fits.ImageHDU() if sensors is None else samples.telemetry(sensors)
    samples.write(root, FIRST)
    samples.write(root, SECOND, "L0", hdu)
    assert ingest.ingest_nights(NIGHT).outcome is Outcome.SUCCEEDED
    samples.write(root, FIRST, "L0", hdu)
    result = ingest.ingest_nights(NIGHT)
    assert (result.outcome, len(result.refused)) == (Outcome.PARTIAL, 1)
    assert "TELEMETRY" in result.refused[0].reason
    frame = query(["kpfmet.TEMP", "OBJECT"])
    assert frame["kpfmet.TEMP"].notna().tolist() == [True, False]
    assert frame["OBJECT"].tolist() == ["10700", "10700"]


def test_only_the_nan_of_a_table_is_null(any_database, root):
    radial = np.arange(67, dtype=float)
    radial[3] = np.nan
    samples.write(root, FIRST, "L2", samples.velocities({"RV": radial}))
    ingest.ingest_files(root.glob("L2/*/*"))
    frame = query(["RVS03", "RVS04"])
    assert frame.isna().to_numpy().tolist() == [[False, True, False]]
    assert maintenance.summarize_problems()[["reason", "detail"]].to_numpy().tolist() == [
        ["NaN", "RVS03"]
    ]


def test_new_keywords_are_registered(any_database, root):
    samples.write(root, FIRST)
    ingest.ingest_nights(NIGHT)
    samples.write(root, SECOND, NEWKEY=(4.5, "[K] brand new"))
    ingest.ingest_nights(NIGHT)
    assert query(["NEWKEY"])["NEWKEY"].tolist()[1] == 4.5
    with database.read_transaction() as connection:
        entry = catalogue.search_keywords(connection, "brand")[0]
    assert (entry.keyword.name, entry.unit, entry.kind) == ("NEWKEY", "K", "float")


def test_a_keyword_that_gets_other_numbers_is_widened_and_loses_nothing(any_database, root):
    samples.write(root, FIRST, SOMEKEY=3)
    samples.write(root, SECOND, SOMEKEY=2.5)
    ingest.ingest_nights(NIGHT)
    assert query(["SOMEKEY"])["SOMEKEY"].tolist() == [3.0, 2.5]


def test_files_come_one_by_one_and_are_merged(any_database, root):
    obsids = [f"KP.{NIGHT}.{number:05d}.00" for number in range(1, 20)]
    for number, obsid in enumerate(obsids):
        for path in (samples.write(root, obsid, FRAMENO=number), samples.write(root, obsid, "2D")):
            assert ingest.ingest_files([path]).ingested == 1
    assert count(schema.chunk_table) < 2 * chunks.CHUNKS_TO_MERGE
    frame = query(["FRAMENO", "DRPTAG"])
    assert frame["FRAMENO"].tolist() == list(range(19))
    assert set(frame["DRPTAG"]) == {"v2.9.1"}
    ingest.ingest_nights(NIGHT)
    assert count(schema.chunk_table) == 1
    assert query(["FRAMENO", "DRPTAG"]).equals(frame)


def test_an_earlier_reading_does_not_overwrite_a_later_one(any_database, root):
    path = samples.write(root, FIRST, EXPTIME=1.0)
    old = file_reader.read_file(path)
    samples.write(root, FIRST, EXPTIME=2.0)
    ingest.ingest_files([path])
    ingest.store_contents([([old], [])])
    assert query(["EXPTIME"])["EXPTIME"].tolist() == [2.0]


def test_two_ingesters_at_once(any_database, root):
    samples.write_all(root, FIRST, SECOND, THIRD)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: ingest.ingest_nights(NIGHT, force=True), range(4)))
    assert [result.outcome for result in results] == [Outcome.SUCCEEDED] * 4
    assert (
        count(schema.chunk_table),
        count(schema.file_table),
        count(schema.observation_table),
    ) == (1, 12, 3)
    assert dump()["RVS10"].tolist() == [10.03] * 3


def test_a_reader_sees_complete_batches_and_does_not_wait(any_database, root):
    samples.write_all(root, FIRST)
    ingest.ingest_nights(NIGHT)
    path = samples.write(root, SECOND)
    seen = []
    with database.write_transaction() as connection:
        from kpfnb.kpf.tsdb import batch, store

        store.store_batch(connection, batch.build_batch([file_reader.read_file(path)]))
        reader = threading.Thread(target=lambda: seen.append(len(query(["OBJECT"]))))
        reader.start()
        reader.join(30)
    assert seen == [1]
    assert len(query(["OBJECT"])) == 2


def test_a_snapshot_does_not_change_while_it_is_read(any_database, root):
    samples.write(root, FIRST)
    ingest.ingest_nights(NIGHT)
    rows = select(func.count()).select_from(schema.file_table)
    with database.read_transaction() as connection:
        assert connection.scalar(rows) == 1
        ingest.ingest_files([samples.write(root, SECOND)])
        assert connection.scalar(rows) == 1
    assert count(schema.file_table) == 2


def test_a_batch_of_several_nights_is_all_or_nothing(any_database, root, monkeypatch):
    from kpfnb.kpf.tsdb import store

    samples.write(root, FIRST)
    ingest.ingest_nights(NIGHT)
    paths = [samples.write(root, SECOND), samples.write(root, "KP.20240116.01000.00")]
    real, calls = store.store_batch, []

    def fails_at_the_second(connection, batch):
        calls.append(batch.night)
        if len(calls) == 2:
            raise RuntimeError("killed")
        return real(connection, batch)

    monkeypatch.setattr(store, "store_batch", fails_at_the_second)
    with pytest.raises(RuntimeError):
        ingest.ingest_files(paths)
    assert count(schema.file_table) == 1


def test_ingestion_waits_for_the_database(sqlite, root, monkeypatch):
    path = samples.write(root, FIRST)
    original, failures = (
        ingest.store_contents,
        [ServiceUnavailableError("away"), ServiceUnavailableError("away")],
    )

    def sometimes(readings):
        if failures:
            raise failures.pop()
        return original(readings)

    monkeypatch.setattr(ingest, "store_contents", sometimes)
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: None)
    assert ingest.ingest_files([path]).ingested == 1
    assert count(schema.file_table) == 1


def test_a_server_that_goes_away_and_comes_back_loses_nothing(root, monkeypatch, caplog):
    with postgres.temporary_server() as server:
        monkeypatch.setenv("KPFNB_TSDB_URL", server.url)
        assert ingest.ingest_files([samples.write(root, FIRST)]).ingested == 1
        server.stop()
        with pytest.raises(ServiceUnavailableError, match="connection"):
            ingest.ingest_nights(NIGHT)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(ingest.ingest_files, [samples.write(root, SECOND)])
            wait_for(lambda: "trying again" in caplog.text)
            assert not waiting.done()
            server.start()
            assert waiting.result(60).ingested == 1
        assert count(schema.file_table) == 2
        database.close_connections()


def test_other_file_names_and_vanished_files_are_reported(sqlite, root):
    result = ingest.ingest_files([root / "notes.txt", root / f"L0/{NIGHT}/{FIRST}.fits"])
    assert result.outcome is Outcome.PARTIAL
    assert "not the file name of an observation" in str(result)
    assert "missing" in str(result) or "No such file" in str(result)


def test_a_broken_link_affects_no_other_file(sqlite, root):
    paths = [samples.write(root, f"KP.{NIGHT}.0000{number}.00") for number in range(5)]
    for number in range(30):
        (paths[0].parent / f"KP.{NIGHT}.100{number:02d}.00.fits").symlink_to(root / "archived")
    result = ingest.ingest_nights(NIGHT)
    assert (result.ingested, result.outcome) == (5, Outcome.SUCCEEDED)
    assert maintenance.check_database(NIGHT).stale == ()


def test_a_name_with_an_impossible_date_affects_no_other_file(sqlite, root):
    good = samples.write(root, FIRST)
    odd = good.with_name("KP.20240230.00001.00.fits")
    odd.write_bytes(good.read_bytes())
    result = ingest.ingest_files([good, odd])
    assert result.ingested == 1
    assert result.failed == {str(odd): "not the file name of an observation"}
    second = ingest.ingest_nights("20240201", "20240301")
    assert (second.failed, second.ingested) == ({}, 0)


def test_bad_nights_are_refused_before_any_work(sqlite, root):
    with pytest.raises(InvalidParameterError):
        ingest.ingest_nights("2024")
    empty = ingest.ingest_nights("20200101")
    assert empty.reason.startswith("Night 20200101 has no L0 files")
    assert empty.outcome is Outcome.SKIPPED
    (root / "L0").rmdir()
    with pytest.raises(InvalidInputError, match="no L0 directory"):
        ingest.ingest_nights(NIGHT)


def test_the_result_has_text_html_and_plot(sqlite, root):
    samples.write(root, FIRST)
    bad = samples.write(root, SECOND)
    os.truncate(bad, 0)
    result = ingest.ingest_nights(NIGHT)
    assert result.to_dict()["refused_files"] == {str(bad): "empty"}
    assert result.to_frame()["refused"].tolist() == [1]
    assert "empty" in result._repr_html_()
    assert figures.plot(result).axes[0].get_ylabel() == "files"


def test_a_product_without_an_l0_gets_no_value_of_others(any_database, root):
    paths = [samples.write(root, FIRST, level, THRSBIN="All", GAIN=2.5) for level in ("L0", "2D")]
    ingest.ingest_files([*paths, samples.write(root, SECOND, "2D")])
    assert query(["2D:THRSBIN", "2D:GAIN"]).iloc[:, 1:].isna().to_numpy().tolist() == [
        [False, False],
        [True, True],
    ]
