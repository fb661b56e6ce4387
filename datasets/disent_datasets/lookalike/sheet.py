"""Contact sheets: one row of images for each factor of a look-alike.

python -m disent_datasets.lookalike.sheet docs/images/lookalike
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from disent_datasets.lookalike import look_alikes
from disent_datasets.lookalike.renderer import LookAlike

COLUMNS = 12
_LABEL, _GAP = 110, 2


def contact_sheet(look_alike: LookAlike, size: int = 64) -> Image.Image:
    """Draw a sheet: each row goes through one factor (at most 12 of its values), the others as in the example."""
    step = size + _GAP
    sheet = Image.new("RGB", (_LABEL + COLUMNS * step, len(look_alike.space) * step), "white")
    pen = ImageDraw.Draw(sheet)
    for row, (name, count) in enumerate(zip(look_alike.space.names, look_alike.space.sizes, strict=True)):
        values = np.unique(np.linspace(0, count - 1, min(count, COLUMNS)).astype(int))
        factors = np.tile(np.array(look_alike.example), (len(values), 1))
        factors[:, row] = values
        pen.text((4, row * step + 20), f"{name}\n{count} values", fill="black")
        for column, image in enumerate(look_alike.render(factors, size)):
            pixels = np.broadcast_to(image, (size, size, 3))
            sheet.paste(Image.fromarray(np.ascontiguousarray(pixels)), (_LABEL + column * step, row * step))
    return sheet


def main(folder: str) -> None:
    """Write the sheets of all look-alikes."""
    for name, look_alike in look_alikes().items():
        contact_sheet(look_alike).save(Path(folder) / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main(sys.argv[1])
