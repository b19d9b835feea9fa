import json
import time

import pytest
from typer.testing import CliRunner

from kpfnb.cli.app import app
from kpfnb.core.errors import InvalidParameterError
from kpfnb.demo import tree
from kpfnb.kpf.files.obsid import KPF, ObsID

NIGHTS = ["20240101", "20240102"]


@pytest.fixture
def root(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def incomplete(root):
    """An observation without its L2, among complete ones."""
    names = tree.write_tree(root, NIGHTS, 8, cards=dict.fromkeys(KPF.levels, 60))
    ObsID(names[0]).path(root, "L2").unlink()
    return ObsID(names[0])


def kpfnb(*arguments):
    return CliRunner().invoke(app, arguments)


def is_touched(path):
    return time.time() - path.stat().st_mtime < 3600


def test_progress_prints_the_table(incomplete):
    result = kpfnb("progress", *NIGHTS[::-1])
    assert result.exit_code == 0
    assert [line[:8] for line in result.output.splitlines()[:4]] == [
        "DATECODE",
        "-" * 8,
        *NIGHTS[::-1],
    ]
    assert "4/5     80%" in result.output


@pytest.mark.parametrize("option", ["--print-files-l2", "--print_files_L2"])
def test_progress_lists_the_files_of_a_level(root, incomplete, option):
    result = kpfnb("progress", *NIGHTS, option)
    assert f"L2 files:\nMissing L2: {incomplete.path(root, 'L2')}\n" in result.output
    assert "2D files" not in result.output


def test_progress_prints_none_for_an_empty_list(incomplete):
    assert "2D files:\nnone\n" in kpfnb("progress", *NIGHTS, "--print_files_2D").output


def test_progress_lists_and_touches_the_l0(root, incomplete):
    raw = incomplete.path(root, "L0")
    result = kpfnb("progress", *NIGHTS, "--print_files", "--touch_files", "--dry-run")
    assert f"L0 files of incomplete observations:\n{raw}\n" in result.output
    assert f"would be touched: {raw}\n" in result.output
    assert not is_touched(raw)
    result = kpfnb("progress", *NIGHTS, "--touch_files")
    assert result.exit_code == 0
    assert f"\ntouched: {raw}\n" in result.output
    assert is_touched(raw)


@pytest.mark.parametrize("option", ["--current-version", "--current_version"])
def test_a_current_version_is_checked_by_itself(incomplete, option):
    result = kpfnb("progress", NIGHTS[1], option, "2.10", "--json")
    assert len(json.loads(result.output)["missing"]) == 20


def test_check_version_and_fresh_are_understood(incomplete):
    result = kpfnb("progress", *NIGHTS, "--check_version", "--fresh")
    assert f"required version: {tree.DEFAULT_VERSION}" in result.output


def test_progress_as_json_includes_the_touch(root, incomplete):
    result = kpfnb("progress", *NIGHTS, "--json", "--touch-files")
    record = json.loads(result.output)
    assert record["missing_obsids"] == [str(incomplete)]
    assert record["touch"]["items"][0]["state"] == "touched"


def test_touch_takes_the_old_flags(root, incomplete, tmp_path):
    names = tmp_path / "names.csv"
    names.write_text(f'observation_id\n"{incomplete}"\n')
    result = kpfnb("touch", "-f", str(names), "-p", str(root / "L0"), "-s", "0", "-e")
    assert result.output == f"would be touched: {incomplete.path(root, 'L0')}\n1 would be touched\n"
    assert kpfnb("touch", "-d", str(root / "L0" / NIGHTS[0]), "-s", "0").exit_code == 0
    assert is_touched(incomplete.path(root, "L0"))


def test_the_exit_code_of_touch(incomplete):
    assert kpfnb("touch", str(incomplete), "KP.20240101.86399.99").exit_code == 3
    assert kpfnb("touch", "KP.20240101.86399.99", "--json").exit_code == 1


def test_an_unknown_flag_is_not_taken_for_a_name(incomplete):
    result = kpfnb("touch", str(incomplete), "-x")
    assert result.exit_code == 2
    assert "-x" in result.output


def test_touch_of_nothing_is_refused():
    with pytest.raises(InvalidParameterError, match="no files to touch"):
        CliRunner().invoke(app, ["touch"], catch_exceptions=False)


@pytest.mark.parametrize("command", ["progress", "touch"])
def test_help_has_an_example(command):
    assert f"Example: kpfnb {command} " in kpfnb(command, "--help").output
