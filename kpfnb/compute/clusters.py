"""A Dask cluster for many items: local, SLURM, Kubernetes or a scheduler's address, by settings."""

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
from kpfnb.core import settings, signals
from kpfnb.core.errors import ServiceUnavailableError
from kpfnb.core.settings import Settings

CONNECT_SECONDS = 20.0
STARTUP_SECONDS = {"local": 3.0, "slurm": 60.0, "kubernetes": 60.0}
"""What starting a cluster costs, roughly; joining a scheduler that runs costs a second."""

SLURM_MEMORY = "8 GiB"
"""Of one worker, where Dask's configuration names none."""

DASK_OPTIONS: dict[str, Any] = {
    # A worker's death is judged here, item by item, never by repeating it somewhere else first
    "distributed.scheduler.allowed-failures": 0,
    # An item that holds Python's lock for minutes is not a dead worker
    "distributed.scheduler.worker-ttl": None,
    # Forks of one pre-imported process: workers are there (and there again) in 0.1 s
    "distributed.worker.multiprocessing-method": "forkserver",
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.limit": "1h",
    "distributed.admin.system-monitor.interval": "5s",
}


class WorkerCluster:
    """Workers, and the client that gives them work."""

    def __init__(self, client: Any, *, is_local: bool) -> None:
        self.client = client
        self.is_local = is_local
        """True where the workers run on this machine and belong to this process."""

    def workers(self) -> list[dict[str, Any]]:
        """What the scheduler knows of each worker that is there now: nthreads, nanny, ..."""
        return list(self.client.scheduler_info(n_workers=-1)["workers"].values())

    def count_slots(self) -> int:
        """How many items can be worked on at once, by all workers that are there now."""
        return sum(one["nthreads"] for one in self.workers())

    def query_nannies(
        self, question: Callable[..., Any], workers: list[str] | None = None, **options: Any
    ) -> dict[str, Any]:
        """What `question(dask_worker=nanny)` returns for each worker, by the worker's address.

        A nanny is the process beside a worker that sees it even when it hangs. One that does not
        answer is left out.
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
        """The limiter of the load where the workers are; None is no limit."""
        return LoadLimiter(max_load, None if self.is_local else self.load_percent)


_shared: ContextVar[WorkerCluster | None] = ContextVar("shared crew", default=None)


@contextmanager
def shared_cluster(*, workers: int | None = None) -> Iterator[None]:
    """Start the cluster once for all `compute.run` within the `with` block."""
    with _start_cluster(settings.load_settings(), workers) as crew:
        token = _shared.set(crew)
        try:
            yield
        finally:
            _shared.reset(token)


@contextmanager
def open_cluster(*, workers: int | None = None) -> Iterator[WorkerCluster]:
    """The crew that is shared here, or one that is started for this block."""
    present = _shared.get()
    if present:
        yield present
        return
    with _start_cluster(settings.load_settings(), workers) as started:
        yield started


def startup_seconds() -> float:
    """What it costs to have workers here, in seconds, roughly."""
    return 0.1 if _shared.get() else STARTUP_SECONDS.get(settings.load_settings().cluster, 1.0)


@contextmanager
def _start_cluster(chosen: Settings, workers: int | None) -> Iterator[WorkerCluster]:
    import dask

    from kpfnb.compute.worker_plugin import ReaperPlugin

    # Dask tells of every worker that went; here that is in the outcome of its item
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    places = {"temporary-directory": str(chosen.work_dir / "dask")}
    with ExitStack() as stack:
        stack.enter_context(dask.config.set({**DASK_OPTIONS, **places}))
        with signals.defer_interrupts():
            cluster = _create_cluster(chosen, workers or chosen.workers)
            if not isinstance(cluster, str):
                stack.callback(_close_cluster, cluster)
        is_local = chosen.cluster == "local"
        setup = ReaperPlugin(str(Path.cwd()) if is_local else None)
        yield WorkerCluster(_connect_client(stack, cluster, setup), is_local=is_local)


def _connect_client(stack: ExitStack, cluster: Any, setup: Any) -> Any:
    """A client of the cluster, or of the scheduler at an address, with a worker at least."""
    from distributed import Client

    try:
        client = stack.enter_context(Client(cluster, set_as_default=False, timeout=CONNECT_SECONDS))
        client.register_plugin(setup)
        client.wait_for_workers(1)
        return client
    except OSError as error:
        raise ServiceUnavailableError(
            f"no Dask scheduler answers at {cluster} ({batches.format_exception(error)})",
            "start it, or set KPFNB_CLUSTER=local to work on this machine",
        ) from None


def _close_cluster(cluster: Any) -> None:
    # Half closed it can't be tidied up
    with signals.defer_interrupts():
        cluster.close()


def _create_cluster(chosen: Settings, workers: int) -> Any:
    """A Dask cluster object, or the address of a scheduler."""
    makers = {"local": _create_local, "slurm": _create_slurm, "kubernetes": _create_kubernetes}
    maker = makers.get(chosen.cluster)
    return maker(chosen, workers) if maker else chosen.cluster


def _create_local(chosen: Settings, workers: int) -> Any:
    from distributed import LocalCluster

    try:
        return LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
            memory_limit=0,
            silence_logs=logging.CRITICAL,
            # The server that workers are forked from keeps the environment of its first moment
            env=dict(os.environ),
        )
    except RuntimeError as error:
        raise ServiceUnavailableError(
            f"workers can't be started here: {error}",
            'in a script, what calls kpfnb must be below `if __name__ == "__main__":`',
        ) from None


def _create_slurm(chosen: Settings, workers: int) -> Any:
    import dask
    from dask_jobqueue import SLURMCluster
    from dask_jobqueue.slurm import SLURMJob

    class Job(SLURMJob):
        """One whose commands are found as all of kpfnb's are; Dask looks on PATH alone."""

        submit_command = _slurm_command("sbatch")
        cancel_command = _slurm_command("scancel")

    # Queue, account, wall time and memory of a job are those of Dask's own jobqueue.yaml
    memory = dask.config.get("jobqueue.slurm.memory", None) or SLURM_MEMORY
    cluster = SLURMCluster(
        job_cls=Job,
        cores=1,
        processes=1,
        memory=memory,
        log_directory=str(chosen.work_dir / "dask/logs"),
        scheduler_options={"dashboard": False, "dashboard_address": ":0"},
    )
    cluster.scale(workers)
    return cluster


def _slurm_command(name: str) -> str:
    found = programs.find_executable(name)
    if not found:
        raise ServiceUnavailableError(
            f"the cluster is set to slurm, and there is no {name} command here",
            "run kpfnb where jobs are submitted, or set KPFNB_CLUSTER=local",
        )
    return shlex.quote(str(found))


def _create_kubernetes(chosen: Settings, workers: int) -> Any:
    return kubernetes.start_cluster(chosen.cluster_image, workers)
