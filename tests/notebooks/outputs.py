"""The outputs stored in the notebooks: where they come from, and how they are made again.

`make outputs` runs every notebook on the demo night with its own defaults and stores the outputs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat

PROJECT = Path(__file__).parents[2]
NOTEBOOKS = sorted((PROJECT / "notebooks").glob("*.ipynb"))
NEEDS_PYPEIT = ("reduce",)
NEEDS_DATABASE = ("timeseries",)
"""The demo night is in the time-series database before they run."""
LARGEST_PICTURE = 150_000
"""A larger one (characters of base64) is not stored; nbval does not compare pictures."""


def variables(work_dir: Path) -> dict[str, str]:
    """The environment of a notebook that is checked: a separate work directory, no settings."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("KPFNB_")}
    pack = os.environ.get("KPFNB_KAST_PACK")
    return {
        **kept,
        **({"KPFNB_KAST_PACK": pack} if pack else {}),
        "KPFNB_WORK_DIR": str(work_dir),
        "KPFNB_WORKERS": "2",
    }


def prepare(notebook: Path, work_dir: Path) -> None:
    """The demo's night and frames, as `kpfnb demo` makes them, not processed."""
    from kpfnb.demo import coadd_inputs, deimos_frames, night

    night.simulate_night(work_dir / "kpf")
    deimos_frames.simulate_deimos_frames(work_dir / "incoming")
    coadd_inputs.simulate_coadd_inputs(work_dir / "datasets")
    if notebook.stem in NEEDS_DATABASE:
        _kpfnb(work_dir, "ingest", night.DEMO_NIGHT)


def release(work_dir: Path) -> None:
    """Stop the services that a notebook has started there."""
    _kpfnb(work_dir, "services", "stop")


def _kpfnb(work_dir: Path, *arguments: str) -> None:
    command = [sys.executable, "-c", "from kpfnb.cli.app import main; main()", *arguments]
    subprocess.run(command, env=variables(work_dir), stdout=subprocess.DEVNULL, check=True)


def store(notebook: Path, work_dir: Path) -> None:
    """Run a notebook unchanged and keep its outputs, without what differs from run to run."""
    from nbclient import NotebookClient

    document = nbformat.read(notebook, as_version=4)
    os.environ.update(variables(work_dir))
    NotebookClient(
        document, timeout=1800, resources={"metadata": {"path": str(notebook.parent)}}
    ).execute()
    for cell in document.cells:
        cell.metadata.pop("execution", None)
        if "nbval-ignore-output" in cell.metadata.get("tags", []):
            cell.outputs = []
        for output in cell.get("outputs", []):
            if len(output.get("data", {}).get("image/png", "")) > LARGEST_PICTURE:
                del output["data"]["image/png"]
    document.metadata.pop("widgets", None)
    document.metadata["language_info"] = {"name": "python"}
    nbformat.write(document, notebook)


def main() -> None:
    wanted = sys.argv[1:]
    for notebook in NOTEBOOKS:
        if wanted and notebook.stem not in wanted:
            continue
        with tempfile.TemporaryDirectory() as folder:
            prepare(notebook, Path(folder))
            try:
                store(notebook, Path(folder))
            finally:
                release(Path(folder))
        print(notebook.name)


if __name__ == "__main__":
    main()
