from __future__ import annotations

import sys
from pathlib import Path

import pytest

from kpfnb.core import settings
from kpfnb.core.errors import InvalidSettingsError
from kpfnb.kpf.files import drp

A, B = "KP.20240101.00001.00", "KP.20240101.00002.00"


def test_the_template_is_filled_in_argument_by_argument() -> None:
    template = [sys.executable, "--n={ncpus}", "{target}", "-c", "{config}", "{recipe}", "{x: {}}"]
    config = settings.load_settings(
        drp_command=template, drp_config="my.cfg", drp_recipe="a b.recipe"
    )
    assert drp.build_command(config, Path("/l/{config} $(x).txt"), 7) == [
        sys.executable,
        "--n=7",
        "/l/{config} $(x).txt",
        "-c",
        "my.cfg",
        "a b.recipe",
        "{x: {}}",
    ]


@pytest.mark.parametrize("template", [["no-such-drp", "{target}"], [sys.executable], []])
def test_a_command_that_cannot_work_names_the_setting(template: list[str]) -> None:
    with pytest.raises(InvalidSettingsError, match="setting drp_command"):
        drp.build_command(settings.load_settings(drp_command=template), "x", 1)


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
    assert drp.log_excerpts(log, [A]) == {A: of_a}


def test_a_line_without_end_and_odd_bytes_do_no_harm(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"\xff\xfe" * 1_000_000 + f" ERROR {A}".encode())
    assert len(drp.log_excerpts(log, [A])[A]) <= drp.EXCERPT_LINES * (drp.MAX_LINE_BYTES + 1)


def test_no_log_no_excerpt(tmp_path: Path) -> None:
    assert drp.log_excerpts(tmp_path / "none", [A]) == {A: ""}


def test_a_directory_of_the_pipeline_that_does_not_exist_is_named(tmp_path: Path) -> None:
    config = settings.load_settings(
        drp_command=[sys.executable, "{target}"], drp_directory=tmp_path / "none"
    )
    with pytest.raises(InvalidSettingsError, match=f"drp_directory: no directory {tmp_path}/none"):
        drp.build_command(config, "x", 1)
