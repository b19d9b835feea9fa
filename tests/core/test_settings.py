"""Settings: which source wins, what relative paths mean, what is refused and how it is reported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from kpfnb.cli.doctor import diagnosis
from kpfnb.core import command_lines, project, settings
from kpfnb.core.errors import InvalidSettingsError


@pytest.fixture
def toml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings file of the directory we are in; no variable is set."""
    for name in ("KPFNB_WORK_DIR", "KPFNB_DATA_ROOT"):
        monkeypatch.delenv(name)
    return tmp_path / project.SETTINGS_FILE_NAME


def origin(name: str, **arguments: Any) -> tuple[str, str]:
    source = next(
        setting for setting in diagnosis.describe_settings(**arguments) if setting.name == name
    )
    return source.value, source.origin


def test_argument_wins_over_environment_over_file_over_default(
    toml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert origin("cluster") == ("local", "default")
    toml.write_text('cluster = "slurm"\n')
    assert origin("cluster") == ("slurm", str(toml))
    monkeypatch.setenv("KPFNB_CLUSTER", "kubernetes")
    assert origin("cluster") == ("kubernetes", "KPFNB_CLUSTER")
    assert origin("cluster", cluster="tcp://h:1") == ("tcp://h:1", "argument")
    assert settings.load_settings(cluster="tcp://h:1").cluster == "tcp://h:1"


def test_an_empty_variable_counts_as_unset(toml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml.write_text('cluster = "slurm"\n')
    monkeypatch.setenv("KPFNB_CLUSTER", "")
    assert origin("cluster") == ("slurm", str(toml))


def test_a_variable_in_lower_case_is_reported_unchanged(
    toml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("kpfnb_cluster", "slurm")
    assert origin("cluster") == ("slurm", "kpfnb_cluster")


def test_every_setting_has_a_source_and_a_description() -> None:
    assert [setting.name for setting in diagnosis.describe_settings()] == list(
        settings.Settings.model_fields
    )
    assert all(field.description for field in settings.Settings.model_fields.values())


def test_defaults_are_below_work_here(toml: Path, tmp_path: Path) -> None:
    values = settings.load_settings()
    assert values.work_dir == tmp_path / "work"
    assert values.kpf_root == tmp_path / "work/kpf"
    assert values.runs_dir == tmp_path / "work/runs"
    assert values.locks_dir == tmp_path / "work/locks"
    assert values.junk_path == values.kpf_root / "reference/Junk_Observations_for_KPF.csv"


def test_paths_in_the_file_are_relative_to_it(
    toml: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toml.write_text('data_root = "kpf"\njunk_list = "/else/junk.csv"\n')
    below = tmp_path / "notebooks/deep"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    values = settings.load_settings()
    assert values.data_root == values.kpf_root == tmp_path / "kpf"
    assert values.junk_path == Path("/else/junk.csv")
    assert values.work_dir == tmp_path / "work"
    assert origin("data_root") == (str(tmp_path / "kpf"), str(toml))


def test_other_paths_are_relative_to_this_directory(
    toml: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KPFNB_DATA_ROOT", "kpf")
    assert settings.load_settings().data_root == tmp_path / "kpf"
    assert settings.load_settings(work_dir="w").work_dir == tmp_path / "w"


@pytest.mark.parametrize("place", ["file", "variable"])
def test_a_path_from_home(toml: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.setenv("HOME", "/home/kea")
    if place == "file":
        toml.write_text('data_root = "~/kpf"\n')
    else:
        monkeypatch.setenv("KPFNB_DATA_ROOT", "~/kpf")
    assert settings.load_settings().data_root == Path("/home/kea/kpf")


@pytest.mark.parametrize("place", ["file", "argument"])
def test_an_unknown_key_is_named_with_the_nearest(toml: Path, place: str) -> None:
    if place == "file":
        toml.write_text('data_rot = "/data"\n')
    with pytest.raises(InvalidSettingsError, match="unknown setting 'data_rot'") as caught:
        settings.load_settings(**({} if place == "file" else {"data_rot": "/data"}))
    assert (str(toml) if place == "file" else "argument") in caught.value.what
    assert caught.value.hint == "did you mean data_root?"


def test_an_unknown_key_that_is_near_nothing(toml: Path) -> None:
    toml.write_text("zzz = 1\n")
    with pytest.raises(InvalidSettingsError) as caught:
        settings.load_settings()
    assert "known: work_dir, data_root" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("TIME_ZONE", "Hawaii/Hilo", "not a known time zone"),
        ("TIME_ZONE", "../etc/passwd", "not a known time zone"),
        ("TIME_ZONE", "Pacific", "not a known time zone"),
        ("CLUSTER", "slum", "must be local, slurm, kubernetes or tls"),
        ("WORKERS", "many", "valid integer"),
        ("WORKERS", "0", "greater than or equal to 1"),
        ("REMOTES", "archive=koa:", "must be valid JSON"),
        ("REMOTES", '["koa:"]', "valid dictionary"),
        ("DRP_COMMAND", "kpf 'unclosed", "No closing quotation"),
    ],
)
def test_an_invalid_value_is_reported_with_its_origin(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(f"KPFNB_{name}", value)
    with pytest.raises(InvalidSettingsError) as caught:
        settings.load_settings()
    assert f"setting {name.lower()} (from KPFNB_{name}): " in caught.value.what
    assert message in caught.value.what
    assert caught.value.hint.startswith(f"{name.lower()} is: ")


def test_a_wrong_secret_is_not_shown(toml: Path) -> None:
    toml.write_text('redis_url = ["redis://:hush@host"]\n')
    with pytest.raises(InvalidSettingsError, match="redis_url") as caught:
        settings.load_settings()
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("content", [b'data_root = "a', b"= 1", b"\xff\xfe", b"a = 1\na = 2"])
def test_a_broken_file_is_named(toml: Path, content: bytes) -> None:
    toml.write_bytes(content)
    with pytest.raises(InvalidSettingsError, match=str(toml)) as caught:
        settings.load_settings()
    assert "correct the file" in caught.value.hint


def test_the_nearest_file_above_counts(
    toml: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toml.touch()
    (tmp_path / "a/b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a/b")
    assert project.find_settings_file() == toml
    nearer = tmp_path / "a" / project.SETTINGS_FILE_NAME
    nearer.touch()
    assert project.find_settings_file() == nearer
    assert project.find_settings_file(tmp_path) == toml


@pytest.mark.parametrize("place", ["file, list", "file, text", "variable", "argument"])
def test_a_command_is_a_list_or_a_text(
    toml: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    arguments = {}
    if place == "file, list":
        toml.write_text('drp_command = ["kpf", "a b", "{target}"]\n')
    elif place == "file, text":
        toml.write_text("drp_command = \"kpf 'a b' {target}\"\n")
    elif place == "variable":
        monkeypatch.setenv("KPFNB_DRP_COMMAND", "kpf 'a b' {target}")
    else:
        arguments = {"drp_command": "kpf 'a b' {target}"}
    assert settings.load_settings(**arguments).drp_command == ["kpf", "a b", "{target}"]


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("[]", []),
        ('["kpf", "{night}"]', [["kpf", "{night}"]]),
        ('[["kpf", "{night}"], ["rm", "x y"]]', [["kpf", "{night}"], ["rm", "x y"]]),
        ("\"kpf {night} && rm 'x y'\"", [["kpf", "{night}"], ["rm", "x y"]]),
        ('["kpf", "{night}", "&&", "rm", "x"]', [["kpf", "{night}"], ["rm", "x"]]),
    ],
)
def test_masters_are_made_by_one_command_or_by_steps(
    toml: Path, text: str, steps: list[list[str]]
) -> None:
    toml.write_text(f"masters_command = {text}\n")
    assert settings.load_settings().masters_command == steps
    shown = command_lines.format_command(command_lines.join_steps(steps))
    if steps:
        assert settings.load_settings(masters_command=shown).masters_command == steps


@pytest.mark.parametrize("text", ['"kpf && && rm"', '[["kpf"], []]', '[["kpf"], "rm"]', "3"])
def test_a_step_without_a_program_is_refused(toml: Path, text: str) -> None:
    toml.write_text(f"masters_command = {text}\n")
    with pytest.raises(InvalidSettingsError, match="masters_command"):
        settings.load_settings()


def test_secrets_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KPFNB_REDIS_URL", "redis://:secret@host")
    monkeypatch.setenv("KPFNB_TSDB_URL", "postgresql://user:secret@host/kpf")
    values = settings.load_settings()
    assert values.redis_url is not None
    assert values.redis_url.get_secret_value() == "redis://:secret@host"
    for shown in (
        repr(values),
        str(values),
        values.model_dump_json(),
        repr(diagnosis.describe_settings()),
    ):
        assert "secret@" not in shown
    assert origin("redis_url") == ("********", "KPFNB_REDIS_URL")


def test_remotes(toml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml.write_text('[remotes]\narchive = "koa:deliveries"\n')
    assert settings.load_settings().remotes == {"archive": "koa:deliveries"}
    monkeypatch.setenv("KPFNB_REMOTES", '{"archive": "s3:bucket"}')
    assert settings.load_settings().remotes == {"archive": "s3:bucket"}


def test_the_zone_that_people_see(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.load_settings().zone == ZoneInfo("Pacific/Honolulu")
    monkeypatch.setenv("KPFNB_TIME_ZONE", "UTC")
    assert settings.load_settings().zone == ZoneInfo("UTC")


def test_exported_settings_are_those_of_a_process_started_elsewhere(
    toml: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))
    settings.export_to_environment(data_root=Path("kpf"), work_dir=None)
    assert "KPFNB_WORK_DIR" not in os.environ
    assert os.environ["KPFNB_DATA_ROOT"] == str(tmp_path / "kpf")


def test_settings_do_not_change_under_way() -> None:
    with pytest.raises(ValueError, match="frozen"):
        settings.load_settings().workers = 5


def test_every_path_in_the_file_is_relative_to_it(
    toml: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [name for name, field in settings.Settings.model_fields.items() if "Path" in str(field)]
    lists = ["page_dirs"]
    values_in_file = {
        name: [f"there/{name}"] if name in lists else f"there/{name}" for name in names
    }
    toml.write_text("".join(f"{name} = {json.dumps(v)}\n" for name, v in values_in_file.items()))
    below = tmp_path / "notebooks"
    below.mkdir()
    monkeypatch.chdir(below)
    values = settings.load_settings()
    assert {name: getattr(values, name) for name in names} == {
        name: [tmp_path / "there" / name] if name in lists else tmp_path / "there" / name
        for name in names
    }


def test_where_the_system_does_not_report_cpu_affinity() -> None:
    # As on macOS
    script = "import os; del os.sched_getaffinity; from kpfnb.core import settings; "
    script += "print(settings.load_settings().workers == os.cpu_count())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "True\n", done.stderr
