"""A CCD as its amplifiers wrote it, put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kpfnb.kpf.quicklook import sheet
from kpfnb.kpf.quicklook.content import Array, Content
from kpfnb.kpf.quicklook.plots.ccd import block_for

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PEDESTAL_PERCENT = 5


def amplifiers(content: Content, camera: str) -> list[str]:
    """The extensions of a camera's amplifiers that are there."""
    names = (f"{camera}_AMP{number}" for number in range(1, 5))
    return [name for name in names if name in content.images]


def stitched(figure: Figure, content: Content, camera: str) -> None:
    """Two or four amplifiers side by side, overscan included, each above its own pedestal."""
    names = amplifiers(content, camera)
    image, block = _together([content.images[name] for name in names])
    high = sheet.ceiling(sheet.percentile(sheet.sample(image), 99.5), least=20)
    axes, bar = sheet.image_axes(figure, (image.shape[0], image.shape[1]))
    rows, columns = (size * block for size in image.shape)
    scale = sheet.show_image(axes, image, 0, high, gamma=0.5, extent=(0, columns, 0, rows))
    axes.set(xlabel="column [pixel]", ylabel="row [pixel]")
    figure.colorbar(
        scale, cax=bar, label=f"DN above each amplifier's {PEDESTAL_PERCENT}th percentile"
    )
    halves = (len(names) + 1) // 2
    for number, name in enumerate(names):
        place = (0.01 + number % 2 * 0.5, 0.985 - (1 - number // 2) * (halves - 1) * 0.5)
        axes.text(
            *place, name, transform=axes.transAxes, va="top", color="white", weight="bold",
            bbox={"facecolor": "#000000a0", "edgecolor": "none", "pad": 3},
        )  # fmt: skip


def _together(parts: list[Array]) -> tuple[Array, int]:
    """Block means of the whole CCD, and the block's size; the first two amplifiers are below."""
    wide = len(parts) > 1
    block = block_for(parts[0].shape[1] * (2 if wide else 1))
    small = []
    for part in parts:
        pedestal = sheet.percentile(sheet.sample(part), PEDESTAL_PERCENT)
        small.append(sheet.block_mean(part, block) - np.float32(pedestal))
    if len(parts) == 4:
        return np.vstack([np.hstack(small[:2]), np.hstack(small[2:])]), block
    return np.hstack(small), block
