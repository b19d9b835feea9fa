"""Chromium, and every kind of static page with hostile text in all places for text."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import CHROMIUM, CHROMIUM_ARGUMENTS
from tests.pages import hostile


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (.ci/run installs Debian's)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each kind of page by name. Made once; during that time the settings point there."""
    top = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("KPFNB_")]:
            patch.delenv(name)
        patch.setenv("KPFNB_WORK_DIR", str(top / "work"))
        patch.setenv("KPFNB_DATA_ROOT", str(top / "data"))
        patch.chdir(top)
        return hostile.make_site(top)
