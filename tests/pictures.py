"""Make the small pictures of the README's table of notebooks, from what the notebooks show.

``python -m tests.pictures`` takes the images of the cells that are tagged ``picture``, one below the other, and writes
``notebooks/pictures/NN.png``. Run it after ``python -m tests.notebooks``.
"""

from __future__ import annotations

import base64
import io
import sys
from pathlib import Path

import nbformat
from PIL import Image

from tests.notebooks import FOLDER

PICTURES = FOLDER / "pictures"
WIDTH, HEIGHT = 400, 225
"""Pixels of each picture; what is higher is scaled down."""


def images(path: Path) -> list[Image.Image]:
    """Return the images of the tagged cells of an executed notebook, in order."""
    found = []
    for cell in nbformat.read(path, as_version=4).cells:
        if "picture" in cell.metadata.get("tags", []):
            for output in cell.get("outputs", []):
                data = output.get("data", {})
                encoded = data.get("image/png") or data.get("image/jpeg")
                if encoded:
                    found.append(Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB"))
    return found


def stacked(parts: list[Image.Image]) -> Image.Image:
    """Return images below one another on white, as large as fits."""
    wide = [part.resize((WIDTH, max(1, round(part.height * WIDTH / part.width))), 3) for part in parts]
    whole = Image.new("RGB", (WIDTH, sum(part.height + 4 for part in wide) - 4), "white")
    top = 0
    for part in wide:
        whole.paste(part, (0, top))
        top += part.height + 4
    whole.thumbnail((WIDTH, HEIGHT))
    card = Image.new("RGB", (WIDTH, HEIGHT), "white")
    card.paste(whole, ((WIDTH - whole.width) // 2, (HEIGHT - whole.height) // 2))
    return card


def main() -> None:
    """Write the picture of every notebook, or of those whose numbers are named."""
    PICTURES.mkdir(exist_ok=True)
    for path in sorted(FOLDER.glob("*.ipynb")):
        if not sys.argv[1:] or path.name[:2] in sys.argv[1:]:
            target = PICTURES / f"{path.name[:2]}.png"
            card = stacked(images(path)).quantize(96, dither=Image.Dither.NONE)
            card.save(target, "PNG", optimize=True)
            print(f"{target.name}: {target.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
