from __future__ import annotations

import sys
from pathlib import Path

import pytest

from kpfnb.core import settings
from kpfnb.core.errors import InvalidSettingsError
from kpfnb.kpf.files import drp


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


def test_a_directory_of_the_pipeline_that_does_not_exist_is_named(tmp_path: Path) -> None:
    config = settings.load_settings(
        drp_command=[sys.executable, "{target}"], drp_directory=tmp_path / "none"
    )
    with pytest.raises(InvalidSettingsError, match=f"drp_directory: no directory {tmp_path}/none"):
        drp.build_command(config, "x", 1)
