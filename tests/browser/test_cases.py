"""No notebook is forgotten."""

from __future__ import annotations

from tests.browser.cases import CASES
from tests.browser.notebook import PROJECT


def test_every_notebook_is_opened_in_a_browser() -> None:
    assert {path.stem for path in (PROJECT / "notebooks").glob("*.ipynb")} == CASES.keys()
