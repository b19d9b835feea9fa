"""Fake versions of PypeIt's two commands, for tests of the code of kpfnb that runs them.

It writes what PypeIt writes: reduction files, logs and products that look like the real ones from
outside. The environment variable FAKE_PYPEIT says how it behaves.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits

REPOSITORY = Path(__file__).parents[2]
WARNING = "All traces removed!"
CALIBRATIONS = {"b1": "arc,tilt", "b11": "pixelflat,illumflat,trace", "b21": "bias"}


def install_commands(folder: Path) -> None:
    """Put both commands into a directory for PATH."""
    folder.mkdir(parents=True)
    for name, function in (("pypeit_setup", "set_up"), ("run_pypeit", "reduce")):
        script = folder / name
        script.write_text(
            f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(REPOSITORY)!r})\n"
            f"from tests.adap import fake_pypeit\nfake_pypeit.{function}(sys.argv[1:])\n"
        )
        script.chmod(0o755)


def write_raw(folder: Path, frames: dict[str, str]) -> Path:
    """Raw frames: file name to PypeIt's frame types."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, kinds in frames.items():
        header = fits.Header({"IMAGETYP": kinds, "OBJECT": f"star of {name[:3]}"})
        fits.PrimaryHDU(np.zeros((60, 60), "i2"), header).writeto(folder / name, overwrite=True)
    return folder


def write_spec2d(path: Path, file: str, detectors: int = 1, announced: int = 1) -> None:
    """A spec2d.

    announced : extensions for each detector by its header
    """
    names = [f"DET{number + 1:02d}" for number in range(detectors)]
    header = fits.Header({"FILENAME": file, "HIERARCH ALLSPEC2D_DETS": ",".join(names)})
    for number in range(detectors * announced):
        header[f"EXT{number + 1:04d}"] = "an extension"
    images = [fits.ImageHDU(np.zeros((50, 50), "f4"), name=f"{name}-SCIIMG") for name in names]
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.HDUList([fits.PrimaryHDU(header=header), *images]).writeto(path, overwrite=True)


def write_spec1d(path: Path, file: str, objects: int = 1, box_only: bool = False) -> None:
    """A spec1d; each object has a masked pixel and one without a wavelength."""
    hdus: list[fits.PrimaryHDU | fits.BinTableHDU] = [
        fits.PrimaryHDU(
            header=fits.Header({"FILENAME": file, "TARGET": "a $tar <b>", "NSPEC": objects})
        )
    ]
    for number in range(objects):
        prefixes = ["BOX"] if box_only else ["OPT", "BOX"]
        table = fits.BinTableHDU.from_columns([c for p in prefixes for c in _columns(p)])
        table.name = f"SPAT{number:04d}-SLIT0175-DET01"
        table.header["DMODCLS"], table.header["S2N"] = "SpecObj", 10.0 + number
        table.header["DET"] = "DET01"
        hdus.append(table)
    detector = fits.BinTableHDU.from_columns([fits.Column("det", "K", array=[1])])
    detector.name = "DET01-DETECTOR"
    detector.header["DMODCLS"] = "DetectorContainer"
    hdus.append(detector)
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.HDUList(hdus).writeto(path, overwrite=True)


def _columns(prefix: str) -> list[fits.Column]:
    mask = np.ones(100, bool)
    mask[50] = False
    arrays = {
        "WAVE": np.r_[0.0, np.linspace(4001, 5000, 99)],
        "COUNTS": np.full(100, 50.0),
        "COUNTS_SIG": np.full(100, 5.0),
    }
    columns = [fits.Column(f"{prefix}_{n}", "D", array=array) for n, array in arrays.items()]
    return [*columns, fits.Column(f"{prefix}_MASK", "L", array=mask)]


def set_up(arguments: Sequence[str]) -> None:
    """pypeit_setup: one setup, A."""
    option = dict(zip(arguments[::2], arguments[1::2], strict=True))
    name = f"{option['-s']}_A"
    rows = []
    for path in sorted(Path(option["-r"]).glob("*.fits")):
        header = fits.getheader(path)
        rows.append(f"{path.name} | {header['IMAGETYP']} | {header['OBJECT']} | 30.0")
    file = Path(option["-d"]) / name / f"{name}.pypeit"
    file.parent.mkdir(parents=True)
    config = Path(option["-p"]).read_text() if "-p" in option else ""
    file.write_text(
        f"[rdx]\n    spectrograph = {option['-s']}\n{config}\nsetup read\nSetup A:\nsetup end\n\n"
        f"data read\n path {option['-r']}\nfilename | frametype | target | exptime\n"
        + "\n".join(rows)
        + "\ndata end\n"
    )
    Path(option["--log_file"]).write_text(_line("INFO", "PypeIt file successfully vetted."))


def reduce(arguments: Sequence[str]) -> None:
    """run_pypeit, as FAKE_PYPEIT says."""
    from kpfnb.adap.pypeit import input_files

    behaviour = os.environ.get("FAKE_PYPEIT", "good")
    file, log = Path(arguments[0]), Path(arguments[arguments.index("--log_file") + 1])
    detectors = 2 if behaviour == "one detector lost" else 1
    text = _line("INFO", f"Detectors to work on: {list(range(1, detectors + 1))}")
    log.write_text(text)
    if behaviour == "silent":
        time.sleep(600)
    if behaviour == "chatty":
        while True:
            with log.open("a") as stream:
                stream.write(_line("INFO", "still fitting"))
            time.sleep(0.05)
    targets = () if behaviour == "exit 0 at once" else input_files.read_pypeit_file(file).targets
    for number, frame in enumerate(targets):
        stem = f"{Path(frame.file).stem}-star_KASTb_20150520T0{number}.fits"
        if number == 0 or behaviour not in ("crash", "exit 0 early"):
            write_spec2d(Path("Science") / f"spec2d_{stem}", frame.file)
            write_spec1d(Path("Science") / f"spec1d_{stem}", frame.file)
    if behaviour != "no QA":
        (Path("QA") / "PNGs").mkdir(parents=True, exist_ok=True)
        (Path("QA") / "PNGs" / "Arc_1dfit.png").write_bytes(b"a picture")
    text += f" WARNING | 2026-01-31 12:00:00 | a.py:f:1 | {WARNING}\n"
    if behaviour == "crash":
        log.write_text(text + _line("ERROR", "PypeItError: the <arc> is noise"))
        sys.exit(1)
    if behaviour != "no time":
        log.write_text(text + _line("INFO", "Execution time: 1m 2.50s"))


def _line(level: str, text: str) -> str:
    return f"{level:>8} | 2026-01-31 12:00:00 | file.py:function:12 | {text}\n"
