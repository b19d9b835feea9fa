from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from kpfnb import live, refreshing
from kpfnb.errors import BadInput
from kpfnb.watching.overview import Overview

RESULT = Overview(())


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

    monkeypatch.setattr(live, "in_notebook", lambda: True)
    monkeypatch.setattr(ipywidgets, "HTML", View)
    monkeypatch.setattr(refreshing, "_task", None)
    return shown


async def _until(ready: Callable[[], bool]) -> None:
    while not ready():
        await asyncio.sleep(0.01)


def test_it_looks_again_and_tells_an_error(pages: list[str]) -> None:
    answers = iter(["second"])

    def look() -> str:
        for answer in answers:
            return answer
        raise BadInput("<gone>", "come back")

    async def watched() -> None:
        refreshing.show(RESULT, "first", look, every_seconds=0)
        await _until(lambda: len(pages) >= 3)

    asyncio.run(watched())
    assert pages[:2] == ["first", "second"]
    assert "&lt;gone&gt;" in pages[2]


def test_the_next_one_takes_its_place(pages: list[str]) -> None:
    async def watched() -> None:
        refreshing.show(RESULT, "old", lambda: "old again", every_seconds=0)
        refreshing.show(RESULT, "new", lambda: "new again", every_seconds=0)
        await _until(lambda: pages.count("new again") >= 3)

    asyncio.run(watched())
    assert "old again" not in pages


def test_headless_the_result_is_shown_once(capsys: pytest.CaptureFixture[str]) -> None:
    refreshing.show(RESULT, "page", lambda: "again", every_seconds=0)
    assert capsys.readouterr().out.count("no watcher has run here") == 1
