#!/usr/bin/env python3
"""How far the noise of inpainted regions falls short of that of the image around them.

Usage: local_noise.py MANIFEST GENERATOR
Untrained and crude, on eight-bit PNGs alone: first the mean magnitude of the Laplacian within each mask
against places of the same shape and brightness elsewhere in the image; then, for whole images, the least
of a map of it (mean over 9 pixels, logarithm, less its median at that brightness, mean over 19 pixels).
"""

import csv
import sys
from pathlib import Path

import numpy as np
from PIL import Image

MANIFEST = Path(sys.argv[1])
GENERATOR = sys.argv[2]


def load(name):
    return np.asarray(Image.open(MANIFEST.parent / name).convert("L")).astype(np.float32)


def box_mean(plane, side):
    half = side // 2
    sums = np.pad(plane, ((half + 1, half), (half + 1, half)), mode="edge").cumsum(0).cumsum(1)
    inner = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    return inner / side**2


def laplacian(plane):
    found = np.zeros_like(plane)
    beside = plane[:-2, 1:-1] + plane[2:, 1:-1] + plane[1:-1, :-2] + plane[1:-1, 2:]
    found[1:-1, 1:-1] = np.abs(4 * plane[1:-1, 1:-1] - beside)
    return found


def rank(plane, mask, rng):
    """Share of like places that are smoother than the mask, `None` where there are too few."""
    energy, brightness = laplacian(plane), plane[mask].mean()
    rows, columns = np.where(mask)
    shape = mask[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    found = []
    for _ in range(400):
        top, left = (rng.integers(0, size - side + 1) for size, side in zip(plane.shape, shape.shape))
        place = np.zeros_like(mask)
        place[top : top + shape.shape[0], left : left + shape.shape[1]] = shape
        if not (place & mask).any() and abs(plane[place].mean() - brightness) <= 12:
            found.append(energy[place].mean() < energy[mask].mean())
        if len(found) == 12:
            break
    return np.mean(found) if len(found) >= 4 else None


def least(plane):
    """The least of the map, and its place."""
    energy = np.log(box_mean(np.minimum(laplacian(plane), 40), 9) + 0.25)
    brightness = box_mean(plane, 9)
    level = np.clip((brightness / 8).astype(int), 0, 31)
    usual = np.full(32, np.nan)
    for index in range(32):
        if (level == index).sum() > 200:
            usual[index] = np.median(energy[level == index])
    excess = np.nan_to_num(energy - usual[level])
    excess[brightness < 8] = 0
    inner = box_mean(excess, 19)[12:-12, 12:-12]
    row, column = np.unravel_index(inner.argmin(), inner.shape)
    return inner.min(), (row + 12, column + 12)


def main():
    rng = np.random.default_rng(0)
    png = [r for r in csv.DictReader(MANIFEST.open()) if r["set"] == "aligned256" and r["path"].endswith(".png")]
    forged = [r for r in png if r["generator"] == GENERATOR]
    sources = {r["source"] for r in forged}
    real = [r for r in png if r["label"] == "real" and r["source"] in sources]
    rng.shuffle(real)
    rng.shuffle(forged)
    authentic = np.array([least(load(r["path"]))[0] for r in real[:240]])
    scores, inside, ranks = [], [], []
    for row in forged[:240]:
        plane, mask = load(row["path"]), load(row["mask"]) > 127
        score, place = least(plane)
        scores.append(score)
        inside.append(mask[place])
        if mask.sum() >= 20:
            ranks.append(rank(plane, mask, rng))
    ranks = [value for value in ranks if value is not None]
    print(f"{GENERATOR}: {len(scores)} images beside {len(authentic)} authentic ones")
    print(f"smoother elsewhere: {np.mean(ranks):.4f} of like places, over {len(ranks)} images")
    auroc = (np.array(scores)[:, None] < authentic[None]).mean()
    print(f"least of the map: AUROC {auroc:.3f}, inside the mask in {np.mean(inside):.3f}")


main()
