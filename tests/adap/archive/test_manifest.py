from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kpfnb.adap.archive import manifest
from kpfnb.adap.archive.manifest import FileDigest, Manifest
from kpfnb.core.errors import InvalidInputError

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80)
DIGESTS = st.builds(FileDigest, st.integers(0, 2**60), st.text("0af", max_size=64), st.text("0af"))
VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | NAMES
ROWS = st.lists(st.dictionaries(NAMES, VALUES, max_size=3), max_size=3).map(tuple)
MANIFESTS = st.builds(
    Manifest,
    unit=NAMES,
    delivered=st.sampled_from(["", "2026-11-26T20:00:00Z"]),
    files=st.dictionaries(NAMES, DIGESTS, max_size=4),
    reduced=ROWS,
    coadded=ROWS,
    problems=st.dictionaries(NAMES, NAMES, max_size=3),
    unrecognised=st.lists(NAMES, max_size=3).map(tuple),
    missing=st.lists(NAMES, max_size=3).map(tuple),
    leftover=st.lists(NAMES, max_size=3).map(tuple),
    moved=st.booleans(),
)
quietly = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
A = FileDigest(1, "aa", "a")
B = FileDigest(2, "bb", "b")
OLD = Manifest("m/c/2011-01-02", "2026-11-26T20:00:00Z", {"a": A, "b": B}, leftover=("z",))


@quietly
@given(original=MANIFESTS)
def test_it_is_read_as_it_was_written(original: Manifest, tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    path.write_text(original.to_json(), encoding="utf-8")
    assert manifest.read_manifest(path) == original
    assert manifest.read_manifest(path).to_json() == original.to_json()


@given(new=MANIFESTS, old=MANIFESTS)
def test_nothing_that_was_delivered_is_forgotten(new: Manifest, old: Manifest) -> None:
    after = replace(new, delivered="").continue_from(old)
    assert set(old.files) <= set(after.files) | set(after.leftover)
    assert (after.files == old.files) or not after.delivered


def test_what_is_unchanged_keeps_its_time() -> None:
    same = Manifest(OLD.unit, "", {"a": A, "b": B}, missing=("x",)).continue_from(OLD)
    assert (same.delivered, same.missing, same.leftover) == (OLD.delivered, ("x",), ("z",))
    changed = Manifest(OLD.unit, "", {"a": B}).continue_from(OLD)
    assert (changed.delivered, changed.leftover) == ("", ("b", "z"))


def test_what_was_moved_away_is_not_gone() -> None:
    rest = Manifest(OLD.unit, "", {"b": B})
    assert rest.continue_from(replace(OLD, moved=True)) == replace(OLD, moved=True)
    assert replace(rest, files={}).continue_from(replace(OLD, moved=True)).files == OLD.files
    new = Manifest(OLD.unit, "", {"b": A})
    assert new.continue_from(replace(OLD, moved=True)).files == {"b": A}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layout": 99}, "another version of kpfnb"),
        ({"files": {"a": {"size": 1}}}, "is not a manifest"),
        ({"files": None}, "is not a manifest"),
    ],
)
def test_what_can_not_be_read_is_refused(
    change: dict[str, object], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "one.json"
    path.write_text(json.dumps(json.loads(OLD.to_json()) | change))
    with pytest.raises(InvalidInputError, match=message):
        manifest.read_manifest(path)
