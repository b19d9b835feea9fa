"""The three real L1 files of KPF, for tests marked `real`.

`tests/conftest.py` offers the fixture `real_l1`: a dictionary from ObsID to path. Do not change
these files: they belong to an installed package. `kpfnb.demo.real.copy_real_files` makes a tree.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from kpfnb.core.errors import ServiceUnavailableError
from kpfnb.demo.real import REAL_FILES, copy_real_files, find_real_files

REAL_JUNE, REAL_AUGUST, REAL_FEBRUARY = REAL_FILES
"""The ObsIDs: of June and August 2023 and of February 2024. The pack of one file has the last."""


def link_real_files(root: Path) -> dict[str, Path]:
    """Links to the real files in a KPF tree, by ObsID; the test is skipped if there are none."""
    skip_without_real_files()
    return dict(copy_real_files(root, linked=True).paths)


def skip_without_real_files() -> None:
    """Skip the test, and say how to get the files, if this machine has none."""
    try:
        find_real_files()
    except ServiceUnavailableError as error:
        pytest.skip(f"{error.what}: {error.hint}")
