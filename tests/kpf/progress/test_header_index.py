import sqlite3
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from kpfnb.core.errors import InvalidInputError
from kpfnb.kpf.progress.header_index import SCHEMA, HeaderIndex, IndexedFile

FOLDER = Path("/data/L0/20240101")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "work/index.sqlite"


def test_it_remembers_and_forgets(path):
    with HeaderIndex(path) as index:
        index.update_files(
            FOLDER, {"a": IndexedFile(1, 2, "x"), "b": IndexedFile(3, 4, "")}, gone=()
        )
        index.update_files(FOLDER, {"a": IndexedFile(1, 5, "y")}, gone=["b", "never"])
    with HeaderIndex(path) as index:
        assert index.known_files(FOLDER) == {"a": IndexedFile(1, 5, "y")}
        assert index.known_files(FOLDER / "other") == {}
        assert index.notes == []


def test_a_night_is_answered_only_for_the_same_question_and_stamp(path):
    with HeaderIndex(path) as index:
        index.store_night(FOLDER, "q", "s", looked_at=100, answer="all done")
        assert index.load_night(FOLDER, "q", "s", since=100) == "all done"
        assert index.load_night(FOLDER, "q", "s", since=101) == ""
        assert index.load_night(FOLDER, "q", "other", since=0) == ""
        assert index.load_night(FOLDER, "other", "s", since=0) == ""
        index.delete_nights(before=100)
        assert index.load_night(FOLDER, "q", "s", since=0) == "all done"
        index.invalidate_night(FOLDER)
        assert index.load_night(FOLDER, "q", "s", since=0) == ""


def test_a_tree_has_one_entry_under_any_name(path, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with HeaderIndex(path) as index:
        index.update_files(tmp_path / "link", {"a": IndexedFile(1, 2, "")}, gone=())
        assert index.known_files(tmp_path / "real") == {"a": IndexedFile(1, 2, "")}


def test_without_a_path_it_remembers_nothing():
    with HeaderIndex(None) as index:
        index.update_files(FOLDER, {"a": IndexedFile(1, 2, "x")}, gone=())
        assert index.known_files(FOLDER) == {}
        assert index.notes == []


@pytest.mark.parametrize("damage", [b"this is not a database" * 500, b""])
def test_a_damaged_file_is_replaced(path, damage):
    with HeaderIndex(path) as index:
        index.update_files(FOLDER, {"a": IndexedFile(1, 2, "x")}, gone=())
    path.write_bytes(damage)
    with HeaderIndex(path) as index:
        index.update_files(FOLDER, {"b": IndexedFile(1, 2, "y")}, gone=())
        assert index.known_files(FOLDER) == {"b": IndexedFile(1, 2, "y")}
        notes = index.notes
    aside = [file.read_bytes() for file in path.parent.glob("*.damaged-*")]
    assert (aside, len(notes)) == (([damage], 1) if damage else ([], 0))


def test_damage_inside_is_met_in_the_middle_of_the_work(path):
    with HeaderIndex(path) as index:
        many = {f"{number:06d}": IndexedFile(number, 2, "x" * 50) for number in range(5000)}
        index.update_files(FOLDER, many, gone=())
    raw = bytearray(path.read_bytes())
    raw[8192:] = b"\xff" * (len(raw) - 8192)
    path.write_bytes(raw)
    with HeaderIndex(path) as index:
        index.known_files(FOLDER)
        assert "damaged" in index.notes[0]
        index.update_files(FOLDER, {"a": IndexedFile(1, 2, "x")}, gone=())
        assert index.known_files(FOLDER) == {"a": IndexedFile(1, 2, "x")}


def test_a_newer_one_is_refused(path):
    with HeaderIndex(path):
        pass
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    connection.close()
    with pytest.raises(InvalidInputError, match="newer kpfnb"):
        HeaderIndex(path)


def test_an_older_index_is_replaced(path):
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE file (something)")
    connection.close()
    with HeaderIndex(path) as index:
        index.update_files(FOLDER, {"a": IndexedFile(1, 2, "x")}, gone=())
        assert index.known_files(FOLDER) == {"a": IndexedFile(1, 2, "x")}
        assert index.notes == []


def test_without_a_writable_index_the_work_goes_on(tmp_path):
    (tmp_path / "file").touch()
    with HeaderIndex(tmp_path / "file/index.sqlite") as index:
        index.update_files(FOLDER, {"a": IndexedFile(1, 2, "x")}, gone=())
        assert index.known_files(FOLDER) == {}
        assert index.notes[0].startswith("without the index")


def test_one_that_is_locked_for_too_long_is_given_up(path, monkeypatch):
    monkeypatch.setattr("kpfnb.core.sqlite.BUSY_SECONDS", 0.05)
    with HeaderIndex(path) as index:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        index.update_files(FOLDER, {"a": IndexedFile(1, 2, "x")}, gone=())
        assert "locked" in index.notes[0]
        other.close()


def _fill(path: Path, start: int) -> list[str]:
    with HeaderIndex(path) as index:
        for number in range(start, start + 50):
            index.update_files(FOLDER, {f"{number:03d}": IndexedFile(number, 2, "x")}, gone=())
        return index.notes


def test_two_processes_fill_it_at_once(path):
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        notes = list(pool.map(_fill, [path, path], [0, 50]))
    assert notes == [[], []]
    with HeaderIndex(path) as index:
        assert len(index.known_files(FOLDER)) == 100
