"""Pixels of a PNG or DICOM file, and the tiles that the detector scores, as `veraray` cuts them."""

import numpy as np
import pydicom
from PIL import Image

FLAT = 0.01


def grey(path):
    """Presentation grey in [0, 1] of a single grey frame."""
    if path.suffix == ".dcm":
        ds = pydicom.dcmread(path)
        values = ds.pixel_array.astype(np.float32)
        values = values * np.float32(ds.RescaleSlope) + np.float32(ds.RescaleIntercept)
        centre, width = float(ds.WindowCenter) - 0.5, float(ds.WindowWidth) - 1
        plane = (values - np.float32(centre)) / np.float32(width) + np.float32(0.5)
        return np.clip(plane, 0, 1)
    with Image.open(path) as image:
        return np.asarray(image, dtype=np.float32) / np.float32(255)


def starts(side, tile):
    if side <= tile:
        return [0]
    count = -(-side // tile)
    return [index * (side - tile) // (count - 1) for index in range(count)]


def cover(plane, spec):
    side, multiple = spec["tile"], spec["multiple"]
    tiles = []
    for top in starts(plane.shape[0], side):
        for left in starts(plane.shape[1], side):
            cut = plane[top : top + side, left : left + side]
            pad = [(0, -length % multiple) for length in cut.shape]
            tiles.append(np.pad(cut, pad, "reflect") if any(p for _, p in pad) else cut)
    return tiles


def tiles(plane, spec):
    """The whole field, reduced, then evenly spread native tiles; `[]` where nothing is to be judged."""
    short = min(plane.shape)
    if short < spec["min_side"] or plane.std(dtype=np.float64) < FLAT:
        return []
    if short <= spec["tile"]:
        return cover(plane, spec)
    scale = short / spec["tile"]
    rows, columns = (max(round(side / scale), spec["tile"]) for side in plane.shape)
    reduced = Image.fromarray(plane).resize((columns, rows), Image.Resampling.LANCZOS)
    found = cover(np.clip(np.asarray(reduced), 0, 1), spec)
    native = [tile for tile in cover(plane, spec) if tile.std(dtype=np.float64) >= FLAT]
    keep = min(spec["max_native_tiles"], len(native))
    return found + [native[(2 * i + 1) * len(native) // (2 * keep)] for i in range(keep)]
