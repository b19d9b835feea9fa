"""A file is a link where JupyterLab's server can show it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kpfnb.notebook import links
from kpfnb.notebook.display import html


def test_in_jupyterlab_a_file_is_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(links.LAB_URL_VARIABLE, "/user/ann/kpfnb/")
    assert html.file_link(Path("/data/runs/a b/<x>.html"), "<report>") == (
        '<a href="/user/ann/kpfnb/files/data/runs/a%20b/%3Cx%3E.html" target="_blank"'
        ' rel="noopener">&lt;report&gt;</a>'
    )


def test_elsewhere_a_file_is_its_text_or_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(links.LAB_URL_VARIABLE, raising=False)
    assert html.file_link(Path("/data/<kpf>")) == "/data/&lt;kpf&gt;"
    assert html.file_link(Path("/data/x"), "x") == "x"
