"""The Dask cluster of the settings: local, SLURM, Kubernetes or the address of a scheduler."""

from __future__ import annotations

import logging
import os
import shlex
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from pathlib import Path
from statistics import fmean
from typing import Any

from kpfnb.compute import batches, kubernetes, programs, resources
from kpfnb.compute.resources import LoadLimiter
from kpfnb.core import signals
from kpfnb.core.errors import ServiceUnavailableError
from kpfnb.core.settings import Settings, load_settings

CONNECT_SECONDS = 20.0
STARTUP_SECONDS = {"local": 3.0, "slurm": 60.0, "kubernetes": 60.0}
"""Approximate start-up time of a cluster; connecting to a running scheduler takes a second."""

_log = logging.getLogger(__name__)

SLURM_MEMORY = "8 GiB"
"""The memory of one worker unless Dask's configuration sets it."""

_JOB_KEYS = ("_job_ca_file", "_job_cert", "_job_key")
"""Where a cluster of jobs keeps the files that give its jobs the keys."""

DASK_OPTIONS: dict[str, Any] = {
    # The death of a worker is handled in kpfnb, item by item, before Dask repeats anything
    "distributed.scheduler.allowed-failures": 0,
    # A worker whose item holds Python's lock for minutes is not dead
    "distributed.scheduler.worker-ttl": None,
    # The web pages of scheduler and workers ask for no key: they show nothing, and are soon closed
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    # Forks of one process with the imports: a worker starts, or restarts, in 0.1 s
    "distributed.worker.multiprocessing-method": "forkserver",
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.limit": "1h",
    "distributed.admin.system-monitor.interval": "5s",
}


class WorkerCluster:
    """Dask workers, and the client that gives them work."""

    def __init__(self, client: Any, *, is_local: bool) -> None:
        self.client = client
        self.is_local = is_local
        """True if the workers run on this machine and belong to this process."""

    def workers(self) -> list[dict[str, Any]]:
        """What the scheduler knows of each current worker: nthreads, nanny, ..."""
        return list(self.client.scheduler_info(n_workers=-1)["workers"].values())

    def count_slots(self) -> int:
        """The number of items that the current workers can work on in parallel."""
        return sum(worker["nthreads"] for worker in self.workers())

    def query_nannies(
        self, question: Callable[..., Any], workers: list[str] | None = None, **options: Any
    ) -> dict[str, Any]:
        """What `question(dask_worker=nanny)` returns for each worker, by the worker's address.

        A nanny is the process that started a worker and can observe it even if it hangs. Nannies
        that do not answer are left out.
        """
        answers = self.client.run(
            question, workers=workers, nanny=True, on_error="return", **options
        )
        return {
            address: answer
            for address, answer in answers.items()
            if not isinstance(answer, Exception)
        }

    def require_nannies(self) -> None:
        """`ServiceUnavailableError` if a worker has no nanny that could stop it."""
        if not all(worker["nanny"] for worker in self.workers()):
            raise ServiceUnavailableError(
                "with a limit of time or memory, workers need a nanny that can stop them",
                "start the workers without --no-nanny",
            )

    def load_percent(self) -> float:
        """The mean load of the machines where the workers are, in percent of their cores."""
        loads = self.query_nannies(resources.load_percent).values()
        return fmean(loads) if loads else 0.0

    def load_limiter(self, max_load: float | None) -> LoadLimiter:
        """The limiter of the load of the workers' machines; None is no limit."""
        return LoadLimiter(max_load, None if self.is_local else self.load_percent)


_shared_cluster: ContextVar[WorkerCluster | None] = ContextVar("shared cluster", default=None)


@contextmanager
def shared_cluster(*, workers: int | None = None) -> Iterator[None]:
    """Start the cluster once for all `map_items` within the `with` block."""
    with _start_cluster(load_settings(), workers) as cluster:
        token = _shared_cluster.set(cluster)
        try:
            yield
        finally:
            _shared_cluster.reset(token)


@contextmanager
def open_cluster(*, workers: int | None = None) -> Iterator[WorkerCluster]:
    """The shared cluster of this context, or one that is started for this block."""
    if cluster := _shared_cluster.get():
        yield cluster
        return
    with _start_cluster(load_settings(), workers) as cluster:
        yield cluster


def startup_seconds() -> float:
    """The approximate time until workers are available."""
    return 0.1 if _shared_cluster.get() else STARTUP_SECONDS.get(load_settings().cluster, 1.0)


