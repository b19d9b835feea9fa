import json
from pathlib import Path

from typer.testing import CliRunner

from kpfnb.cli.app import app, main
from kpfnb.core.errors import InvalidParameterError

OTHERS = ("dark", "flat", "lfc", "etalon", "thar", "star", "sun")
ONLY_BIAS = [f"--count={kind}=0" for kind in OTHERS]


def test_the_night_is_simulated_in_the_data_root_and_shown_as_json(tmp_path: Path) -> None:
    command = ["demo", "night", *ONLY_BIAS, "--count", "bias=1", "--json"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0
    report = json.loads(done.stdout)
    assert report["observations"] == report["new"] == 1
    obsid = report["exposures"][0]["obsid"]
    assert (tmp_path / f"data/L0/20240115/{obsid}.fits").exists()
    assert "already exists" in json.loads(CliRunner().invoke(app, command).stdout)["reason"]


def test_a_wrong_count_is_one_clear_message() -> None:
    done = CliRunner().invoke(app, ["demo", "night", "--count", "stars"])
    assert isinstance(done.exception, InvalidParameterError)
    assert "KIND=NUMBER" in str(done.exception)


def test_help_has_an_example() -> None:
    assert "Example:" in CliRunner().invoke(app, ["demo", "night", "--help"]).stdout
    assert callable(main)
