"""Fake PypeIt commands that calibrate and coadd, for tests of the code of kpfnb that runs them.

They read the input files as PypeIt does, and write files that look like its files from outside. The
words in the environment variable FAKE_COADD select how they behave.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits

from kpfnb.adap.coadd import stacks
from kpfnb.adap.pypeit.command import CommandResult
from kpfnb.adap.pypeit.log import failure_reason

REPOSITORY = Path(__file__).parents[2]
COMMANDS = {
    "pypeit_sensfunc": "sensfunc",
    "pypeit_flux_calib": "flux_calib",
    "pypeit_collate_1d": "collate_1d",
    "pypeit_setup_coadd2d": "setup_coadd2d",
    "pypeit_coadd_2dspec": "coadd_2dspec",
}


def install_commands(folder: Path) -> None:
    """Put the commands into a folder, which is to be on PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, function in COMMANDS.items():
        script = folder / name
        script.write_text(
            f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(REPOSITORY)!r})\n"
            f"from tests.adap import fake_coadd\nfake_coadd.{function}(sys.argv[1:])\n"
        )
        script.chmod(0o755)


def run(
    name: str, arguments: Sequence[str], *, folder: Path, log: Path, label: str = "", **_: object
) -> CommandResult:
    """A command in this process, in the place of `kpfnb.adap.pypeit.command.run_command`."""
    code = 0
    before = Path.cwd()
    os.chdir(folder)
    try:
        globals()[COMMANDS[name]](arguments)
    except SystemExit as end:
        code = int(str(end.code))
    finally:
        os.chdir(before)
    failure = failure_reason(log, log, exit_code=code, stopped="", expect_time=False)
    return CommandResult(f"{name} {label}".strip(), 1.0, 300_000_000, code, failure)


def asked(word: str) -> bool:
    """Whether FAKE_COADD asks for a behaviour."""
    return word in os.environ.get("FAKE_COADD", "").split(", ")


def say(arguments: Sequence[str], *messages: str) -> None:
    """Append messages to the log: LEVEL text."""
    log = Path(arguments[arguments.index("--log_file") + 1])
    with log.open("a") as stream:
        for message in messages:
            level, _, text = message.partition(" ")
            stream.write(f"{level:>8} | 2026-01-31 12:00:00 | file.py:function:12 | {text}\n")


def fail(arguments: Sequence[str], text: str) -> None:
    """End as PypeIt does when it gives up."""
    say(arguments, f"ERROR PypeItError: {text}")
    sys.exit(1)


def block(path: Path) -> tuple[list[Path], list[list[str]], str]:
    """The folders and rows of an input file's block, and the lines before it."""
    lines = [line.strip() for line in path.read_text().splitlines()]
    start = next(number for number, line in enumerate(lines) if line.endswith(" read"))
    rows = lines[start + 1 : lines.index(lines[start].replace(" read", " end"))]
    folders = [Path(row.removeprefix("path ")) for row in rows if row.startswith("path ")]
    table = [row.split(" | ") for row in rows if not row.startswith("path ")][1:]
    return folders, table, "\n".join(lines[:start])


def sensfunc(arguments: Sequence[str]) -> None:
    """pypeit_sensfunc."""
    if asked("no sens") or (asked("no sens of b24") and "b24" in arguments[0]):
        fail(arguments, "the star is too faint")
    out = Path(arguments[arguments.index("-o") + 1])
    assert "[sensfunc]" in Path(arguments[arguments.index("-s") + 1]).read_text()
    table = fits.BinTableHDU.from_columns([fits.Column("X", "D", array=np.ones(3))], name="SENS")
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(out)
    say(arguments, "INFO done")


def flux_calib(arguments: Sequence[str]) -> None:
    """pypeit_flux_calib: adds columns to the files themselves."""
    (folder,), rows, _ = block(Path(arguments[0]))
    if asked("silent"):
        time.sleep(600)
    for spec1d, sens in rows:
        assert Path(sens).is_file()
        if asked("flux fails at b28") and "b28" in spec1d:
            fail(arguments, "no overlap with the sensitivity function")
        calibrate(folder / spec1d)
    say(arguments, "INFO Flux calibration complete")


