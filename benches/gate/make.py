#!/usr/bin/env python3
"""Makes the committed images of the gate: run once, kept for the record.

Usage: benches/gate/make.py DATA   (DATA: the folder with manifest.csv and aligned256/)

Authentic images are the two of pydicom's test files (MIT) that show a patient at full size, whole and
in native crops; generated ones are those of generated.txt, from the test split of the default recipe,
made for this project. All are eight-bit PNG of 256 pixels, and nothing of a header is kept.
"""
import csv
import pathlib
import sys

import pydicom
import pydicom.data
from PIL import Image
from pydicom.pixels import apply_modality_lut, apply_voi_lut

HERE = pathlib.Path(__file__).parent
FILES = pathlib.Path(pydicom.data.__file__).parent / "test_files"
SIDE = 256

# File, name, modality, body part, and upper left corners of native crops.
AUTHENTIC = [
    ("J2K_pixelrep_mismatch.dcm", "ct", "ct", "head", [(60, 40), (196, 40), (60, 160), (196, 160)]),
    ("examples_overlay.dcm", "mr", "mri", "abdomen", [(0, 22), (114, 22), (228, 22)]),
]


def grey(path):
    image = pydicom.dcmread(path)
    pixels = apply_modality_lut(image.pixel_array, image)
    pixels = apply_voi_lut(pixels, image).astype(float)
    low, high = pixels.min(), pixels.max()
    return Image.fromarray(((pixels - low) / (high - low) * 255).round().astype("uint8"))


def whole(image):
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side)).resize((SIDE, SIDE), Image.LANCZOS)


def main(data):
    rows = {row["path"]: row for row in csv.DictReader(open(data / "manifest.csv"))}
    (HERE / "images").mkdir(exist_ok=True)
    lines = []
    for file, name, modality, part, corners in AUTHENTIC:
        image = grey(FILES / file)
        views = [whole(image)] + [image.crop((x, y, x + SIDE, y + SIDE)) for x, y in corners]
        for index, view in enumerate(views):
            path = f"images/{name}_{index}.png"
            view.save(HERE / path, optimize=True)
            lines.append([path, "real", "", "pydicom", name, modality, part, "", "MIT"])
    for path in (HERE / "generated.txt").read_text().split():
        row = rows[path]
        assert row["generator"] in ("latent_diffusion", "pixel_flow"), path
        name = f"images/{row['generator']}_{pathlib.Path(path).name}"
        Image.open(data / path).save(HERE / name, optimize=True)
        lines.append(
            [name, "synthetic", row["generator"], "generated", "", row["modality"], row["body_part"], "",
             "MIT OR Apache-2.0"]
        )
    with open(HERE / "manifest.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow("path,label,generator,source,group,modality,body_part,mask,licence".split(","))
        writer.writerows(lines)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
