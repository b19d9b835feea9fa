"""Links are made only where JupyterLab can follow them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from kpfnb.notebook.display import html


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    html.jupyter_root.cache_clear()
    yield
    html.jupyter_root.cache_clear()


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A notebook in JupyterLab, which shows this directory."""
    root = tmp_path / "project"
    (root / "notebooks").mkdir(parents=True)
    monkeypatch.chdir(root / "notebooks")
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("JPY_SESSION_NAME", str(root / "notebooks/a.ipynb"))
    monkeypatch.setenv(html.PARENT_VARIABLE, "77")
    (tmp_path / "jpserver-77.json").write_text(json.dumps({"root_dir": str(root)}))
    return root


def test_a_file_below_its_directory_is_a_link(lab: Path) -> None:
    page = lab / "work/runs/a b/<x>.html"
    assert html.jupyter_href(page) == "../work/runs/a%20b/%3Cx%3E.html"
    assert html.file_link(page, "<report>") == (
        '<a href="../work/runs/a%20b/%3Cx%3E.html" target="_blank" rel="noopener">'
        "&lt;report&gt;</a>"
    )


def test_a_file_elsewhere_is_its_path(lab: Path) -> None:
    assert html.file_link(Path("/data/<kpf>")) == "/data/&lt;kpf&gt;"


def test_headless_there_are_no_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(html.PARENT_VARIABLE, raising=False)
    assert html.file_link(tmp_path / "x", "x") == "x"


def test_a_server_that_does_not_report_its_directory(lab: Path) -> None:
    (lab.parent / "jpserver-77.json").write_text("{")
    assert html.jupyter_root() is None