def calibrate(path: Path) -> None:
    """Fluxes for all objects of a spec1d."""
    with fits.open(path) as hdus:
        hdus = fits.HDUList([hdu.copy() for hdu in hdus])
    for number, hdu in enumerate(hdus[1:], 1):
        if hdu.header.get("DMODCLS") == "SpecObj":
            flux = [
                fits.Column(f"{kind}_FLAM", "D", array=hdu.data[f"{kind}_COUNTS"] * 0.1)
                for kind in ("OPT", "BOX")
            ]
            hdus[number] = fits.BinTableHDU.from_columns([*hdu.columns, *flux], hdu.header)
    hdus.writeto(path, overwrite=True)


def collate_1d(arguments: Sequence[str]) -> None:
    """pypeit_collate_1d: objects of the same name are one."""
    folders, rows, parameters = block(Path(arguments[0]))
    options = dict(line.split(" = ", 1) for line in parameters.splitlines() if " = " in line)
    outdir = Path(options["outdir"])
    if asked("collate crash"):
        fail(arguments, "no coordinates")
    files = [folder / row[0] for row in rows for folder in folders if (folder / row[0]).exists()]
    if options.get("exclude_slit_trace_bm"):
        assert all(file.with_name(file.name.replace("spec1d", "spec2d")).exists() for file in files)
    if options["flux"] == "True":
        for file in list(files):
            if asked("no archive") or (asked("no archive of 00001") and "00001" in file.name):
                say(
                    arguments,
                    "WARNING Traceback (most recent call last):\n  File x\n"
                    "pypeit.PypeItError: There are no archived SensFuncFiles for grating X.",
                    f"WARNING Could not find archived sensfunc to flux {file}, skipping it.",
                )
                files.remove(file)
            else:
                calibrate(file)
    groups: dict[str, list[Path]] = {}
    for file in files:
        with fits.open(file) as hdus:
            names = [hdu.name for hdu in hdus if hdu.header.get("DMODCLS") == "SpecObj"]
        for name in names:
            groups.setdefault(name, []).append(file)
    for number, (name, members) in enumerate(groups.items()):
        out = outdir / f"{name}_X_20151016_20151018.fits"
        say(arguments, f"INFO Creating {out} from the following sources:")
        say(arguments, *(f"INFO     {file}: {name} (None)" for file in members))
        if len(members) < 2 or (asked("coadd lost") and number == 0):
            continue
        if asked("coadd fails") and number == 0:
            say(
                arguments,
                "WARNING Traceback (most recent call last):\n  File x\nValueError: <all> masked",
                f"WARNING Failed to coadd {out}, skipping",
            )
            continue
        if asked("coadd empty"):
            fits.PrimaryHDU().writeto(out)
            continue
        write_spectrum(out, fluxed=options.get("ignore_flux") != "True")


def write_spectrum(path: Path, *, fluxed: bool = True, good: bool = True) -> None:
    """A coadded spectrum, its first pixel masked."""
    columns = {
        "wave": np.linspace(4000, 5000, 50),
        "flux": np.full(50, 10.0),
        "ivar": np.full(50, 4.0 if good else 0.0),
    }
    table_columns = [fits.Column(name, "D", array=array) for name, array in columns.items()]
    table_columns.append(fits.Column("mask", "K", array=np.r_[0, np.ones(49)].astype(int)))
    table = fits.BinTableHDU.from_columns(table_columns, name="SPECTRUM")
    table.header["FLUXED"] = fluxed
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)


