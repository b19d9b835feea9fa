"""A Google spreadsheet, through gspread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from kpfnb.errors import BadInput, BadSettings
from kpfnb.sheets import requests, trouble
from kpfnb.sheets.address import Address
from kpfnb.sheets.table import Changes, Plan, Table, no_tab

if TYPE_CHECKING:
    import gspread

T = TypeVar("T")

CONNECT_SECONDS = 10
ANSWER_SECONDS = 30
PATIENCE_SECONDS = 120.0
"""The quota is one of each minute: after two it must have been there again."""
NEW_SIZE = {"rows": 100, "cols": 26}


class GoogleBook:
    """A spreadsheet; it is looked for at the first call."""

    def __init__(
        self,
        address: Address,
        credentials: Path | None = None,
        *,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        """Credentials are a file: the key of a service account with whom the sheet is shared.

        patience_seconds : how long a call is tried again while Google is busy or does not answer
        """
        self._address = address
        self._credentials = credentials
        self._patience_seconds = patience_seconds
        self._opened: gspread.Spreadsheet | None = None

    @property
    def name(self) -> str:
        """Its title, or key."""
        return self._address.name

    @property
    def tab(self) -> str:
        """The tab and column of its address."""
        return self._address.tab

    def tabs(self) -> list[str]:
        """The titles of its tabs."""
        return self._persist(lambda: list(self._worksheets()))

    def read(self, tab: str) -> Table:
        """A tab as it is now."""
        return self._persist(lambda: self._table(self._named(tab, self._worksheets())))

    def revise(self, tab: str, plan: Plan, *, create: bool = False) -> Changes:
        """Change a tab by a plan; see `Book.revise`."""
        return self.revise_all({tab: plan}, create=create)[tab]

    def revise_all(self, plans: Mapping[str, Plan], *, create: bool = False) -> dict[str, Changes]:
        """Change several tabs in one batch; see `Book.revise_all`.

        After trouble nobody knows whether the batch was taken. So it is never sent again as it
        was: the tabs are read once more, and planned anew from what is there then.
        """
        return self._persist(lambda: self._revise(plans, create))

    def _revise(self, plans: Mapping[str, Plan], create: bool) -> dict[str, Changes]:
        batch: list[dict[str, Any]] = []
        done = {}
        there = self._worksheets()
        for tab, plan in plans.items():
            if create and tab not in there:
                there[tab] = self._spreadsheet().add_worksheet(tab, **NEW_SIZE)
            worksheet = self._named(tab, there)
            changes = done[tab] = plan(self._table(worksheet))
            if changes:
                size = (worksheet.row_count, worksheet.col_count)
                batch += requests.batch(worksheet.id, size, changes)
        if batch:
            self._spreadsheet().batch_update({"requests": batch})
        return done

    def _table(self, worksheet: gspread.Worksheet) -> Table:
        # As text, as people see it: gspread's get_all_records would make 20240101 a number
        return Table.of(worksheet.get_all_values(), f"{self.name}, tab {worksheet.title}")

    def _worksheets(self) -> dict[str, gspread.Worksheet]:
        return {one.title: one for one in self._spreadsheet().worksheets()}

    def _named(self, tab: str, there: Mapping[str, gspread.Worksheet]) -> gspread.Worksheet:
        if tab not in there:
            raise no_tab(self.name, tab, there)
        return there[tab]

    def _spreadsheet(self) -> gspread.Spreadsheet:
        if self._opened is None:
            client = self._client()
            client.set_timeout((CONNECT_SECONDS, ANSWER_SECONDS))
            self._opened = client.open_by_key(self._address.key or self._key(client))
        return self._opened

    def _key(self, client: gspread.Client) -> str:
        title = self._address.title
        found = [one for one in client.list_spreadsheet_files(title) if one["name"] == title]
        if len(found) == 1:
            return str(found[0]["id"])
        if found:
            keys = ", ".join(f"key={one['id']}" for one in found)
            raise BadInput(f"{len(found)} spreadsheets are called {title!r}", f"name one: {keys}")
        raise BadInput(f"no spreadsheet {title!r}", trouble.SHARE)

    def _client(self) -> gspread.Client:
        import gspread

        hint = "set KPFNB_SHEET_CREDENTIALS to the JSON key of a Google service account"
        if self._credentials is None:
            raise BadSettings(f"no credentials for the Google spreadsheet {self.name!r}", hint)
        try:
            return gspread.service_account(self._credentials)
        except OSError as error:
            raise BadSettings(f"can't read {self._credentials}: {error.strerror}", hint) from None
        except (ValueError, KeyError):
            # Its message may hold parts of the key
            raise BadSettings(f"{self._credentials} is no key of a service account", hint) from None

    def _persist(self, call: Callable[[], T]) -> T:
        return trouble.persist(call, self.name, self._patience_seconds)
