"""Both formats of PypeIt's log, each as the real program writes it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpfnb.adap.pypeit import useful_warnings
from kpfnb.core.errors import InvalidInputError

NEW = """\
    INFO | 2026-11-26 19:55:27 | inputfiles.py:from_file:136 | Loading the reduction file
 WARNING | 2026-11-26 19:55:28 | metadata.py:get_frame_types:1384 | Removing existing frametype.
 WARNING | 2026-11-26 19:55:29 | edgetrace.py:run:99 | No edges found!  Trace data will be empty.
    INFO | 2026-11-26 19:55:30 | skysub.py:run:5 | All pixels are masked in skyoptimal, so to say
 WARNING | 2026-11-26 19:55:31 | slittrace.py:mask_add_missing_obj:7 | Targeted object
              is off the detector
"""

OLD = """\
[INFO]    :: pypeit.py 120 reduce_all() - Reducing
[WARNING] :: wavetilts.py 2727 run() - Did not recover any lines for slit/order 175
\x1b[1;31m[WARNING] ::\x1b[0m extract.py 12 run() - Object profile is zero everywhere.
[WARNING] :: pypeit.py 1 main() - nothing of interest
"""


def write(tmp_path: Path, text: str) -> list[str]:
    log = tmp_path / "keck_deimos_A.log"
    log.write_text(text)
    path = useful_warnings.write_warnings(log)
    assert path == tmp_path / "keck_deimos_A_useful_warns.log"
    return path.read_text().splitlines()


def test_the_log_of_version_2(tmp_path: Path) -> None:
    lines = NEW.splitlines()
    assert write(tmp_path, NEW) == [f"{n} -- {lines[n - 1].strip()}" for n in (3, 5)]
    sections = [
        item.section for item in useful_warnings.find_warnings(tmp_path / "keck_deimos_A.log")
    ]
    assert sections == ["slits", "slit masks"]


def test_the_log_of_version_1(tmp_path: Path) -> None:
    assert write(tmp_path, OLD) == [
        "2 -- [WARNING] :: wavetilts.py 2727 run() - Did not recover any lines for slit/order 175",
        "3 -- [WARNING] :: extract.py 12 run() - Object profile is zero everywhere.",
    ]


def test_a_log_without_one_gives_an_empty_file(tmp_path: Path) -> None:
    assert write(tmp_path, "[INFO]    :: pypeit.py 120 reduce_all() - Reducing\n") == []


def test_done_again_it_is_the_same(tmp_path: Path) -> None:
    assert write(tmp_path, NEW) == write(tmp_path, NEW)


def test_no_log(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"A\.log: No such file"):
        useful_warnings.write_warnings(tmp_path / "A.log")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("star", "count"), [("Removing * frametype", 1), ("Removing frametype", 0)]
)
def test_a_custom_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, star: str, count: int
) -> None:
    (tmp_path / "mine.yml").write_text(f"mine: ['{star}']")
    monkeypatch.setenv("KPFNB_USEFUL_WARNINGS", str(tmp_path / "mine.yml"))
    assert len(write(tmp_path, NEW)) == count


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("just text", "line 1: a list of warnings is a mapping"),
        ("sky:\n- [1]", "line 2: sky.0: [1] is not the text of a warning"),
        ("sky: ['*']", "sky.0: '*' is not the text of a warning"),
        ("sky: text", "line 1: sky: a section is a list of texts"),
        ("sky: {", ", line 2: did not find"),
        ("sky: []\nsky: []", "line 2: 'sky' is repeated"),
    ],
)
def test_a_list_that_is_not_valid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    (tmp_path / "mine.yml").write_text(text)
    monkeypatch.setenv("KPFNB_USEFUL_WARNINGS", str(tmp_path / "mine.yml"))
    with pytest.raises(InvalidInputError, match=re.escape(message)) as caught:
        write(tmp_path, NEW)
    assert caught.value.what.startswith(str(tmp_path / "mine.yml"))


MESSAGES = st.sampled_from(
    ["All traces removed!", "no traces to clean", "Bad fit to sky.  Rejecting slit: 3"]
)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(["INFO", "WARNING"]), MESSAGES)))
def test_each_useful_line_is_found_once_in_any_format(
    tmp_path_factory: pytest.TempPathFactory, logged: list[tuple[bool, str, str]]
) -> None:
    lines = [
        f"{level:>8} | 2026-11-26 19:55:27 | a.py:f:1 | {text}"
        if new
        else f"[{level}] :: a.py 1 f() - {text}"
        for new, level, text in logged
    ]
    expected = [
        number
        for number, (_, level, text) in enumerate(logged, start=1)
        if level == "WARNING" and "clean" not in text
    ]
    messages = write(tmp_path_factory.mktemp("log"), "\n".join(lines))
    assert [int(line.split(" -- ")[0]) for line in messages] == expected
