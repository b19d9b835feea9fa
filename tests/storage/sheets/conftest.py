"""Workbooks to test with: a local one, and one on the emulator, through the real gspread."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import gspread
import gspread.client
import gspread.http_client
import pytest
from google.oauth2 import service_account

from kpfnb.storage import sheets
from kpfnb.storage.sheets import google_errors
from kpfnb.storage.sheets.workbook import Workbook
from tests.storage.sheets.emulator import Cell, Emulator, Grid


@pytest.fixture(scope="session")
def private_key() -> str:
    """A key as in a service account's file, made here."""
    from cryptography.hazmat.primitives import serialization as as_
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = (as_.Encoding.PEM, as_.PrivateFormat.PKCS8, as_.NoEncryption())
    return key.private_bytes(*form).decode()


@pytest.fixture
def emulator(
    isolated: Path, private_key: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Emulator]:
    """The server; gspread's addresses lead to it, and the settings name a spreadsheet on it."""
    with Emulator() as server:
        for module in (gspread.client, gspread.http_client):
            for name, value in vars(module).items():
                if name.endswith("_URL"):
                    path = value.split("googleapis.com")[1]
                    monkeypatch.setattr(module, name, server.url + path)
        file = isolated / "account.json"
        account = {
            "type": "service_account",
            "client_email": "kpfnb@example.org",
            "private_key": private_key,
            "token_uri": f"{server.url}/token",
        }
        file.write_text(json.dumps(account))
        monkeypatch.setenv("KPFNB_SHEET", "key=KEY")
        monkeypatch.setenv("KPFNB_SHEET_CREDENTIALS", str(file))
        # Google's login asks another service too, in a thread, which would leave this machine
        switch = "_is_regional_access_boundary_lookup_required"
        monkeypatch.setattr(service_account.Credentials, switch, lambda _: False, raising=False)
        monkeypatch.setattr(google_errors, "FIRST_DELAY_SECONDS", 0.001)
        yield server


class Local:
    """The files of the local workbook."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, tab: str, rows: Sequence[Sequence[Cell]]) -> None:
        """Make a tab as a person would."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / f"{tab}.csv").open("w", newline="") as stream:
            csv.writer(stream).writerows(rows)

    def raw(self, tab: str) -> list[list[str]]:
        """The content of the tab, unchanged."""
        with (self.folder / f"{tab}.csv").open(newline="") as stream:
            return list(csv.reader(stream))


class Remote:
    """The tabs on the emulator."""

    def __init__(self, server: Emulator) -> None:
        self.server = server

    def put(self, tab: str, rows: Sequence[Sequence[Cell]]) -> None:
        """Create a tab as a person would: no larger than necessary."""
        width = max(map(len, rows), default=1)
        new_grid = Grid(sum(map(ord, tab)), tab, max(len(rows), 1), width)
        for row, values in enumerate(rows):
            for column, value in enumerate(values):
                if value != "":
                    new_grid.cells[row, column] = value
        others = [grid for grid in self.server.books["KEY"] if grid.title != tab]
        self.server.books["KEY"] = [*others, new_grid]

    def raw(self, tab: str) -> list[list[str]]:
        """The content of the tab, unchanged."""
        values = self.server.grid(tab).values()
        width = max(map(len, values), default=0)
        return [[*row, *[""] * (width - len(row))] for row in values]


@pytest.fixture(params=["local", "google"])
def behind(request: pytest.FixtureRequest, isolated: Path) -> Local | Remote:
    """The storage behind the workbook."""
    if request.param == "local":
        return Local(isolated / "work/workbook")
    return Remote(request.getfixturevalue("emulator"))


@pytest.fixture
def book(behind: Local | Remote) -> Workbook:
    """The workbook that the settings name."""
    return sheets.open_workbook()
