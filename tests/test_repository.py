"""The project's own files agree with each other."""

from __future__ import annotations

import re
import tomllib
from itertools import chain
from pathlib import Path

import pytest
import yaml

import kpfnb

PROJECT = Path(__file__).parents[1]
MAX_LINES = 300
PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text())


def test_environment_yml_leaves_all_to_pyproject() -> None:
    environment = yaml.safe_load((PROJECT / "environment.yml").read_text())
    *conda, pip = environment["dependencies"]
    assert conda == [f"python {PYPROJECT['project']['requires-python']}", "pip"]
    assert pip == {"pip": ["-e .[pypeit,test]"]}
    assert {"pypeit", "test"} <= set(PYPROJECT["project"]["optional-dependencies"])


def test_the_lock_holds_every_dependency_and_no_address() -> None:
    text = (PROJECT / "requirements.lock").read_text()
    locked = {re.split("[=<>! ;]", line)[0] for line in text.splitlines() if line.strip()}
    project = PYPROJECT["project"]
    wanted = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    names = {re.split(r"[\[=<>! ;]", entry)[0].lower() for entry in wanted}
    assert names <= locked
    assert "://" not in text


def test_the_version_is_written_once_more_in_the_changelog() -> None:
    assert kpfnb.__version__ == PYPROJECT["project"]["version"]
    assert f"## {kpfnb.__version__}" in (PROJECT / "CHANGELOG.md").read_text()


def test_kast_parameters_pin_the_tested_pypeit() -> None:
    assert PYPROJECT["project"]["optional-dependencies"]["pypeit"] == ["pypeit==2.0.1"]


@pytest.mark.parametrize("target", ["help", "demo", "demo-real", "test", "lint", "lab", "bench"])
def test_make_has_the_chore_and_says_what_it_does(target: str) -> None:
    makefile = (PROJECT / "Makefile").read_text()
    assert re.search(rf"^{target}:.*  ## \w", makefile, re.MULTILINE)


def test_ci_runs_the_command_of_the_readme() -> None:
    assert (PROJECT / ".ci/run").read_text().rstrip().endswith("make test")
    assert "\nmake test\n" in (PROJECT / "README.md").read_text()


def test_no_module_is_long() -> None:
    modules = PROJECT.glob("kpfnb/**/*.py")
    sizes = {str(path.relative_to(PROJECT)): len(path.read_text().splitlines()) for path in modules}
    assert {name: size for name, size in sizes.items() if size > MAX_LINES} == {}
