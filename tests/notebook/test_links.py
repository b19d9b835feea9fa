"""Links out of a notebook: URLs in JupyterLab, texts elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from kpfnb.notebook import links
from kpfnb.runs.actions import PageAction

ACTION = PageAction("Reprocess <these>", "reprocess", {"targets": ["a&b"]})


def test_in_jupyterlab_there_are_urls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(links.LAB_URL_VARIABLE, "/user/ann/kpfnb/")
    assert links.page_url(Path("/data/a b.html")) == "/user/ann/kpfnb/files/data/a%20b.html"
    assert links.observation_url("KP.20240115.00001.02").endswith(
        "/observation/KP.20240115.00001.02"
    )
    assert links.action_html(ACTION) == (
        '<a href="/user/ann/kpfnb/open/reprocess?targets=a%26b" target="_blank" rel="noopener">'
        "Reprocess &lt;these&gt;</a>"
    )


def test_elsewhere_there_are_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(links.LAB_URL_VARIABLE, raising=False)
    assert links.page_url(Path("/data")) == ""
    assert links.link_html("", "<x>") == "&lt;x&gt;"
    assert links.action_html(ACTION) == (
        "<code>kpfnb run reprocess -p &#39;targets=a&amp;b&#39;</code>"
    )
