"""Reads and writes packs with h5py.

dump PACK           prints, per image, what the pack holds as JSON
write PACK          writes a small pack by hand, in the documented layout
table FILE          writes a DICOM file with a VOI lookup table
"""

import hashlib
import json
import pathlib
import sys

import h5py
import numpy as np


def images(path):
    """Every row of a pack with its pixels and mask, as docs/formats.md says."""
    with h5py.File(path) as file:
        if file.attrs["format"] == "veraray-pack-index":
            for shard in file["shards"].values():
                yield from rows(shard)
        else:
            yield from rows(file)


def rows(file):
    index, manifest = file["index"], file["manifest"]
    for i in range(len(index["row"])):
        row = {name: column.asstr()[i] for name, column in manifest.items()}
        pixels = file["stacks"][index["stack"].asstr()[i]]["pixels"][index["row"][i]]
        mask = None
        if index["mask_stack"].asstr()[i]:
            mask = file["masks"][index["mask_stack"].asstr()[i]]["pixels"][index["mask_row"][i]]
        checksum = hashlib.sha256(pixels.tobytes()).hexdigest()
        assert checksum == index["sha256"].asstr()[i], row["path"]
        display = {name: index[name][i].item() for name in ("inverted", "voi_a", "voi_b")}
        yield row, int(index["frame"][i]), pixels, mask, display, index["voi"].asstr()[i]


def dump(path):
    out = []
    for row, frame, pixels, mask, display, voi in images(path):
        out.append({
            "path": row["path"],
            "label": row["label"],
            "note": row.get("note"),
            "frame": frame,
            "dtype": str(pixels.dtype),
            "shape": list(pixels.shape),
            "pixels": pixels.astype(np.float64).ravel().tolist(),
            "mask": None if mask is None else mask.ravel().tolist(),
            "voi": voi,
            **display,
        })
    json.dump(out, sys.stdout)


def write(path):
    rng = np.random.default_rng(3)
    text = h5py.string_dtype()
    with h5py.File(path, "w") as file:
        file.attrs["format"] = "veraray-pack"
        file.attrs["version"] = 1
        small = rng.integers(0, 256, (3, 8, 6), dtype=np.uint8)
        deep = rng.integers(-1000, 3000, (2, 5, 7), dtype=np.int16)
        # Any chunking, gzip with and without shuffle.
        file.create_dataset("stacks/small/pixels", data=small, chunks=(2, 8, 6), compression="gzip", shuffle=True)
        file.create_dataset("stacks/deep/pixels", data=deep)
        file.create_dataset("masks/small/pixels", data=(small[:1] > 99).astype(np.uint8) * 255)
        file.create_dataset("manifest/path", data=[f"{i}.png" for i in range(5)], dtype=text)
        file.create_dataset("manifest/label", data=["real", "tampered", "real", "real", "real"], dtype=text)
        file.create_dataset("manifest/generator", data=["", "brush", "", "", ""], dtype=text)
        file.create_dataset("index/stack", data=["small"] * 3 + ["deep"] * 2, dtype=text)
        file.create_dataset("index/row", data=np.array([0, 1, 2, 0, 1]))
        file.create_dataset("index/mask_stack", data=["", "small", "", "", ""], dtype=text)
        file.create_dataset("index/mask_row", data=np.zeros(5, np.int32))
        sums = [hashlib.sha256(p.tobytes()).hexdigest() for p in [*small, *deep]]
        file.create_dataset("index/sha256", data=sums, dtype=text)
    json.dump([p.astype(float).ravel().tolist() for p in [*small, *deep]], sys.stdout)


def table(path):
    import pydicom
    from pydicom.data import get_testdata_file
    from pydicom.dataset import Dataset

    data = pydicom.dcmread(get_testdata_file("MR_small.dcm"))
    item = Dataset()
    item.add_new((0x0028, 0x3002), "US", [256, 0, 12])
    item.add_new((0x0028, 0x3006), "US", [i * 16 for i in range(256)])
    data.VOILUTSequence = [item]
    for name in ("WindowCenter", "WindowWidth"):
        if name in data:
            delattr(data, name)
    data.save_as(path)
    json.dump(None, sys.stdout)


{"dump": dump, "write": write, "table": table}[sys.argv[1]](pathlib.Path(sys.argv[2]))
