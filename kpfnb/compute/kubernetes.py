"""A Dask cluster on Kubernetes, created by its Dask operator."""

from __future__ import annotations

import uuid
from typing import Any

from kpfnb.core.errors import ServiceUnavailableError

WORKER_MEMORY = "8Gi"
"""The memory of one worker unless Dask's configuration sets it."""
SECURITY_CONTEXT = {
    "runAsNonRoot": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
}


def start_cluster(image: str, workers: int) -> Any:
    """Start a cluster; `ServiceUnavailableError` if Kubernetes can't be reached."""
    try:
        from dask_kubernetes.operator import KubeCluster
    except ImportError:
        raise ServiceUnavailableError(
            "the cluster is set to kubernetes, and dask-kubernetes is not installed",
            "pip install 'kpfnb[kubernetes]', or set KPFNB_CLUSTER to local, slurm or tcp://...",
        ) from None
    _check_reachable()
    spec = cluster_spec(f"kpfnb-{uuid.uuid4().hex[:8]}", image, workers)
    return KubeCluster(custom_cluster_spec=spec, quiet=True)


def _check_reachable() -> None:
    """Read the version first: a later failure would leave half a cluster behind."""
    import httpx
    import kr8s

    try:
        kr8s.api().version()
    except (ValueError, OSError, httpx.HTTPError, kr8s.ServerError, kr8s.APITimeoutError) as error:
        raise ServiceUnavailableError(
            f"Kubernetes can't be reached: {error}",
            "try kubectl version; KUBECONFIG names its configuration",
        ) from None


def cluster_spec(name: str, image: str, workers: int) -> dict[str, Any]:
    """A DaskCluster of workers with one thread each, from an image that contains kpfnb.

    `kubernetes.resources` and `kubernetes.env` of Dask's configuration are used.
    """
    import dask.config
    from dask_kubernetes.operator import make_cluster_spec

    resources = dask.config.get("kubernetes.resources", None) or {
        "requests": {"cpu": "1", "memory": WORKER_MEMORY},
        "limits": {"cpu": "1", "memory": WORKER_MEMORY},
    }
    spec: dict[str, Any] = make_cluster_spec(
        name,
        image=image,
        n_workers=workers,
        resources=resources,
        env=dask.config.get("kubernetes.env", None) or {},
        worker_command=["dask", "worker"],
    )
    for part in ("scheduler", "worker"):
        for container in spec["spec"][part]["spec"]["containers"]:
            # The image's own entry point is the kpfnb command
            container["command"], container["args"] = _program_and_arguments(container["args"])
            container["securityContext"] = SECURITY_CONTEXT
    # One item at a time and a nanny in each: limits of time and memory need both
    spec["spec"]["worker"]["spec"]["containers"][0]["args"] += [
        "--nworkers",
        "1",
        "--nthreads",
        "1",
    ]
    return spec


def _program_and_arguments(arguments: list[str]) -> tuple[list[str], list[str]]:
    """The program and its arguments; `dask-scheduler` is now `dask scheduler`."""
    if arguments[0] == "dask":
        return arguments[:2], arguments[2:]
    return arguments[0].split("-"), arguments[1:]
