"""Galleries of PypeIt's QA pictures: small pictures side by side, embedded in HTML."""

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
"""The most pictures read from archives; fewer fit into the budget."""

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
"""What PypeIt's pictures show, by the part of their name that identifies it."""


def list_pictures(folder: Path) -> list[Path]:
    """The QA pictures of one setup's directory, sorted by name.

    Archived pictures have paths such as `QA.tar.gz/QA/PNGs/name.png`, which only `make_thumbnails`
    can read. If the archive can't be read, the archive itself is returned.
    """
    archive = folder / qa_archive.QA_ARCHIVE
    if (folder / PLOTS_FOLDER).is_dir() or not archive.is_file():
        return sorted((folder / PLOTS_FOLDER).glob("*.png"))
    try:
        names = qa_archive.list_archive(archive)
    except InvalidInputError:
        return [archive]
    return sorted(archive / name for name in names if _is_picture(name))


def _is_picture(name: str) -> bool:
    """Whether a file of an archive is where PypeIt puts its pictures."""
    folder, _, file = name.rpartition("/")
    return folder == PLOTS_FOLDER and file.endswith(".png")


@dataclass(frozen=True)
class QaGallery:
    """Pictures for display in a notebook or page.

    Pictures beyond the budget, and unreadable ones, are listed by name instead.
    """

    paths: Sequence[Path]
    budget_bytes: int = BUDGET_BYTES

    def choose_thumbnails(self) -> tuple[list[tuple[Path, str]], list[str]]:
        """The pictures that fit the budget, as base64 of a small JPEG; the names of the others."""
        shown, skipped, used = [], [], 0
        for path, encoded in make_thumbnails(_interleave_kinds(self.paths)).items():
            if not encoded or used + len(encoded) > self.budget_bytes:
                skipped.append(path.name)
                continue
            used += len(encoded)
            shown.append((path, encoded))
        return shown, skipped

    def _repr_html_(self) -> str:
        """Embedded thumbnails, each with its title and name; all text escaped."""
        shown, skipped = self.choose_thumbnails()
        if not shown and not skipped:
            return "<p>no QA pictures</p>"
        figures = "".join(_figure_html(path, encoded) for path, encoded in shown)
        page = f'<div style="display: flex; flex-wrap: wrap; gap: 12px">{figures}</div>'
        names = html.escape(", ".join(skipped))
        return page + (f"<p>not shown ({len(skipped)}): {names}</p>" if skipped else "")


def _interleave_kinds(paths: Sequence[Path]) -> list[Path]:
    """The first picture of each kind, then the second of each: a budget shows all kinds."""
    seen: dict[str, int] = {}
    ranked = []
    for path in paths:
        kind = picture_kind(path)
        seen[kind] = seen.get(kind, 0) + 1
        ranked.append((seen[kind], path))
    return [path for _, path in sorted(ranked, key=lambda item: item[0])]


def picture_kind(path: Path) -> str:
    """The key in PICTURE_TITLES of a picture; its own name if there is none."""
    return next((kind for kind in PICTURE_TITLES if kind in path.stem), path.stem)


def make_thumbnails(paths: Sequence[Path]) -> dict[Path, str]:
    """Small pictures as base64 of a JPEG; '' if not a picture. Each archive is read once."""
    archived = _read_archived(paths[:MAX_ARCHIVED])
    return {path: _make_thumbnail(archived.get(path, path)) for path in paths}


def _read_archived(paths: Sequence[Path]) -> dict[Path, io.BytesIO]:
    """The contents of those pictures that are in archives."""
    contents = {}
    for archive in sorted({path.parents[2] for path in paths}):
        if archive.is_file():
            members = {
                path.relative_to(archive).as_posix() for path in paths if path.parents[2] == archive
            }
            for name, content in qa_archive.read_selected(archive, members).items():
                contents[archive / name] = io.BytesIO(content)
    return contents


def _make_thumbnail(source: Path | io.BytesIO) -> str:
    from PIL import Image as images

    try:
        with warnings.catch_warnings():
            # The pictures are PypeIt's own; some are large
            warnings.simplefilter("ignore", images.DecompressionBombWarning)
            with images.open(source) as picture:
                picture.thumbnail(THUMBNAIL_PIXELS)
                jpeg = io.BytesIO()
                _on_white(picture).save(jpeg, "JPEG", quality=80)
    except (OSError, SyntaxError, ValueError, images.DecompressionBombError):
        return ""
    return base64.b64encode(jpeg.getvalue()).decode("ascii")


def _on_white(picture: Image) -> Image:
    """The picture on a white background: JPEG has no transparency, and would show black."""
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
