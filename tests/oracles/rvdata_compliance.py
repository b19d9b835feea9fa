"""Read a KPF observation with rvdata, write its standard files, and check them with its own rules.

rvdata is the reader of the EPRV data standard; its levels 2 and 4 hold what KPF has in L1 and L2.

    python rvdata_compliance.py DATA_ROOT OBSID OUTPUT

Prints JSON: for each standard level the problem ('' if it complies), and the shapes that it read.
"""

import contextlib
import json
import sys
import traceback
import warnings
from pathlib import Path

warnings.simplefilter("ignore")


def check_level(read, check, path):
    """Read, write and check one file; the problem as text, and the shapes of its arrays."""
    try:
        standard = read()
        standard.to_fits(str(path))
        check(str(path))
    except Exception:
        return {"problem": traceback.format_exc(), "shapes": {}}
    shapes = {name: getattr(data, "shape", None) for name, data in standard.data.items()}
    return {"problem": "", "shapes": shapes}


def main():
    """Check the observation of the command line."""
    from rvdata.core.models.level2 import RV2
    from rvdata.core.models.level4 import RV4
    from rvdata.tests.regression.compliance import check_l2_compliance, check_l4_compliance

    root, obsid, output = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    night = obsid[3:11]
    l0 = str(root / "L0" / night / f"{obsid}.fits")
    l1, l2 = (str(root / level / night / f"{obsid}_{level}.fits") for level in ("L1", "L2"))
    with contextlib.redirect_stdout(sys.stderr):
        results = {
            "L1": check_level(
                lambda: RV2.from_fits(l1, l0file=l0, instrument="KPF"),
                check_l2_compliance,
                output / "standard_2.fits",
            ),
            "L2": check_level(
                lambda: RV4.from_fits(l2, instrument="KPF"),
                check_l4_compliance,
                output / "standard_4.fits",
            ),
        }
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
