from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from kpfnb.core import progress
from kpfnb.core.errors import InvalidInputError
from kpfnb.kpf.watch.overview import WatcherOverview
from kpfnb.notebook.display import html

RESULT = WatcherOverview(())


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is shown in JupyterLab, one after the other."""
    import ipywidgets

    shown: list[str] = []

    class View:
        def __init__(self, page: str) -> None:
            self.value = page

        def __setattr__(self, name: str, value: str) -> None:
            shown.append(value)

    monkeypatch.setattr(progress, "in_notebook", lambda: True)
    monkeypatch.setattr(ipywidgets, "HTML", View)
    monkeypatch.setattr(html, "_refresh_task", None)
    return shown


async def _until(ready: Callable[[], bool]) -> None:
    while not ready():
        await asyncio.sleep(0.01)


def test_it_refreshes_and_shows_an_error(pages: list[str]) -> None:
    answers = iter(["second"])

    def load_page() -> str:
        for answer in answers:
            return answer
        raise InvalidInputError("<gone>", "come back")

    async def watched() -> None:
        html.display_refreshing(RESULT, "first", load_page, every_seconds=0)
        await _until(lambda: len(pages) >= 3)

    asyncio.run(watched())
    assert pages[:2] == ["first", "second"]
    assert "&lt;gone&gt;" in pages[2]


def test_the_next_one_takes_its_place(pages: list[str]) -> None:
    async def watched() -> None:
        html.display_refreshing(RESULT, "old", lambda: "old again", every_seconds=0)
        html.display_refreshing(RESULT, "new", lambda: "new again", every_seconds=0)
        await _until(lambda: pages.count("new again") >= 3)

    asyncio.run(watched())
    assert "old again" not in pages


def test_headless_the_result_is_shown_once(capsys: pytest.CaptureFixture[str]) -> None:
    html.display_refreshing(RESULT, "page", lambda: "again", every_seconds=0)
    assert capsys.readouterr().out.count("No watcher has been started") == 1
