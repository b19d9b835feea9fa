"""A small server for the calls of Google Sheets v4 (and Drive v3) that gspread makes.

As with Google, grids have a size, batches are done completely or not at all, values keep their
types, numbers are shown formatted, and cells beyond the grid are refused. Faults are given one per
request: a status to answer with, or `slow` and `lost` (done, but the answer does not come), `cut`
(not done), or 0 (none).
"""

from __future__ import annotations

import copy
import json
import re
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

Cell = str | int | float | bool
SLOW_SECONDS = 20
"""Till it answers at last, where nobody tells it to stop."""


class Refused(Exception):
    """A call that Google would refuse: status and message."""


@dataclass
class Grid:
    """A tab."""

    identity: int
    title: str
    rows: int
    columns: int
    cells: dict[tuple[int, int], Cell] = field(default_factory=dict)

    @property
    def used(self) -> int:
        """The number of rows up to the last that has something."""
        return max((row for row, _ in self.cells), default=-1) + 1

    def write(self, row: int, column: int, value: dict[str, Any]) -> None:
        if row >= self.rows or column >= self.columns:
            raise Refused(400, f"({row}, {column}) is after the last row or column of the grid")
        entered = value.get("userEnteredValue", {})
        assert len(entered) <= 1 and set(entered) <= {"stringValue", "numberValue", "boolValue"}
        for kind, content in entered.items():
            kinds = {"stringValue": str, "numberValue": (int, float), "boolValue": bool}
            assert isinstance(content, kinds[kind])
            assert (type(content) is bool) == (kind == "boolValue")
            self.cells[row, column] = content
        if not entered:
            self.cells.pop((row, column), None)

    def remove(self, start: int, end: int) -> None:
        gone = end - start
        self.rows -= gone
        self.cells = {
            (row - gone if row >= end else row, column): content
            for (row, column), content in self.cells.items()
            if not start <= row < end
        }

    def values(self) -> list[list[str]]:
        """As `values.get` gives them: formatted, without the empty ends."""
        rows = []
        for row in range(self.used):
            width = max((c for r, c in self.cells if r == row), default=-1) + 1
            rows.append([shown(self.cells.get((row, c), "")) for c in range(width)])
        return rows

    def properties(self) -> dict[str, Any]:
        size = {"rowCount": self.rows, "columnCount": self.columns}
        return {
            "sheetId": self.identity,
            "title": self.title,
            "index": 0,
            "sheetType": "GRID",
            "gridProperties": size,
        }


def shown(value: Cell) -> str:
    return str(value).upper() if isinstance(value, bool) else str(value)


