"""Forms suggest the objects and DRP versions of the files in the index of headers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kpfnb.core import settings
from kpfnb.kpf.files.exposure import SOURCE_TYPES
from kpfnb.kpf.progress import evaluation, suggestions
from kpfnb.kpf.progress.header_index import HeaderIndex, IndexedFile


@pytest.fixture(autouse=True)
def work_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KPFNB_WORK_DIR", str(tmp_path))


def fill_index(*facts: str) -> None:
    path = evaluation.index_path(settings.load_settings())
    path.parent.mkdir(parents=True, exist_ok=True)
    with HeaderIndex(path) as index:
        files = {f"{n}.fits": IndexedFile(1, 1, text) for n, text in enumerate(facts)}
        index.update_files(path.parent, files, ())


def test_without_an_index_nothing_is_known() -> None:
    assert suggestions.suggest_objects() == suggestions.suggest_versions() == {}
    assert not evaluation.index_path(settings.load_settings()).exists()


def test_objects_and_versions_come_with_the_number_of_files() -> None:
    raw = {"OBJECT": "10700", "TARGNAME": "HD10700"}
    fill_index(
        "", "not JSON", json.dumps(raw), json.dumps(raw), json.dumps({"OBJECT": None}),
        json.dumps({"DRPTAG": "v2.9.1"}), json.dumps({"DRPTAG": "No tags found"}),
    )  # fmt: skip
    assert suggestions.suggest_objects() == {"10700": "2 files", "HD10700": "2 files"}
    assert suggestions.suggest_versions() == {"v2.9.1": "1 file"}


def test_all_kinds_of_source_are_known() -> None:
    assert tuple(suggestions.suggest_sources()) == tuple(SOURCE_TYPES)
