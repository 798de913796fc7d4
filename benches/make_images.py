"""Makes the images that the throughput bench scans.

Usage: make_images.py FOLDER
Smooth anatomy-like shapes with signal-dependent noise, from a fixed seed: 400 PNGs of 256x256, 100
PNGs of 1024x1024 (both 8 bit) and 100 uncompressed 16-bit DICOM CT slices of 512x512.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid


def picture(rng, side):
    """A plane in [0, 1]: a few soft ellipses, then noise that grows with the signal."""
    y, x = np.mgrid[0:side, 0:side] / side - 0.5
    plane = np.zeros((side, side))
    for _ in range(6):
        cy, cx = rng.uniform(-0.3, 0.3, 2)
        ry, rx = rng.uniform(0.05, 0.4, 2)
        distance = ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2
        plane += rng.uniform(0.1, 0.4) / (1 + np.exp(np.minimum(20 * (distance - 1), 50)))
    plane += rng.normal(size=plane.shape) * 0.01 * (0.5 + plane)
    return np.clip(plane, 0, 1)


def main(folder):
    rng = np.random.default_rng(1)
    for side, count in ((256, 400), (1024, 100)):
        target = folder / f"png{side}"
        target.mkdir(parents=True, exist_ok=True)
        for index in range(count):
            pixels = (picture(rng, side) * 255).astype(np.uint8)
            Image.fromarray(pixels).save(target / f"{index:04}.png")
    target = folder / "dicom512"
    target.mkdir(parents=True, exist_ok=True)
    for index in range(100):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[str(index)])
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
        ds.SOPClassUID = meta.MediaStorageSOPClassUID
        ds.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
        ds.Modality = "CT"
        ds.Rows = ds.Columns = 512
        ds.SamplesPerPixel = 1
        ds.PhotometricInterpretation = "MONOCHROME2"
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 12, 11
        ds.PixelRepresentation = 0
        ds.RescaleIntercept, ds.RescaleSlope = -1024, 1
        ds.WindowCenter, ds.WindowWidth = 40, 1500
        ds.PixelData = (picture(rng, 512) * 2500).astype("<u2").tobytes()
        ds.save_as(target / f"{index:04}.dcm", enforce_file_format=True)


main(Path(sys.argv[1]))
