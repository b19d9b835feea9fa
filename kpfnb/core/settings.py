"""The settings: where data, services, the cluster and the files of the project are.

An argument wins over the environment (`KPFNB_*`), the environment over `kpfnb.toml` (in the current
directory or above it), the file over the defaults below `./work`.
"""

from __future__ import annotations

import json
import os
import shlex
import tomllib
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

import kpfnb
from kpfnb.core.command_lines import Command, CommandSteps
from kpfnb.core.errors import InvalidSettingsError
from kpfnb.core.project import find_settings_file, project_dir
from kpfnb.core.text import suggest_name

ENVIRONMENT_PREFIX = "KPFNB_"
_PATHS = (
    "work_dir", "data_root", "junk_list", "qlp_dir", "qlp_thresholds", "verdict_criteria",
    "panels", "page_dirs", "drp_directory", "drp_log_dir", "sheet_credentials",
    "useful_warnings",
)  # fmt: skip

DEMO_MASTERS = shlex.split("kpfnb-demo-drp --ncpus {ncpus} --masters {target}")
DEMO_DRP = shlex.split(
    "kpfnb-demo-drp --ncpus {ncpus} --reprocess {target} -c {config} -r {recipe}"
)


class Settings(BaseSettings):
    """All settings. A relative path in `kpfnb.toml` is relative to that file's directory."""

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        validate_default=True,
    )

    work_dir: Path = Field(
        default_factory=lambda: _default_work_dir(),
        description="directory of runs, indexes, locks and embedded services",
    )
    data_root: Path | None = Field(None, description="KPF data: L0, 2D, L1, L2, masters, QLP")
    junk_list: Path | None = Field(None, description="CSV file, junk ObsIDs in its first column")
    qlp_dir: Path | None = Field(None, description="quicklook products; data_root's QLP if empty")
    qlp_thresholds: Path | None = Field(None, description="YAML file with the limits of checks")
    verdict_criteria: Path | None = Field(
        None, description="YAML file with the rules of a night's verdict; kpfnb's own if empty"
    )
    panels: Path | None = Field(
        None, description="a user's own time-series panels; <work_dir>/panels if empty"
    )
    page_dirs: list[Path] = Field(
        [], description="further directories whose pages and files JupyterLab shows"
    )
    time_zone: str = Field("Pacific/Honolulu", description="zone of the times that people see")
    drp_command: Command = Field(DEMO_DRP, description="the DRP on a list, file or directory")
    drp_watch_command: Command = Field(
        [], description="the DRP's own watcher of a directory; if empty: drp_command on lists"
    )
    masters_command: CommandSteps = Field(
        [DEMO_MASTERS],
        description="the DRP's masters of a night: one command, or a list of commands that run in"
        " order; {target} is its L0 directory, {night} its date, {root} the data root; if empty,"
        " the DRP makes them itself",
    )
    drp_config: str = Field("configs/kpf_drp.cfg", description="{config} in drp_command")
    drp_recipe: str = Field("recipes/kpf_drp.recipe", description="{recipe} in drp_command")
    drp_directory: Path | None = Field(
        None, description="where DRP commands run, paths in them are relative to it; here if empty"
    )
    drp_log_dir: Path | None = Field(
        None, description="the DRP's own logs, <night>/<ObsID>.log; not known if empty"
    )
    drp_environment: dict[str, str] = Field(
        {}, description="environment variables of DRP commands, such as KPFPIPE_DATA"
    )
    cluster: str = Field("local", description="local, slurm, kubernetes or tls://host:port")
    cluster_image: str = Field(f"kpfnb:{kpfnb.__version__}", description="image on kubernetes")
    workers: int = Field(
        default_factory=lambda: _usable_cores(), ge=1, description="number of items in parallel"
    )
    queue_lease_seconds: float = Field(
        30, gt=0, description="silence of a worker after which its item is given to another"
    )
    queue_heartbeat_seconds: float = Field(10, gt=0, description="interval of a worker's heartbeat")
    queue_attempts: int = Field(3, ge=1, description="failed attempts before an item is parked")
    queue_backoff_seconds: float = Field(
        30, ge=0, description="delay after a failure; then doubled"
    )
    watch_quiet_seconds: float = Field(
        3, ge=0, description="time without a change after which a file is complete"
    )
    watch_rescan_seconds: float = Field(3600, gt=0, description="pause between two full scans")
    watch_polling: bool = Field(False, description="for network file systems without events")
    watch_attempts: int = Field(3, ge=1, description="failed attempts before a file is given up")
    watch_retry_seconds: float = Field(600, ge=0, description="delay after a failure; then doubled")
    watch_overdue_seconds: float = Field(
        1800, gt=0, description="time that the DRP's own watcher has for the products of an L0"
    )
    redis_url: SecretStr | None = Field(None, description="queue server; embedded if empty")
    tsdb_url: SecretStr | None = Field(None, description="time-series database; SQLite if empty")
    tsdb_telemetry: list[Literal["average", "stddev", "min", "max"]] = Field(
        ["average"], description="values that are ingested of each TELEMETRY sensor"
    )
    sheet: str | None = Field(None, description="Google spreadsheet; a local workbook if empty")
    sheet_credentials: Path | None = Field(None, description="JSON key of a Google service account")
    remotes: dict[str, str] = Field({}, description="rclone remotes by the name used in kpfnb")
    pypeit_memory_gb: float = Field(
        4, gt=0, description="expected memory of a PypeIt run if no earlier run is known"
    )
    pypeit_memory_budget_gb: float = Field(
        0, ge=0, description="memory of all PypeIt runs together; 0: what the machine has"
    )
    notify_command: Command = Field(
        [],
        description="command at the end of runs without a person, such as cron's; {notebook},"
        " {outcome}, {reason}, {run} and {report} are replaced",
    )
    notify_after_minutes: float = Field(
        30, ge=0, description="duration from which notify_command tells of a good run, too"
    )
    useful_warnings: Path | None = Field(
        None, description="YAML list of the PypeIt warnings that people should see"
    )

    @field_validator(*_PATHS)
    @classmethod
    def _make_absolute(cls, value: Path | list[Path] | None) -> Path | list[Path] | None:
        if isinstance(value, list):
            return [path.expanduser().absolute() for path in value]
        return value.expanduser().absolute() if value else None

    @field_validator("time_zone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("not a known time zone; write it as Pacific/Honolulu or UTC") from None
        return value

    @field_validator("cluster")
    @classmethod
    def _cluster_known(cls, value: str) -> str:
        if value in ("local", "slurm", "kubernetes") or value.startswith(("tcp://", "tls://")):
            return value
        raise ValueError("must be local, slurm, kubernetes or tls://host:port")

    @property
    def kpf_root(self) -> Path:
        """The KPF data root; the demo data in the work directory if none is set."""
        return self.data_root or self.work_dir / "kpf"

    @property
    def junk_path(self) -> Path:
        """The file that lists junk observations."""
        return self.junk_list or self.kpf_root / "reference/Junk_Observations_for_KPF.csv"

    @property
    def qlp_path(self) -> Path:
        """The directory of quicklook products."""
        return self.qlp_dir or self.kpf_root / "QLP"

    @property
    def runs_dir(self) -> Path:
        """The directory of the records of runs."""
        return self.work_dir / "runs"

    @property
    def locks_dir(self) -> Path:
        """The directory of lock files."""
        return self.work_dir / "locks"

    @property
    def zone(self) -> ZoneInfo:
        """The zone of the times that people see; files and databases have UTC."""
        return ZoneInfo(self.time_zone)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The sources of values, the first wins: argument, environment, file."""
        return (init_settings, env_settings, _FileSource(settings_cls))


class _FileSource(PydanticBaseSettingsSource):
    """The values in `kpfnb.toml`, with absolute paths."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return self()[field_name], field_name, False

    def __call__(self) -> dict[str, Any]:
        file = find_settings_file()
        if not file:
            return {}
        return {
            name: _join_paths(file.parent, value) if name in _PATHS else value
            for name, value in _read_toml(file).items()
        }


def _join_paths(folder: Path, value: Any) -> Any:
    """Paths in the settings file, relative to its directory; another value unchanged."""
    if isinstance(value, list):
        return [_join_paths(folder, item) for item in value]
    return folder / Path(value).expanduser() if isinstance(value, str) else value


def load_settings(**arguments: Any) -> Settings:
    """The current settings. `InvalidSettingsError` names an invalid one and where it comes from."""
    try:
        return Settings(**arguments)
    except ValidationError as error:
        first = error.errors()[0]
        name, message = str(first["loc"][0]), first["msg"].removeprefix("Value error, ")
    except SettingsError as error:
        # pydantic-settings: an environment variable that is not valid JSON
        name, message = str(error).split('"')[1], "must be valid JSON"
    origin = find_origin(name, arguments)
    if name not in Settings.model_fields:
        hint = suggest_name(name, Settings.model_fields)
        raise InvalidSettingsError(f"unknown setting {name!r} (from {origin})", hint)
    raise InvalidSettingsError(
        f"setting {name} (from {origin}): {message}",
        f"{name} is: {Settings.model_fields[name].description}",
    )


def export_to_environment(**arguments: Any) -> None:
    """Put arguments into the environment, where kernels and workers of this process see them."""
    for name, value in arguments.items():
        if value is not None:
            # Their current directory may be another one
            text = str(value.expanduser().absolute() if isinstance(value, Path) else value)
            os.environ[ENVIRONMENT_PREFIX + name.upper()] = text


def export_relative_paths(current: Settings) -> None:
    """Make paths in the environment absolute, for processes that start in another directory."""
    for name in _PATHS:
        value = getattr(current, name)
        if value and find_origin(name, {}).upper() == ENVIRONMENT_PREFIX + name.upper():
            is_list = isinstance(value, list)
            export_to_environment(**{name: json.dumps(list(map(str, value))) if is_list else value})


def _default_work_dir() -> Path:
    # A notebook's kernel starts in notebooks/; the file marks the top directory of the project
    file = find_settings_file()
    return (file.parent if file else project_dir()) / "work"


def _usable_cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        return os.cpu_count() or 1


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidSettingsError(f"{file}: {error}", "correct the file or remove it") from None


def find_origin(name: str, arguments: dict[str, Any]) -> str:
    """Where a setting comes from: 'argument', a variable, a file or 'default'."""
    if name in arguments:
        return "argument"
    for variable in os.environ:
        if variable.upper() == ENVIRONMENT_PREFIX + name.upper() and os.environ[variable]:
            return variable
    file = find_settings_file()
    return str(file) if file and name in _read_toml(file) else "default"
