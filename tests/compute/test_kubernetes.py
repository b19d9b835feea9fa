"""The specification of a Dask cluster on Kubernetes, without one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

import kpfnb
from kpfnb.compute import clusters, kubernetes
from kpfnb.compute.item_map import map_items
from kpfnb.core import settings
from kpfnb.core.errors import ServiceUnavailableError

operator = pytest.importorskip(
    "dask_kubernetes.operator", reason="the extra kpfnb[kubernetes] is not installed"
)


@pytest.fixture
def spec(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the operator would be asked to make for three workers."""
    given: dict[str, Any] = {}
    monkeypatch.setattr(operator, "KubeCluster", lambda **options: given.update(options))
    monkeypatch.setattr(kubernetes, "_check_reachable", lambda: None)
    monkeypatch.setenv("KPFNB_CLUSTER", "kubernetes")
    clusters._create_cluster(settings.load_settings(), 3)
    return given["custom_cluster_spec"]


def test_its_pods_are_valid(spec: dict[str, Any]) -> None:
    assert spec["kind"] == "DaskCluster"
    for part in ("scheduler", "worker"):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": part}}
        pod["spec"] = spec["spec"][part]["spec"]
        kubernetes_validate.validate(pod, "1.37", strict=True)


def test_workers_do_one_item_at_a_time_in_an_image_that_has_kpfnb(spec: dict[str, Any]) -> None:
    assert spec["spec"]["worker"]["replicas"] == 3
    (worker,) = spec["spec"]["worker"]["spec"]["containers"]
    assert worker["image"] == f"kpfnb:{kpfnb.__version__}"
    assert worker["command"] == ["dask", "worker"]
    assert worker["args"][-4:] == ["--nworkers", "1", "--nthreads", "1"]
    assert worker["resources"]["limits"]["memory"] == "8Gi"
    (scheduler,) = spec["spec"]["scheduler"]["spec"]["containers"]
    assert scheduler["command"] == ["dask", "scheduler"]
    assert scheduler["securityContext"]["runAsNonRoot"] is True


def test_resources_are_those_of_dasks_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    import dask.config

    limits = {"limits": {"memory": "2Gi"}}
    with dask.config.set({"kubernetes.resources": limits}):
        spec = kubernetes.cluster_spec("kpfnb-1", "image", 1)
    (worker,) = spec["spec"]["worker"]["spec"]["containers"]
    assert worker["resources"] == limits


CONFIGURATION = """
apiVersion: v1
kind: Config
current-context: here
contexts: [{name: here, context: {cluster: here, user: me}}]
clusters: [{name: here, cluster: {server: "http://127.0.0.1:9"}}]
users: [{name: me, user: {token: sesame}}]
"""


@pytest.mark.parametrize("configuration", [CONFIGURATION, ""])
def test_no_cluster_is_one_clear_error(
    configuration: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if configuration:
        (tmp_path / "config").write_text(configuration)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("KPFNB_CLUSTER", "kubernetes")
    with pytest.raises(ServiceUnavailableError, match="Kubernetes can't be reached"):
        map_items(abs, [1], isolate=True)
