"""KPF's notebooks, as a person uses them in JupyterLab."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.cases import KPF
from tests.browser.conftest import Lab
from tests.browser.person import uses

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


@pytest.mark.parametrize("name", KPF)
def test_a_person_uses_it(name: str, page: Any, lab: Lab, request: pytest.FixtureRequest) -> None:
    uses(name, page, lab, request)
