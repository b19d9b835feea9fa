"""What logs of the DRP say about an observation."""

from __future__ import annotations

from pathlib import Path

import pytest

from kpfnb.core import settings
from kpfnb.kpf.files import drp_log

A, B = "KP.20240101.00001.00", "KP.20240101.00002.00"

# As the pipeline's logger writes it (kpfpipe/logger.py), with a traceback of Python
OWN_LOG = f"""\
[{A}.log][INFO]:*************** Executing recipe recipes/kpf_drp.recipe ***************
[{A}.log][INFO]:Module: subrecipe_depth = 0
[{A}.log][ERROR]:Failed executing primitive spectral_extraction
Traceback (most recent call last):
  File "modules/spectral_extraction/src/alg.py", line 12, in run
KeyError: 'THRSBIN'
[{A}.log][INFO]:exiting pipeline...
"""


@pytest.mark.parametrize(
    ("text", "of_a"),
    [
        ("", ""),
        ("starting\n\nstopping\n", "starting\nstopping"),
        (f"doing {A}\ndoing {B}\nother\n", f"doing {A}"),
        (f"doing {A}\nTraceback\nOSError: x\nend\n", "Traceback\nOSError: x"),
        (f"ERROR {B}\nERROR {A}: 1\n{A} failed: 2\nERROR\n", f"ERROR {A}: 1\n{A} failed: 2"),
    ],
)
def test_excerpts(tmp_path: Path, text: str, of_a: str) -> None:
    log = tmp_path / "log"
    log.write_text(text)
    assert drp_log.log_excerpts(log, [A]) == {A: of_a}


def test_each_observation_has_its_own_lines_and_none_of_another(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(f"{A}: FAILED: no trace\n{B}: FAILED: no flux\nKeyError: 'x'\ndone\n")
    other = "KP.20240101.00003.00"
    assert drp_log.log_excerpts(log, [A, B, other]) == {
        A: f"{A}: FAILED: no trace",
        B: f"{B}: FAILED: no flux",
        other: "KeyError: 'x'",
    }


def test_a_line_without_end_and_odd_bytes_do_no_harm(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"\xff\xfe" * 1_000_000 + f" ERROR {A}".encode())
    assert len(drp_log.log_excerpts(log, [A])[A]) <= drp_log.EXCERPT_LINES * (
        drp_log.MAX_LINE_BYTES + 1
    )


def test_no_log_no_excerpt(tmp_path: Path) -> None:
    assert drp_log.log_excerpts(tmp_path / "none", [A]) == {A: ""}


def test_the_own_log_of_an_observation_is_read_with_its_error_first(tmp_path: Path) -> None:
    config = settings.load_settings(drp_log_dir=tmp_path)
    log = drp_log.observation_log(A, config)
    assert log == tmp_path / "20240101" / f"{A}.log"
    assert drp_log.modified(log) is None
    log.parent.mkdir()
    log.write_text(OWN_LOG)
    excerpt = drp_log.read_excerpt(log)
    assert excerpt.splitlines()[0] == "KeyError: 'THRSBIN'"
    assert len(excerpt.splitlines()) == drp_log.EXCERPT_LINES
    assert drp_log.error_line(excerpt) == "KeyError: 'THRSBIN'"
    assert drp_log.modified(log) is not None


def test_without_the_setting_no_own_log_is_known() -> None:
    assert drp_log.observation_log(A, settings.load_settings()) is None


@pytest.mark.parametrize(
    ("excerpt", "error"),
    [
        ("", ""),
        ("all is well", ""),
        (f"[{A}.log][ERROR]:no order mask", "no order mask"),
        (f"2026-12-01T02:05:34Z [drp] [3/34] {A}: 2D; FAILED: x", "2D; FAILED: x"),
        ("numpy.linalg.LinAlgError: x\nfailed", "numpy.linalg.LinAlgError: x"),
        (f"error {'x' * 500}", f"error {'x' * 153}…"),
    ],
)
def test_the_error_of_an_excerpt_is_one_line(excerpt: str, error: str) -> None:
    assert drp_log.error_line(excerpt) == error
    assert sorted(drp_log.error_first(excerpt)) == sorted(excerpt)
