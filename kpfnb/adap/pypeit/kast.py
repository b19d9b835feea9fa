"""The example: nine frames of the Kast spectrograph's blue arm, Shane telescope, 2015 May 20.

PypeIt's own tests use them: an arc, three dome flats, three biases, the standard star Feige 66 and
one science exposure.
"""

from __future__ import annotations

from pathlib import Path

from kpfnb.adap.pypeit import installation, pack
from kpfnb.errors import ServiceUnavailable

NAMES = tuple(f"b{number}.fits.gz" for number in (1, 11, 12, 13, 21, 22, 23, 24, 27))
SPECTROGRAPH = "shane_kast_blue"


def example_frames(work_dir: Path) -> Path:
    """The folder of the nine frames: from the pack, else by PypeIt's own download (8 MB, once).

    `ServiceUnavailable` where there is neither.
    """
    if found := pack.folder():
        return pack.raw_frames(found)
    folder = work_dir / "kast"
    if not all((folder / name).is_file() for name in NAMES):
        installation.spectrographs()  # says what to do where PypeIt is not installed
        _download(folder)
    return folder


def _download(folder: Path) -> None:
    try:
        pack.in_pypeit("fetch", str(folder), *NAMES, variables={})
    except ServiceUnavailable as error:
        # All in one line: the list of a pipeline's steps shows no more
        raise ServiceUnavailable(
            "the Kast example frames are not here: connect this machine, or name the folder of a "
            f"pack in {pack.VARIABLE} (they can't be downloaded: {error.what})",
            "or name a folder of your own frames as raw",
        ) from error
