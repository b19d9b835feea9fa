"""The KPF pipeline as an oracle: a checkout and its interpreter, named by environment variables."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

CHECKOUT_VARIABLE = "KPFNB_KPF_PIPELINE"
PYTHON_VARIABLE = "KPFNB_KPF_PYTHON"
EXPECTED_PLACE = Path("/code/KPF-Pipeline")
"""The pipeline's code looks for itself here."""

SCRIPTS = Path(__file__).parent
MODULES = ("keckdrpframework", "barycorrpy", "lmfit", "git")
"""Some of what the pipeline imports, to find a wrong interpreter early."""


@dataclass(frozen=True)
class OraclePipeline:
    """A checkout of the KPF pipeline and the interpreter that runs it."""

    checkout: Path
    python: Path

    def run(self, script: str, *arguments: object, seconds: float = 3600) -> Any:
        """Run a script of this directory in the checkout, and return the JSON that it prints."""
        done = subprocess.run(
            [str(self.python), str(SCRIPTS / script), *map(str, arguments)],
            cwd=self.checkout,
            env={**os.environ, "MPLBACKEND": "Agg", "PYTHONWARNINGS": "ignore"},
            capture_output=True,
            text=True,
            timeout=seconds,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout)


def find_pipeline() -> OraclePipeline:
    """The pipeline that the environment names; the test is skipped without one."""
    names = (CHECKOUT_VARIABLE, PYTHON_VARIABLE)
    values = [os.environ.get(name, "") for name in names]
    if not all(values):
        pytest.skip(f"set {' and '.join(names)} (tests/oracles/README.md)")
    checkout, python = (Path(value) for value in values)
    if not (checkout / "kpfpipe/__init__.py").is_file():
        pytest.fail(f"{CHECKOUT_VARIABLE}: {checkout} is not a checkout of the KPF pipeline")
    if not EXPECTED_PLACE.is_dir() or not EXPECTED_PLACE.samefile(checkout):
        pytest.skip(f"{EXPECTED_PLACE} must be a link to {checkout} (tests/oracles/README.md)")
    code = f"import {', '.join(MODULES)}"
    done = subprocess.run([str(python), "-c", code], capture_output=True, text=True)
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1]
        pytest.fail(f"{PYTHON_VARIABLE}: {python} does not have what the pipeline needs: {reason}")
    return OraclePipeline(checkout, python)
