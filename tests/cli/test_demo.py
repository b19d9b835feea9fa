import json
from pathlib import Path

import pytest
from astropy.io import fits
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


def test_the_read_mode_the_version_and_faults_reach_the_files(tmp_path: Path) -> None:
    command = [
        "demo",
        "night",
        *ONLY_BIAS,
        "--count=bias=0",
        "--mode",
        "fast",
        "--drp-version",
        "2.12",
    ]
    done = CliRunner().invoke(app, [*command, "--fault", "clock-off"])
    assert done.exit_code == 0, done.output
    [path] = tmp_path.glob("data/L0/*/*.fits")
    with fits.open(path) as hdus:
        assert "GREEN_AMP4" in hdus
        assert hdus[0].header["SIMDRP"] == "v2.12.0"
        assert hdus[0].header["SIMFAULT"] == "clock-off"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--drp-version", "3"], "not one of 2.8"),
        (["--fault", "clock-of"], "did you mean clock-off?"),
        (["--count", "star=470"], "add --headers-only"),
        (["--headers-only", "--mode", "fast"], "give --night and --count only"),
        (["--headers-only", "--count", "comet=1"], "unknown kind of exposure 'comet'"),
    ],
)
def test_impossible_options_are_refused_with_the_way_out(
    tmp_path: Path, options: list[str], said: str
) -> None:
    done = CliRunner().invoke(app, ["demo", "night", *options])
    assert done.exit_code != 0
    assert said in " ".join(str(done.exception or "").split()) + " ".join(done.output.split())
    assert not list(tmp_path.glob("data/L0/*"))
