"""PypeIt's QA pictures, small and side by side, in a page that carries them itself."""

from __future__ import annotations

import base64
import html
import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kpfnb.adap.products import qa_archive
from kpfnb.core.errors import InvalidInputError

if TYPE_CHECKING:
    from PIL.Image import Image

PLOTS_FOLDER = "QA/PNGs"
THUMBNAIL_PIXELS = (420, 420)
BUDGET_BYTES = 2_000_000
MAX_ARCHIVED = 200
"""More than the budget has room for."""

PICTURE_TITLES = {
    "Arc_1dfit": "arc lines and the fit of the wavelengths",
    "Arc_FWHMfit": "width of the arc lines",
    "Arc_tilts_2d": "tilts, residuals in 2D",
    "Arc_tilts_spat": "tilts along the slit",
    "Arc_tilts_spec": "tilts along the wavelength",
    "Spatillum_FineCorr": "fine correction of the slit illumination",
    "obj_prof": "profile of the object along the slit",
    "obj_trace": "trace of the object",
    "spec_flex_corr": "flexure: correlation with the sky",
    "spec_flex_sky": "flexure: sky lines",
}
"""What PypeIt's pictures show, by the part of their name that tells it."""


def list_pictures(folder: Path) -> list[Path]:
    """The QA pictures of one setup's folder, by name.

    Those in its archive are `QA.tar.gz/QA/PNGs/name.png`: places that only `thumbnails` can read.
    An archive that can't be read is named instead of them.
    """
    archive = folder / qa_archive.QA_ARCHIVE
    if (folder / PLOTS_FOLDER).is_dir() or not archive.is_file():
        return sorted((folder / PLOTS_FOLDER).glob("*.png"))
    try:
        return sorted(
            archive / name for name in qa_archive.list_archive(archive) if _is_picture(name)
        )
    except InvalidInputError:
        return [archive]


def _is_picture(name: str) -> bool:
    """Whether a file of an archive lies where PypeIt puts its pictures, and nowhere else."""
    folder, _, file = name.rpartition("/")
    return folder == PLOTS_FOLDER and file.endswith(".png")


@dataclass(frozen=True)
class QaGallery:
    """Pictures to be shown by a notebook.

    What goes beyond the budget, and what can't be read, is named instead of shown.
    """

    paths: Sequence[Path]
    budget_bytes: int = BUDGET_BYTES

    def choose_thumbnails(self) -> tuple[list[tuple[Path, str]], list[str]]:
        """Those for which there is room, as base64 of a small JPEG, and the names of the others."""
        shown, left_out, used = [], [], 0
        for path, encoded in make_thumbnails(_interleave_kinds(self.paths)).items():
            if not encoded or used + len(encoded) > self.budget_bytes:
                left_out.append(path.name)
                continue
            used += len(encoded)
            shown.append((path, encoded))
        return shown, left_out

    def _repr_html_(self) -> str:
        """Thumbnails embedded as base64, each with what it shows and its name, all escaped."""
        found, left_out = self.choose_thumbnails()
        if not found and not left_out:
            return "<p>no QA pictures</p>"
        figures = "".join(_figure_html(path, encoded) for path, encoded in found)
        shown = f'<div style="display: flex; flex-wrap: wrap; gap: 12px">{figures}</div>'
        names = html.escape(", ".join(left_out))
        return shown + (f"<p>not shown ({len(left_out)}): {names}</p>" if left_out else "")


def _interleave_kinds(paths: Sequence[Path]) -> list[Path]:
    """One picture of each kind, then the second of each: a budget leaves something of all."""
    seen: dict[str, int] = {}
    ranked = []
    for path in paths:
        kind = picture_kind(path)
        seen[kind] = seen.get(kind, 0) + 1
        ranked.append((seen[kind], path))
    return [path for _, path in sorted(ranked, key=lambda item: item[0])]


def picture_kind(path: Path) -> str:
    """The key of TITLES that a picture belongs to; its own name where there is none."""
    return next((kind for kind in PICTURE_TITLES if kind in path.stem), path.stem)


def make_thumbnails(paths: Sequence[Path]) -> dict[Path, str]:
    """Pictures, small, as base64 of a JPEG; '' where it is none. Each archive is read once."""
    packed = _read_archived(paths[:MAX_ARCHIVED])
    return {path: _make_thumbnail(packed.get(path, path)) for path in paths}


def _read_archived(paths: Sequence[Path]) -> dict[Path, io.BytesIO]:
    """The contents of those pictures that are in archives."""
    found = {}
    for archive in sorted({path.parents[2] for path in paths}):
        if archive.is_file():
            own = [path for path in paths if path.parents[2] == archive]
            wanted = {path.relative_to(archive).as_posix() for path in own}
            for name, content in qa_archive.read_selected(archive, wanted).items():
                found[archive / name] = io.BytesIO(content)
    return found


def _make_thumbnail(path: Path | io.BytesIO) -> str:
    from PIL import Image as images

    try:
        with warnings.catch_warnings():
            # The pictures are PypeIt's own; some are large
            warnings.simplefilter("ignore", images.DecompressionBombWarning)
            with images.open(path) as picture:
                picture.thumbnail(THUMBNAIL_PIXELS)
                small = io.BytesIO()
                _on_white(picture).save(small, "JPEG", quality=80)
    except (OSError, SyntaxError, ValueError, images.DecompressionBombError):
        return ""
    return base64.b64encode(small.getvalue()).decode("ascii")


def _on_white(picture: Image) -> Image:
    """JPEG has no transparency; what was transparent becomes white, not black."""
    from PIL import Image as images

    rgba = picture.convert("RGBA")
    page = images.new("RGB", rgba.size, "white")
    page.paste(rgba, mask=rgba.getchannel("A"))
    return page


def _figure_html(path: Path, encoded: str) -> str:
    title = html.escape(PICTURE_TITLES.get(picture_kind(path), ""), quote=True)
    name = html.escape(path.stem, quote=True)
    return (
        '<figure style="margin: 0; width: 320px">'
        '<img style="width: 100%; height: 220px; object-fit: contain" '
        f'alt="{title or name}" src="data:image/jpeg;base64,{encoded}">'
        f'<figcaption style="overflow-wrap: anywhere"><b>{title}</b><br>'
        f"<small>{name}</small></figcaption></figure>"
    )
