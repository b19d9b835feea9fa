"""How fast notebooks run headless: `kpfnb` two at a time, against `papermill` one after another.

    python benchmarks/headless.py [--runs 20]

The notebook imports numpy, pandas, astropy, matplotlib and ipywidgets and draws a plot. Both sides
must produce the same outputs, including plots. The start of the kernel server is included.
"""

from __future__ import annotations

import argparse
import base64
import io
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

AT_A_TIME = 2
AT_LEAST = 8
PARAMETERS = 'n: "int[1, 100]" = 3  # points of the plot'
IMPORTS = (
    "import astropy.io.fits\nimport astropy.table\nimport ipywidgets\n"
    "import matplotlib.pyplot as plt\nimport numpy as np\nimport pandas as pd"
)
WORK = (
    "frame = pd.DataFrame({'x': np.arange(n), 'y': np.arange(n) ** 2})\n"
    "plt.plot(frame.x, frame.y)\nplt.xlabel('x')\nplt.show()\nframe"
)


def main() -> None:
    """Measure both, compare the outputs, and print the ratio."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--runs", type=int, default=20)
    count = options.parse_args().runs
    with tempfile.TemporaryDirectory(prefix="kpfnb-bench-") as name:
        folder = Path(name)
        notebook = make(folder / "plot.ipynb")
        # The faster one runs first: what it puts into the file cache helps the other
        start = time.perf_counter()
        ours = with_kpfnb(notebook, count, folder)
        kpfnb_seconds = time.perf_counter() - start
        start = time.perf_counter()
        theirs = with_papermill(notebook, count, folder)
        papermill_seconds = time.perf_counter() - start
        if [outputs(path) for path in ours] != [outputs(path) for path in theirs]:
            sys.exit("the outputs differ")
    ratio = papermill_seconds / kpfnb_seconds
    print(f"{count} runs: papermill {papermill_seconds:.1f} s, kpfnb {kpfnb_seconds:.1f} s")
    print(f"{ratio:.1f} times faster (at least {AT_LEAST} are asked for), outputs the same")
    sys.exit(ratio < AT_LEAST)


def make(path: Path) -> Path:
    """The notebook; it does without `kpfnb.begin()`, so that only the running is compared."""
    parameters = new_code_cell(PARAMETERS)
    parameters.metadata["tags"] = ["parameters"]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [parameters, new_code_cell(IMPORTS), new_code_cell(WORK)]
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    return path


def with_papermill(notebook: Path, count: int, folder: Path) -> list[Path]:
    """The command, one run after another; the executed notebooks."""
    paths = [folder / f"papermill-{number}.ipynb" for number in range(count)]
    for number, path in enumerate(paths):
        value = ["-p", "n", str(number + 2), "--no-progress-bar"]
        command = [sys.executable, "-m", "papermill", str(notebook), str(path), *value]
        subprocess.run(command, check=True, capture_output=True)
    return paths


def with_kpfnb(notebook: Path, count: int, folder: Path) -> list[Path]:
    """Run two at a time in a separate process, including its start."""
    command = [sys.executable, __file__, "--serve", str(notebook), str(count), str(folder / "work")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [Path(line) for line in done.stdout.split()]


def serve(notebook: str, count: str, work: str) -> None:
    """What `with_kpfnb` starts: prints the paths of the executed notebooks."""
    from kpfnb.core import settings
    from kpfnb.notebook import runner

    settings.export_to_environment(work_dir=work)
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        records = pool.map(lambda n: runner.run_notebook(notebook, {"n": n + 2}), range(int(count)))
        for record in records:
            print(record.directory / runner.EXECUTED_NAME)


def outputs(path: Path) -> list[object]:
    """What the cells of an executed notebook show; pictures as pixels."""
    cells = nbformat.read(path, as_version=4).cells
    contents: list[object] = []
    for output in (output for cell in cells for output in cell.get("outputs", [])):
        data = dict(output.get("data", {"text": output.get("text")}))
        picture = data.pop("image/png", None)
        contents.append((sorted(data.items()), pixels(picture) if picture else None))
    return contents


def pixels(picture: str) -> tuple[tuple[int, int], bytes]:
    """Size and RGBA bytes of a PNG in base64."""
    from PIL import Image

    image = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGBA")
    return image.size, image.tobytes()


if __name__ == "__main__":
    if "--serve" in sys.argv:
        serve(*sys.argv[2:])
    else:
        main()