class Emulator(ThreadingHTTPServer):
    """The server, with its spreadsheets by key; `with` starts it in a thread."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.books: dict[str, list[Grid]] = {"KEY": []}
        self.titles = {"KEY": "Scores"}
        self.faults: deque[int | str] = deque()
        self.calls: list[tuple[str, str]] = []
        self.retry_after = ""
        self.tokens: list[int] = []
        self.login = 200
        self.over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> Emulator:
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is no news."""

    def grid(self, title: str, key: str = "KEY") -> Grid:
        return next(grid for grid in self.books[key] if grid.title == title)

    def writes(self) -> list[str]:
        return [path for method, path in self.calls if method == "POST"]

    def answer(self, method: str, target: str, body: Any) -> Any:
        parts = urlsplit(target)
        path = unquote(parts.path)
        if path == "/token":
            self.tokens.append(self.login)
            if self.login != 200:
                raise Refused(self.login, "invalid_grant")
            return {"access_token": "sesame", "expires_in": 3600, "token_type": "Bearer"}
        self.calls.append((method, path))
        if path == "/drive/v3/files":
            return self._files(parse_qs(parts.query)["q"][0])
        match = re.fullmatch(r"/v4/spreadsheets/([\w-]+)(/values/'(.*)'|:batchUpdate)?", path)
        assert match, path
        if match[1] not in self.books:
            raise Refused(404, "Requested entity was not found.")
        if match[3]:
            return self._values(match[1], match[3])
        if match[2]:
            return self._batch(match[1], body["requests"])
        sheets = [{"properties": grid.properties()} for grid in self.books[match[1]]]
        return {
            "spreadsheetId": match[1],
            "properties": {"title": self.titles[match[1]]},
            "sheets": sheets,
        }

    def _files(self, query: str) -> Any:
        named = re.search(r'name = "(.*)"', query)
        files = [
            {"id": key, "name": title, "createdTime": "", "modifiedTime": ""}
            for key, title in self.titles.items()
            if named and title == named[1]
        ]
        return {"kind": "drive#fileList", "files": files}

    def _values(self, key: str, title: str) -> Any:
        grid = self.grid(title.replace("''", "'"), key)
        values = grid.values()
        return {"range": title, "majorDimension": "ROWS", **({"values": values} if values else {})}

    def _batch(self, key: str, requests: list[dict[str, Any]]) -> Any:
        grids = copy.deepcopy(self.books[key])
        replies = [self._one(grids, *next(iter(request.items()))) for request in requests]
        self.books[key] = grids
        return {"spreadsheetId": key, "replies": replies}

    def _one(self, grids: list[Grid], kind: str, what: dict[str, Any]) -> Any:
        if kind == "addSheet":
            wanted = what["properties"]
            if any(grid.title == wanted["title"] for grid in grids):
                raise Refused(400, "A sheet with that name already exists.")
            size = wanted["gridProperties"]
            grids.append(Grid(len(grids), wanted["title"], size["rowCount"], size["columnCount"]))
            return {"addSheet": {"properties": grids[-1].properties()}}
        place = what.get("start") or what.get("range") or what
        grid = next(grid for grid in grids if grid.identity == place["sheetId"])
        if kind == "updateCells":
            _write(grid, what, place["rowIndex"], place["columnIndex"])
        elif kind == "appendCells":
            first = grid.used
            grid.rows = max(grid.rows, first + len(what["rows"]))
            _write(grid, what, first, 0)
        elif kind == "appendDimension":
            name = what["dimension"].lower()
            setattr(grid, name, getattr(grid, name) + what["length"])
        elif kind == "deleteDimension":
            assert place["dimension"] == "ROWS"
            grid.remove(place["startIndex"], place["endIndex"])
        else:
            raise AssertionError(kind)
        return {}


def _write(grid: Grid, what: dict[str, Any], row: int, column: int) -> None:
    assert what["fields"] == "userEnteredValue"
    for down, row_data in enumerate(what["rows"]):
        for right, value in enumerate(row_data["values"]):
            grid.write(row + down, column + right, value)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: Emulator

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, *_: object) -> None:
        """Quietly."""

    def _serve(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        is_json = "json" in self.headers.get("Content-Type", "")
        is_login = self.path == "/token"
        fault = self.server.faults.popleft() if self.server.faults and not is_login else 0
        if fault == "cut":
            self.close_connection = True
            return
        if fault and isinstance(fault, int):
            self._reply(fault, {"error": {"code": fault, "message": "injected"}})
            return
        try:
            code, answer = (
                200,
                self.server.answer(
                    self.command, self.path, json.loads(raw) if raw and is_json else None
                ),
            )
        except Refused as error:
            code, message = error.args
            answer = {"error": {"code": code, "message": message}}
        if fault == "slow":
            self.server.over.wait(SLOW_SECONDS)
        if fault in ("slow", "lost"):
            self.close_connection = True
            return
        self._reply(code, answer)

    def _reply(self, code: int, answer: Any) -> None:
        data = b"<html>Bad Gateway</html>" if code == 502 else json.dumps(answer).encode()
        with suppress(ConnectionError):
            self.send_response(code)
            self.send_header("Content-Type", "text/html" if code == 502 else "application/json")
            if code == 429 and self.server.retry_after:
                self.send_header("Retry-After", self.server.retry_after)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
