"""The columns of a scorecard, counted with PypeIt's own objects.

Run as `python -m tests.adap.pypeit_scores count REDUCE_FOLDER`, in a separate process: it imports
PypeIt, which kpfnb does not. `make SETUP_FOLDER` writes the products of a mask with several
detectors by PypeIt's own objects.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table

LIMITS = {"rms": 0.4, "flexure": 10.0, "coverage": 60.0, "low": 0.6, "high": 1.6}
FLAGS = {
    "bad_wv_count": "BADWVCALIB",
    "bad_tilt_count": "BADTILTCALIB",
    "bad_flat_count": "BADFLATCALIB",
    "skip_flat_count": "SKIPFLATCALIB",
    "bad_skysub_count": "BADSKYSUB",
    "bad_extract_count": "BADEXTRACT",
}
FILE = "DE.20151016.20000.fits"


def count(reduce_folder: Path) -> dict[str, dict[str, int]]:
    """By science file."""
    from pypeit.inputfiles import PypeItFile

    (plan,) = reduce_folder.glob("*/*.pypeit")
    table = PypeItFile.from_file(str(plan), vet=False).data
    counts = {}
    for file, kind in zip(table["filename"], table["frametype"], strict=True):
        if kind == "science":
            stem = file.removesuffix(".gz").removesuffix(".fits")
            science = plan.parent / "Science"
            (spec2d,) = science.glob(f"spec2d_{stem}-*.fits")
            (spec1d,) = science.glob(f"spec1d_{stem}-*.fits")
            counts[str(file)] = {**_of_slits(spec2d), **_of_objects(spec1d)}
    return counts


def _of_slits(spec2d: Path) -> dict[str, int]:
    from pypeit.slittrace import SlitTraceBitMask
    from pypeit.spec2dobj import AllSpec2DObj

    bits = SlitTraceBitMask()
    exposure = AllSpec2DObj.from_fits(str(spec2d), chk_version=False)
    sets: dict[str, set[str]] = {
        name: set() for name in (*FLAGS, "all", "rms", "cover", "chi", "flex")
    }
    for name in exposure.detectors:
        summary = exposure[name]
        ids = np.array([f"{name}:{slit}" for slit in summary.slits.slitord_id])
        solved = summary.wavesol[summary.wavesol["RMS"] != 0]
        solved_ids = np.array([f"{name}:{slit}" for slit in solved["SpatOrderID"]], dtype=object)
        sets["all"] |= {*ids}
        sets["rms"] |= {*solved_ids[solved["RMS"] > LIMITS["rms"]]}
        sets["cover"] |= {*solved_ids[solved["IDs_Wave_cov(%)"] < LIMITS["coverage"]]}
        blank = (summary.std_chis == 0) & (summary.med_chis == 0)
        odd = (summary.std_chis < LIMITS["low"]) | (summary.std_chis > LIMITS["high"])
        sets["chi"] |= {*ids[odd & ~blank]}
        sets["flex"] |= {
            *ids[np.abs(summary.sci_spec_flexure["sci_spec_flexure"]) >= LIMITS["flexure"]]
        }
        for column, flag in FLAGS.items():
            sets[column] |= {*ids[bits.flagged(summary.slits.mask, flag)]}
    flagged = set().union(*(sets[column] for column in FLAGS if column != "skip_flat_count"))
    return {
        "det_count": len(exposure.detectors),
        "slit_count": len(sets["all"]),
        "bad_slit_count": len(flagged | sets["rms"] | sets["cover"] | sets["chi"]),
        "total_bad_flags": len(flagged),
        "slit_rms_over_thresh": len(sets["rms"]),
        "slit_wv_cov_under_thresh": len(sets["cover"]),
        "slit_std_chi_out_of_range": len(sets["chi"]),
        "slit_spec_flex_over_thresh": len(sets["flex"]),
        **{column: len(sets[column]) for column in FLAGS},
    }


def _of_objects(spec1d: Path) -> dict[str, int]:
    from pypeit.specobjs import SpecObjs

    objects = SpecObjs.from_fitsfile(str(spec1d), chk_version=False)
    bare = [entry for entry in objects if entry["OPT_COUNTS"] is None]
    return {
        "object_count": len(objects),
        "obj_rms_over_thresh": sum(entry["WAVE_RMS"] > LIMITS["rms"] for entry in objects),
        "object_flex_shift_over_thresh": sum(
            entry["FLEX_SHIFT_TOTAL"] is not None
            and abs(entry["FLEX_SHIFT_TOTAL"]) > LIMITS["flexure"]
            for entry in objects
        ),
        "object_without_opt_with_box": sum(entry["BOX_COUNTS"] is not None for entry in bare),
        "object_without_opt_wo_box": sum(entry["BOX_COUNTS"] is None for entry in bare),
        "maskdef_extract_count": sum(bool(entry["MASKDEF_EXTRACT"]) for entry in objects),
    }


def make(setup: Path) -> None:
    """A spec2d and a spec1d of two detectors of five slits, with every kind of fault."""
    from astropy.io import fits
    from pypeit.spec2dobj import AllSpec2DObj
    from pypeit.specobjs import SpecObjs
    from pypeit.spectrographs.util import load_spectrograph

    spectrograph = load_spectrograph("keck_deimos")
    exposure = AllSpec2DObj()
    exposure["meta"]["bkg_redux"] = False
    exposure["meta"]["find_negative"] = False
    objects = SpecObjs()
    for number in (1, 2):
        detector = spectrograph.get_detector_par(number)
        exposure[detector.name] = _spec2d(number, detector)
        for summary in _objects(number):
            objects.add_sobj(summary)
    header = fits.Header({"FILENAME": FILE, "TARGET": "simulated", "PYP_SPEC": "keck_deimos"})
    science = setup / "Science"
    stem = f"{FILE.removesuffix('.fits')}-mask"
    primary = exposure.build_primary_hdr(header, spectrograph, redux_path=str(setup))
    primary["FILENAME"] = FILE
    exposure.write_to_fits(str(science / f"spec2d_{stem}.fits"), pri_hdr=primary)
    objects.write_to_fits(header, str(science / f"spec1d_{stem}.fits"))


def _spec2d(number: int, detector: Any) -> Any:
    from pypeit.images.imagebitmask import ImageBitMaskArray
    from pypeit.slittrace import SlitTraceBitMask, SlitTraceSet
    from pypeit.spec2dobj import Spec2DObj

    size, places = 60, np.arange(5) * 10.0
    edges = np.tile(places + 1, (size, 1))
    slits = SlitTraceSet(
        edges, edges + 7, "MultiSlit", detname=detector.name, nspat=size, PYP_SPEC="keck_deimos"
    )
    bits = SlitTraceBitMask()
    flags = {1: [[], ["SKIPFLATCALIB"], ["BADSKYSUB", "BADEXTRACT"], ["BADFLATCALIB"], []]}
    for slit, names in enumerate(flags.get(number, [[], ["BADWVCALIB"], ["BADTILTCALIB"], [], []])):
        for name in names:
            slits.mask[slit] = bits.turn_on(slits.mask[slit], name)
    solution = Table()
    solution["SpatOrderID"] = slits.spat_id
    # On the limits, beyond them, and not judged
    solution["RMS"] = [0.4, 0.41, 0.0, 0.1, 0.2]
    solution["IDs_Wave_cov(%)"] = [60.0, 90.0, 10.0, 59.9, 90.0]
    flexure = Table()
    flexure["spat_id"] = slits.spat_id
    flexure["sci_spec_flexure"] = [10.0, -11.0, 9.99, 0.0, float(number)]
    image = np.ones((size, size))
    spec2d = Spec2DObj(
        sciimg=image, ivarraw=image, skymodel=image, objmodel=image, ivarmodel=image, tilts=image,
        scaleimg=np.array([1.0]), waveimg=image, bpmmask=ImageBitMaskArray(image.shape),
        detector=detector, sci_spat_flexure=None, sci_spec_flexure=flexure, vel_type=None,
        vel_corr=None, slits=slits, wavesol=solution, maskdef_designtab=None,
        bkg_redux_skymodel=None,
    )  # fmt: skip
    spec2d.std_chis = np.array([1.6, 0.0, 1.61, 0.59, 1.0])
    spec2d.med_chis = np.array([0.0, 0.0, 0.1, 0.0, 0.0])
    return spec2d


def _objects(number: int) -> list[Any]:
    from pypeit.specobj import SpecObj

    ways = [(("OPT", "BOX"), 0.1, 3.0, False), (("BOX",), 0.5, -12.0, True), ((), 0.2, None, None)]
    objects = []
    for place, (names, rms, flexure, forced) in enumerate(ways):
        entry = SpecObj("MultiSlit", f"DET0{number}", SLITID=5 + 10 * place)
        entry.SPAT_PIXPOS, entry.SPAT_FRACPOS = 5.0 + 10 * place, 0.5
        entry.TRACE_SPAT = np.full(60, entry.SPAT_PIXPOS)
        entry.set_name()
        entry.WAVE_RMS, entry.FLEX_SHIFT_TOTAL, entry.MASKDEF_EXTRACT = rms, flexure, forced
        for name in names:
            entry[f"{name}_COUNTS"] = np.ones(60)
        objects.append(entry)
    return objects


if __name__ == "__main__":
    task, place = sys.argv[1], Path(sys.argv[2])
    if task == "make":
        make(place)
    else:
        counts = count(place)
        print("\n" + json.dumps({f: {k: int(v) for k, v in c.items()} for f, c in counts.items()}))
