"""Run the KPF pipeline's own QC on FITS files, and print its flags as JSON.

Runs under the pipeline's interpreter, in its checkout, and imports nothing of kpfnb:

    python pipeline_qc.py [--junk LIST.csv] [--masters DIRECTORY] FILE.fits ...

Files that a header names in /masters, the place of KPF's masters, are read in DIRECTORY.

For each file: `flags` has the QC keywords with `claimed`, the value in the file (None if absent),
and `computed`, the value of the pipeline's code (None if it gives none); `messages` is the log of
the code, with its exceptions; `error` is set if the file could not be read.
"""

import argparse
import contextlib
import gc
import io
import json
import sys
import traceback
from pathlib import Path

KPF_MASTERS = "/masters"


class Log(list):
    """Collects messages; the pipeline passes exceptions as second arguments, so all are taken."""

    def info(self, *message):
        """Keep a message of any level."""
        self.append(" ".join(map(str, message)))

    debug = warning = error = critical = info


def find_level(path):
    """The level in the name of a file."""
    for level in ("2D", "L1", "L2"):
        if path.stem.endswith("_" + level):
            return level
    return "L0"


def judge_file(path):
    """The flags of one file, claimed and computed."""
    from kpfpipe.models.level0 import KPF0
    from kpfpipe.models.level1 import KPF1
    from kpfpipe.models.level2 import KPF2
    from modules.quality_control.src import quality_control

    level = find_level(path)
    model = {"L1": KPF1, "L2": KPF2}.get(level, KPF0)
    kpf = model.from_fits(str(path))
    header = kpf.header["PRIMARY"]
    definitions = quality_control.QCDefinitions()
    names = [
        definitions.fits_keywords[name]
        for name in definitions.names
        if level in definitions.kpf_data_levels[name]
    ]
    claimed = {name: header.get(name) for name in names}
    for name in names:
        header.remove(name, ignore_missing=True)
    log = Log()
    quality_control.execute_all_QCs(kpf, level, logger=log)
    header = kpf.header["PRIMARY"]
    return {
        "level": level,
        "flags": {
            name: {"claimed": simplify(claimed[name]), "computed": simplify(header.get(name))}
            for name in dict.fromkeys(names)
        },
        "good": simplify(header.get("ISGOOD")),
        "messages": list(log),
    }


def redirect_masters(directory):
    """Let the pipeline read files of /masters in another directory."""
    from kpfpipe.models.base_model import KPFDataModel

    read = KPFDataModel.from_fits.__func__

    def from_fits(cls, name, data_type="KPF"):
        if name.startswith(f"{KPF_MASTERS}/"):
            name = directory + name.removeprefix(KPF_MASTERS)
        return read(cls, name, data_type)

    KPFDataModel.from_fits = classmethod(from_fits)


def simplify(value):
    """A value that JSON knows."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    try:
        return value.item()
    except AttributeError:
        return str(value)


def main():
    """Judge the files of the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--junk", help="list of junk observations")
    parser.add_argument("--masters", default=KPF_MASTERS, help="directory of the masters")
    options = parser.parse_args()
    sys.path.insert(0, str(Path.cwd()))
    results = {}
    # The pipeline prints to stdout
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        from modules.quality_control.src.quality_control import QC

        redirect_masters(options.masters)
        if options.junk:
            QC.not_junk.__defaults__ = (options.junk, False)
        for path in options.files:
            printed.truncate(0)
            printed.seek(0)
            try:
                result = judge_file(path)
            except Exception:
                result = {"error": traceback.format_exc()}
            results[str(path)] = {**result, "printed": printed.getvalue().splitlines()}
            gc.collect()  # the pipeline's objects refer to each other: 200 MB a file
    json.dump(results, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
