"""A Google spreadsheet while Google is busy, slow, unreachable, or refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kpfnb.core.errors import InvalidInputError, InvalidSettingsError, ServiceUnavailableError
from kpfnb.storage import sheets
from kpfnb.storage.sheets import SheetChanges, google
from kpfnb.storage.sheets.google import make_requests
from tests.storage.sheets.conftest import Remote
from tests.storage.sheets.emulator import Emulator

ROWS = [["dataset", "status", "pod"], ["A", "", ""], ["B", "", ""], ["A", "", ""], ["C", "x", ""]]
RECORDS = [{"dataset": "A", "status": 1}, {"dataset": "D", "status": 2}]
REPLACED = [["dataset", "status", "pod"], ["A", "1", ""], ["B", "", ""], ["C", "x", ""]]
REPLACED += [["D", "2", ""]]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that takes half a second is late."""
    monkeypatch.setattr(google, "ANSWER_SECONDS", 0.5)


@pytest.fixture
def remote(emulator: Emulator) -> Remote:
    spreadsheet = Remote(emulator)
    spreadsheet.put("T", ROWS)
    return spreadsheet


@pytest.mark.parametrize("fault", [429, 500, 502, 503, "slow", "lost", "cut"])
@pytest.mark.usefixtures("impatient")
def test_a_batch_is_done_once_after_any_error(fault: int | str, remote: Remote) -> None:
    book = sheets.open_workbook()
    book.tabs()
    # Reading succeeds; the fault hits the batch
    reads = len(remote.server.calls)
    book.read("T")
    reads = len(remote.server.calls) - reads
    remote.server.faults.extend([0] * reads + [fault])
    book.update("T", sheets.replace_rows(RECORDS))
    assert not remote.server.faults
    assert remote.raw("T") == REPLACED


@pytest.mark.parametrize("fault", [429, 500, "slow", "lost", "cut"])
@pytest.mark.usefixtures("impatient")
def test_reading_is_retried_after_an_error(fault: int | str, remote: Remote) -> None:
    remote.server.faults.extend([fault, fault, 0, 0, fault])
    assert sheets.open_workbook().read("T").cell(4, 0) == "C"
    assert not remote.server.faults


def test_retries_have_a_limit(remote: Remote) -> None:
    remote.server.faults.extend([500] * 1000)
    with pytest.raises(ServiceUnavailableError, match="spreadsheet 'key=KEY': 500 injected"):
        sheets.open_workbook(retry_seconds=0.05).read("T")
    assert 900 < len(remote.server.faults) < 1000


def test_google_says_how_long_to_wait(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", slept.append)
    remote.server.retry_after = "30"
    remote.server.faults.extend([429, 500])
    sheets.open_workbook().read("T")
    assert slept[0] == 30
    assert slept[1] < 1


def test_no_server_at_all(remote: Remote) -> None:
    remote.server.shutdown()
    remote.server.server_close()
    with pytest.raises(ServiceUnavailableError, match="Google does not answer"):
        sheets.open_workbook(retry_seconds=0).tabs()


def test_a_row_that_a_person_adds_in_between_is_not_overwritten(remote: Remote) -> None:
    def plan(table: sheets.SheetTable) -> SheetChanges:
        remote.put("T", [*ROWS, ["mine", "", ""]])
        return SheetChanges(added=(("E", "new"),))

    sheets.open_workbook().update("T", plan)
    assert remote.raw("T")[-2:] == [["mine", "", ""], ["E", "new", ""]]


def test_by_title(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    Remote(emulator).put("WorkQueue", [["A"]])
    monkeypatch.setenv("KPFNB_SHEET", "Scores/WorkQueue@C")
    book = sheets.open_workbook()
    assert (book.name, book.tab) == ("Scores", "WorkQueue@C")
    assert book.read("WorkQueue").rows == (("A",),)


def test_a_title_that_is_missing_or_used_twice(emulator: Emulator) -> None:
    with pytest.raises(InvalidInputError, match="no spreadsheet 'Score'"):
        sheets.open_workbook("Score").tabs()
    emulator.titles["KEY2"] = "Scores"
    with pytest.raises(
        InvalidInputError, match=r"2 spreadsheets are called 'Scores'[^$]*key=KEY, key=KEY2"
    ):
        sheets.open_workbook("Scores").tabs()


@pytest.mark.parametrize(("key", "fault"), [("OTHER", 0), ("KEY", 403), ("KEY", 400)])
def test_a_permanent_error_is_raised_at_once(key: str, fault: int, emulator: Emulator) -> None:
    emulator.faults.extend([0, fault])
    with pytest.raises(InvalidInputError, match="shared with the account"):
        sheets.open_workbook(f"key={key}").tabs()
    assert len(emulator.calls) <= 2


def test_credentials(
    emulator: Emulator, isolated: Path, monkeypatch: pytest.MonkeyPatch, private_key: str
) -> None:
    assert sheets.open_workbook().tabs() == []
    assert emulator.tokens == [200]
    emulator.login = 401
    with pytest.raises(InvalidSettingsError, match=r"refuses the credentials \(RefreshError\)"):
        sheets.open_workbook().tabs()
    broken = {"type": "service_account", "client_email": "x", "token_uri": "x"}
    (isolated / "broken").write_text(json.dumps({**broken, "private_key": private_key[:-200]}))
    (isolated / "text").write_text("sesame")
    expected = {"broken": "is not the key", "text": "is not the key", "nowhere": "No such file"}
    for name, words in expected.items():
        monkeypatch.setenv("KPFNB_SHEET_CREDENTIALS", str(isolated / name))
        with pytest.raises(InvalidSettingsError, match=words) as caught:
            sheets.open_workbook().tabs()
        assert private_key[100:140] not in str(caught.value)
        assert "sesame" not in str(caught.value)
    monkeypatch.delenv("KPFNB_SHEET_CREDENTIALS")
    with pytest.raises(
        InvalidSettingsError, match="no credentials for the Google spreadsheet 'key=KEY'"
    ):
        sheets.open_workbook().tabs()


def test_nothing_of_the_key_is_logged(
    remote: Remote, private_key: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    remote.server.faults.extend([500, 429])
    sheets.open_workbook().read("T")
    assert "retry in" in caplog.text
    assert private_key[100:140] not in caplog.text
    assert "sesame" not in caplog.text


def test_cells_side_by_side_are_one_request() -> None:
    cells = {(3, 1): "a", (3, 2): 1, (3, 5): "b", (4, 1): ""}
    requests = make_requests(7, (3, 4), SheetChanges(cells, frozenset({1, 2}), (("x",),)))
    kinds = [next(iter(request)) for request in requests]
    assert kinds == [
        *("appendDimension", "appendDimension", "updateCells", "updateCells", "updateCells"),
        *("deleteDimension", "deleteDimension", "appendCells"),
    ]
    assert [request["appendDimension"]["length"] for request in requests[:2]] == [2, 2]
    assert requests[2]["updateCells"]["rows"] == [
        {
            "values": [
                {"userEnteredValue": {"stringValue": "a"}},
                {"userEnteredValue": {"numberValue": 1}},
            ]
        }
    ]
    assert requests[4]["updateCells"]["rows"] == [{"values": [{}]}]
    removed = [request["deleteDimension"]["range"]["startIndex"] for request in requests[5:7]]
    assert removed == [2, 1]
