from __future__ import annotations

import os
import time
from pathlib import Path

from kpfnb.notebook import filled_in
from kpfnb.notebook.parameters import parse_declarations

PARAMETERS = parse_declarations('n: "int[1, 9]" = 3  # how many')


def test_they_are_taken_once(tmp_path: Path) -> None:
    notebook = tmp_path / "work.ipynb"
    filled_in.store_values(notebook, {"n": 5})
    assert filled_in.are_waiting(notebook)
    assert filled_in.take_values(notebook, PARAMETERS) == {"n": 5}
    assert not filled_in.are_waiting(notebook)
    assert filled_in.take_values(notebook, PARAMETERS) == {}


def test_old_ones_are_forgotten(tmp_path: Path) -> None:
    notebook = tmp_path / "work.ipynb"
    filled_in.store_values(notebook, {"n": 5})
    before = time.time() - filled_in.MAX_AGE_SECONDS - 1
    os.utime(filled_in.waiting_file(notebook), (before, before))
    assert filled_in.take_values(notebook, PARAMETERS) == {}


def test_what_no_longer_fits_is_left_out(tmp_path: Path) -> None:
    notebook = tmp_path / "work.ipynb"
    for values in ({"m": 1}, {"n": 10}, [1]):
        filled_in.waiting_file(notebook).write_text(str(values).replace("'", '"'))
        assert filled_in.take_values(notebook, PARAMETERS) == {}
    filled_in.waiting_file(notebook).write_text("{")
    assert filled_in.take_values(notebook, PARAMETERS) == {}