@contextmanager
def _start_cluster(settings: Settings, workers: int | None) -> Iterator[WorkerCluster]:
    import dask

    from kpfnb.compute.worker_plugin import ReaperPlugin

    # Dask logs the end of every worker; in kpfnb it is part of the outcome of its item
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    directories = {"temporary-directory": str(settings.work_dir / "dask")}
    with ExitStack() as stack:
        stack.enter_context(dask.config.set({**DASK_OPTIONS, **directories}))
        with signals.defer_interrupts():
            cluster = _create_cluster(settings, workers or settings.workers)
            if not isinstance(cluster, str):
                stack.callback(_close_cluster, cluster)
        is_local = settings.cluster == "local"
        plugin = ReaperPlugin(str(Path.cwd()) if is_local else None)
        yield WorkerCluster(_connect_client(stack, cluster, plugin), is_local=is_local)


def _connect_client(stack: ExitStack, cluster: Any, plugin: Any) -> Any:
    """A client of the cluster, or of the scheduler at an address, that has at least one worker."""
    from distributed import Client

    try:
        client = stack.enter_context(Client(cluster, set_as_default=False, timeout=CONNECT_SECONDS))
        client.register_plugin(plugin)
        client.wait_for_workers(1)
        return client
    except OSError as error:
        raise ServiceUnavailableError(
            f"no Dask scheduler answers at {cluster} ({batches.format_exception(error)})",
            "start it, or set KPFNB_CLUSTER=local to work on this machine",
        ) from None


def _close_cluster(cluster: Any) -> None:
    # A half-closed cluster can't be cleaned up
    with signals.defer_interrupts():
        cluster.close()
        for name in _JOB_KEYS:
            if file := getattr(cluster, name, None):
                # Deletes it
                file.close()


def _create_cluster(settings: Settings, workers: int) -> Any:
    """A Dask cluster object, or the address of a scheduler."""
    factories = {"local": _create_local, "slurm": _create_slurm, "kubernetes": _create_kubernetes}
    if factory := factories.get(settings.cluster):
        return factory(settings, workers)
    if settings.cluster.startswith("tcp://"):
        _log.warning(
            "whoever reaches the Dask scheduler at %s can run code there; start it with keys, and"
            " set KPFNB_CLUSTER=tls://... and Dask's distributed.comm.tls",
            settings.cluster,
        )
    return settings.cluster


def _create_local(settings: Settings, workers: int) -> Any:
    from distributed import LocalCluster
    from distributed.security import Security

    try:
        cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            host="127.0.0.1",
            # Any account of this machine can connect: only those with these keys get in
            protocol="tls://",
            security=Security.temporary(),
            dashboard_address=None,
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
            memory_limit=0,
            silence_logs=logging.CRITICAL,
            # The server that workers are forked from keeps the environment of its start
            env=dict(os.environ),
        )
    except RuntimeError as error:
        raise ServiceUnavailableError(
            f"workers can't be started: {error}",
            'in a script, calls of kpfnb must be below `if __name__ == "__main__":`',
        ) from None
    _stop_http_server(cluster)
    return cluster


def _stop_http_server(cluster: Any) -> None:
    """Close the web pages of a scheduler in this process: they ask for no key."""
    cluster.scheduler.http_server.stop()


def _create_slurm(settings: Settings, workers: int) -> Any:
    import dask
    from dask_jobqueue import SLURMCluster
    from dask_jobqueue.slurm import SLURMJob
    from distributed.security import Security
    from distributed.utils import get_ip

    class _SlurmJob(SLURMJob):
        """A job whose commands are found beside Python as well; Dask looks on PATH alone."""

        submit_command = _slurm_command("sbatch")
        cancel_command = _slurm_command("scancel")

    # Dask's own jobqueue.yaml sets queue, account, wall time and memory of a job
    memory = dask.config.get("jobqueue.slurm.memory", None) or SLURM_MEMORY
    interface = dask.config.get("jobqueue.slurm.interface", None)
    place = {"interface": interface} if interface else {"host": get_ip()}
    keys = settings.work_dir / "dask/keys"
    keys.mkdir(parents=True, exist_ok=True, mode=0o700)
    cluster = SLURMCluster(
        job_cls=_SlurmJob,
        cores=1,
        processes=1,
        memory=memory,
        log_directory=str(settings.work_dir / "dask/logs"),
        # Jobs get the keys by files of mode 0600 that end with the cluster
        security=Security.temporary(),
        shared_temp_directory=str(keys),
        worker_extra_args=["--dashboard-address", "127.0.0.1:0"],
        scheduler_options={"dashboard": False, "dashboard_address": "127.0.0.1:0", **place},
    )
    _stop_http_server(cluster)
    cluster.scale(workers)
    return cluster


def _slurm_command(name: str) -> str:
    program = programs.find_executable(name)
    if not program:
        raise ServiceUnavailableError(
            f"the cluster is set to slurm, and there is no {name} command",
            "run kpfnb where jobs are submitted, or set KPFNB_CLUSTER=local",
        )
    return shlex.quote(str(program))


def _create_kubernetes(settings: Settings, workers: int) -> Any:
    return kubernetes.start_cluster(settings.cluster_image, workers)