def setup_coadd2d(arguments: Sequence[str]) -> None:
    """pypeit_setup_coadd2d: one file for each target, by the names of the files."""
    if asked("setup crash"):
        fail(arguments, "No spec2d files.")
    folder = Path(arguments[arguments.index("-d") + 1])
    names = sorted(path.name for path in folder.glob("spec2d*"))
    lists = {"--det": "detnum", "--exclude_slits": "exclude_slits"}
    given = {}
    for option, key in lists.items():
        if option in arguments:
            rest = arguments[arguments.index(option) + 1 :]
            end = next(n for n, word in enumerate([*rest, "--"]) if word.startswith("--"))
            values = (f'"{word}"' if "," in word else word for word in rest[:end])
            given[key] = ", ".join(values)
    for target in sorted({name.split("-")[1].split("_")[0] for name in names}):
        files = [name for name in names if target in name]
        text = f"[rdx]\n  spectrograph = x\n  redux_path = {Path.cwd()}\n"
        text += f"  detnum = {given['detnum']}\n" if "detnum" in given else ""
        text += "[coadd2d]\n  offsets = auto\n"
        text += f"  exclude_slits = {given['exclude_slits']}\n" if "exclude_slits" in given else ""
        text += f"spec2d read\n path {folder}\nfilename\n" + "\n".join(files) + "\nspec2d end\n"
        Path(f"x_{target}.coadd2d").write_text(text)


def coadd_2dspec(arguments: Sequence[str]) -> None:
    """pypeit_coadd_2dspec."""
    folders, rows, parameters = block(Path(arguments[0]))
    assert all(any((folder / row[0]).is_file() for folder in folders) for row in rows)
    options = dict(line.split(" = ", 1) for line in parameters.splitlines() if " = " in line)
    if asked("2d crash") or (asked("2d crash at B") and "_B." in arguments[0]):
        fail(arguments, "Not all of your files have the same number of slits")
    place = Path(options["redux_path"]) / "Science_coadd"
    place.mkdir(exist_ok=True)
    basename = arguments[arguments.index("--basename") + 1]
    numbers = stacks.parse_detector_numbers(options.get("detnum", "1"))
    names = [f"MSC0{text[0]}" if "," in text else f"DET0{text}" for text in numbers]
    if asked("detector lost"):
        names = names[:-1]
    header = fits.Header({"HIERARCH ALLSPEC2D_DETS": ",".join(names)})
    masked = np.full((30, 20), int(asked("2d all masked")), "i2")
    image = np.full((30, 20), np.nan if asked("2d no number") else 1, "f4")
    images = {"SCIIMG": image, "SKYMODEL": image, "BPMMASK": masked}
    planes: list[fits.ImageHDU | fits.BinTableHDU] = []
    for name in names:
        planes += [fits.ImageHDU(image, name=f"{name}-{part}") for part, image in images.items()]
        planes += [fits.BinTableHDU(name=f"{name}-{part}") for part in ("SLITS", "DETECTOR")]
    # As PypeIt has it: those of the first exposure, which has more
    for number in range(len(planes) + 4):
        header[f"EXT{number + 1:04d}"] = "an extension"
    kept = planes[: -1 if asked("2d cut") else None]
    spec2d = fits.HDUList([fits.PrimaryHDU(header=header), *kept])
    spec2d.writeto(place / f"spec2d_{basename}.fits")
    if not asked("2d no object"):
        write_objects(place / f"spec1d_{basename}.fits")
    say(arguments, "INFO done")


def write_objects(path: Path) -> None:
    """The spec1d of a stack: two objects."""
    mask = np.full(3, not asked("2d object masked"))
    values = {"WAVE": np.ones(3), "COUNTS": np.ones(3), "COUNTS_SIG": np.ones(3)}
    columns = [fits.Column(f"OPT_{key}", "D", array=array) for key, array in values.items()]
    columns.append(fits.Column("OPT_MASK", "L", array=mask))
    hdus: list[fits.BinTableHDU] = [fits.BinTableHDU.from_columns(columns) for _ in range(2)]
    for hdu in hdus:
        hdu.header["DMODCLS"], hdu.header["S2N"] = "SpecObj", 12.0
    header = fits.Header({"NSPEC": len(hdus)})
    kept = hdus[: 1 if asked("2d objects cut") else None]
    fits.HDUList([fits.PrimaryHDU(header=header), *kept]).writeto(path)
