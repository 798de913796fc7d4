"""What pydicom, nibabel, h5py, tifffile and Pillow make of images, for the Rust tests to compare with.

usage: reference.py pydicom OUT    decode every pydicom test file that has pixels
       reference.py made OUT       write DICOM files of further kinds and decode them
       reference.py formats OUT    write small files in other formats, with their values

All write OUT/index.json and raw little-endian float32 files that it names.
"""

import json
import logging
import sys
import warnings
from pathlib import Path

import numpy as np

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)


def raw(out: Path, name: str, array) -> str:
    np.ascontiguousarray(array, dtype="<f4").tofile(out / name)
    return name


def presentation(values, ds):
    """VOI-applied values in [0, 1], 0 = black, or None where the file names no VOI."""
    from pydicom.pixels.processing import apply_voi_lut

    lut = ds.get("VOILUTSequence")
    if not lut and (ds.get("WindowCenter") is None or ds.get("WindowWidth") is None):
        return None
    if lut:
        if not np.issubdtype(values.dtype, np.integer):
            values = np.round(values).astype("int32")
        low, high = 0, 2 ** lut[0].LUTDescriptor[2] - 1
    else:
        # The output range of pydicom's apply_windowing.
        signed = ds.PixelRepresentation == 1
        low = -(2 ** (ds.BitsStored - 1)) if signed else 0
        high = low + 2**ds.BitsStored - 1
        slope, intercept = ds.get("RescaleSlope"), ds.get("RescaleIntercept")
        if ds.get("ModalityLUTSequence"):
            low, high = 0, 2 ** ds.ModalityLUTSequence[0].LUTDescriptor[2] - 1
        if slope is not None and intercept is not None:
            low, high = low * float(slope) + float(intercept), high * float(slope) + float(intercept)
    shown = (apply_voi_lut(values.copy(), ds).astype("float64") - low) / (high - low)
    return 1 - shown if ds.PhotometricInterpretation == "MONOCHROME1" else shown


def decode(ds):
    """Frames of modality values, with colour as RGB."""
    from pydicom.pixels.processing import apply_color_lut, apply_modality_lut

    try:
        int(ds.get("NumberOfFrames") or 1)
    except ValueError:
        ds.NumberOfFrames = 1  # badVR.dcm says '1A' and holds 15
        ds.PixelData = ds.PixelData[: ds.Rows * ds.Columns * ds.BitsAllocated // 8]
    pixels = ds.pixel_array
    if int(ds.get("NumberOfFrames") or 1) == 1:
        pixels = pixels[np.newaxis]
    if ds.PhotometricInterpretation == "PALETTE COLOR":
        return apply_color_lut(pixels, ds)
    if ds.SamplesPerPixel == 3:
        return pixels
    return apply_modality_lut(pixels, ds)


def describe(out: Path, position: int, entry: dict, ds, frames=None):
    """Adds the first and the last frame to `entry`, or why there are none."""
    try:
        frames = decode(ds) if frames is None else frames
    except Exception as error:
        entry["failure"] = str(error).splitlines()[-1].strip()
        return
    entry["frames"] = []
    for number in sorted({0, len(frames) - 1}):
        frame = frames[number]
        stem = f"{position}-{number}"
        item = {"number": number, "modality": raw(out, f"{stem}.modality", frame)}
        shown = presentation(frame, ds) if frame.ndim == 2 else None
        item["voi"] = None if shown is None else raw(out, f"{stem}.voi", shown)
        entry["frames"].append(item)
    entry["count"] = len(frames)
    # One stored level as a modality value, for decoders that round differently.
    entry["level"] = abs(float(ds.get("RescaleSlope", 1) or 1))


# Files that pydicom's plugins refuse, and the file that holds the same picture.
TWINS = {"JPEG-lossy.dcm": "JPGExtended.dcm"}  # a scan header with an impossible spectral selection


def pydicom_files(out: Path):
    import pydicom

    base = Path(pydicom.__file__).parent / "data" / "test_files"
    index = []
    for path in sorted(p for p in base.rglob("*") if p.is_file()):
        try:
            ds = pydicom.dcmread(path, force=True)
        except Exception:
            continue
        if not any(k in ds for k in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
            continue
        name = str(path.relative_to(base))
        entry = {"path": str(path), "name": name, "image": "Rows" in ds and "BitsAllocated" in ds}
        entry["syntax"] = str(ds.file_meta.get("TransferSyntaxUID", "")) if "file_meta" in dir(ds) else ""
        if name in TWINS:
            ds = pydicom.dcmread(path.parent / TWINS[name])
        describe(out, len(index), entry, ds)
        index.append(entry)
    (out / "index.json").write_text(json.dumps(index))


def made_files(out: Path):
    """DICOM files of our own, for what pydicom's test files leave out."""
    import jpeg_ls
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.encaps import encapsulate, encapsulate_extended
    from pydicom.uid import UID, ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless

    random = np.random.default_rng(3)
    index = []
    rows, columns = 33, 46
    slope = np.add.outer(np.arange(rows) * 40.0, np.arange(columns) * 35.0)

    def picture(bits, signed=False, shape=(rows, columns)):
        top = 2**bits - 1
        values = np.clip(slope / slope.max() * top + random.normal(0, top / 50 + 0.5, shape[-2:]), 0, top)
        values[5:9, 10:30] = top // 3  # flat, for run-length modes
        values = values.astype("i8") - (2 ** (bits - 1) if signed else 0)
        return values.astype(("i" if signed else "u") + ("1" if bits <= 8 else "2" if bits <= 16 else "4"))

    def data_set(pixels, bits, high_bit=None, color=None):
        ds = Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.SOPClassUID, ds.SOPInstanceUID, ds.Modality = "1.2.840.10008.5.1.4.1.1.7", "2.25.7", "OT"
        ds.Rows, ds.Columns = rows, columns
        ds.SamplesPerPixel = 3 if color else 1
        ds.PhotometricInterpretation = color or "MONOCHROME2"
        if color:
            ds.PlanarConfiguration = 0
        ds.BitsAllocated, ds.BitsStored = pixels.dtype.itemsize * 8, bits
        ds.HighBit = bits - 1 if high_bit is None else high_bit
        ds.PixelRepresentation = int(pixels.dtype.kind == "i")
        ds.PixelData = pixels.tobytes()
        ds["PixelData"].VR = "OW" if pixels.dtype.itemsize > 1 else "OB"
        return ds

    def add(name, ds, reference=None, frames=None, edit=lambda data: data):
        path = out / f"{name}.dcm"
        entry = {"path": str(path), "name": name, "image": True, "syntax": str(ds.file_meta.TransferSyntaxUID)}
        ds.save_as(path, enforce_file_format=True)
        path.write_bytes(edit(path.read_bytes()))
        describe(out, len(index), entry, reference if reference is not None else ds, frames)
        index.append(entry)

    def encoded(ds, uid, *frames):
        ds.file_meta.TransferSyntaxUID = UID(uid)
        ds.PixelData = encapsulate(list(frames))
        ds["PixelData"].VR = "OB"
        ds["PixelData"].is_undefined_length = True
        return ds

    # Lookup tables and windows
    for function in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        ds = data_set(picture(12, True), 12)
        ds.RescaleSlope, ds.RescaleIntercept, ds.VOILUTFunction = "2.5", "-1000", function
        ds.WindowCenter, ds.WindowWidth = ["-300", "40"], ["2000", "400"]
        add(f"window-{function}", ds)
    ds = data_set(picture(12), 12)
    ds.PhotometricInterpretation = "MONOCHROME1"
    item = Dataset()
    item.LUTDescriptor, item.LUTData = [4000, 50, 14], [int(v**0.5 * 250) for v in range(4000)]
    item["LUTDescriptor"].VR = item["LUTData"].VR = "US"
    ds.VOILUTSequence = [item]
    add("voi-table", ds)
    ds = data_set(picture(10), 10)
    item = Dataset()
    item.LUTDescriptor, item.LUTData = [900, 100, 16], [65535 - 70 * v for v in range(900)]
    item["LUTDescriptor"].VR = item["LUTData"].VR = "US"
    ds.ModalityLUTSequence, ds.WindowCenter, ds.WindowWidth = [item], "30000", "50000"
    add("modality-table", ds)
    # Layouts
    clean = picture(12, True)
    overlay = (clean.view("u2") & 0x0FFF) | np.where(slope % 3 > 1, 0xF000, 0).astype("u2")
    add("overlay-bits", data_set(overlay.view("i2"), 12), data_set(clean, 12))
    shifted = picture(12)
    add("high-bit", data_set(shifted << 4, 12, 15), data_set(shifted, 12))
    rgb = np.dstack([picture(8), picture(8)[::-1], picture(8)[:, ::-1]])
    ds = data_set(np.ascontiguousarray(np.moveaxis(rgb, 2, 0)), 8, color="RGB")
    ds.PlanarConfiguration = 1
    add("planar", ds)
    ds = data_set(rgb, 8, color="YBR_FULL")
    add("ybr-full", ds)
    indices = picture(8)
    ds = data_set(indices, 8)
    ds.PhotometricInterpretation = "PALETTE COLOR"
    for number, color in enumerate(("Red", "Green", "Blue")):
        table = ((np.arange(256) * (number + 3) * 257) % 65536).astype("u2")
        setattr(ds, f"{color}PaletteColorLookupTableDescriptor", [256, 0, 16])
        ds[f"{color}PaletteColorLookupTableDescriptor"].VR = "US"
        setattr(ds, f"{color}PaletteColorLookupTableData", table.tobytes())
    add("palette-16", ds)
    for kind, keyword in (("f4", "FloatPixelData"), ("f8", "DoubleFloatPixelData")):
        values = picture(16).astype(kind) / 7
        ds = data_set(picture(16), 16)
        del ds.PixelData, ds.BitsStored, ds.HighBit, ds.PixelRepresentation
        ds.BitsAllocated = values.dtype.itemsize * 8
        setattr(ds, keyword, values.tobytes())
        add(f"float-{kind}", ds)
    bits = (np.arange(3 * rows * columns) % 7 % 2).astype("u1").reshape(3, rows, columns)
    ds = data_set(bits, 1)
    ds.BitsAllocated, ds.NumberOfFrames = 1, 3
    ds.PixelData = np.packbits(bits, axis=None, bitorder="little").tobytes() + b"\0"
    add("bits-3-frames", ds, frames=bits)
    # Frames with a rescale and a window of their own
    stored = np.stack([picture(12) for _ in range(3)])
    ds = data_set(stored, 12)
    ds.NumberOfFrames, ds.PerFrameFunctionalGroupsSequence = 3, []
    for number in range(3):
        group, transform, voi = Dataset(), Dataset(), Dataset()
        transform.RescaleSlope, transform.RescaleIntercept = str(number + 1), str(-100 * number)
        voi.WindowCenter, voi.WindowWidth = "1000", "1800"
        group.PixelValueTransformationSequence, group.FrameVOILUTSequence = [transform], [voi]
        ds.PerFrameFunctionalGroupsSequence.append(group)
    add("functional-groups", ds, frames=[(frame * (n + 1.0) - 100 * n) for n, frame in enumerate(stored)])
    # Files that lack what a Part 10 file starts with
    plain = data_set(picture(12), 12)
    plain.WindowCenter, plain.WindowWidth = "1000", "1500"
    add("no-preamble", plain, edit=lambda data: data[132:])
    start = lambda data: 144 + int.from_bytes(data[140:144], "little")
    add("no-meta", plain, edit=lambda data: data[start(data) :])
    syntax = b"\x02\0\x10\0UI"
    add("no-syntax", plain, edit=lambda data: data.replace(syntax, b"\x02\0\x11\0UI"))
    lying = b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2\0\0\0"
    add("wrong-syntax", plain, edit=lambda data: data.replace(*lying))
    # Codecs
    frames = [picture(16) for _ in range(3)]
    for name, fragments, table in (("offsets", 2, True), ("no-offsets", 2, False), ("one-each", 1, False)):
        ds = data_set(np.stack(frames), 16)
        ds.NumberOfFrames = 3
        streams = [jpeg_ls.encode_array(frame) for frame in frames]
        encoded(ds, JPEGLSLossless)
        ds.PixelData = encapsulate(streams, fragments_per_frame=fragments, has_bot=table)
        add(f"fragments-{name}", ds, frames=frames)
    ds = data_set(np.stack(frames), 16)
    ds.NumberOfFrames = 3
    encoded(ds, JPEGLSLossless)
    data, offsets, lengths = encapsulate_extended(streams)
    ds.PixelData, ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths = data, offsets, lengths
    add("fragments-extended", ds, frames=frames)
    for bits, signed in ((8, False), (10, False), (12, True), (16, True), (16, False)):
        sign = "s" if signed else "u"
        ds = data_set(picture(bits, signed), bits)
        ds.compress(JPEG2000Lossless, generate_instance_uid=False)
        add(f"j2k-{sign}{bits}", ds)
        ds = data_set(picture(bits, signed), bits)
        ds.compress(RLELossless, generate_instance_uid=False)
        add(f"rle-{sign}{bits}", ds)
        for near in (0, 2):
            pixels = picture(bits)
            ds = data_set(pixels, bits)
            add(f"jls-{bits}-near{near}-{sign}", encoded(ds, JPEGLSLossless, jpeg_ls.encode_array(pixels, lossy_error=near)))
    for near in (0, 3):
        for mode, name in ((1, "line"), (2, "sample")):
            stream = jpeg_ls.encode_array(rgb, lossy_error=near, interleave_mode=mode)
            add(f"jls-rgb-{name}-near{near}", encoded(data_set(rgb, 8, color="RGB"), JPEGLSLossless, stream))
        planes = np.ascontiguousarray(np.moveaxis(rgb, 2, 0))
        stream = jpeg_ls.encode_pixel_data(
            planes.tobytes(), lossy_error=near, interleave_mode=0, rows=rows, columns=columns,
            samples_per_pixel=3, bits_stored=8,
        )
        add(f"jls-rgb-plane-near{near}", encoded(data_set(rgb, 8, color="RGB"), JPEGLSLossless, stream))
    flat = np.zeros((rows, columns), "u1")
    add("jls-flat", encoded(data_set(flat, 8), JPEGLSLossless, jpeg_ls.encode_array(flat)))
    (out / "index.json").write_text(json.dumps(index))


def format_files(out: Path):
    import h5py
    import nibabel
    import tifffile
    from PIL import Image

    random = np.random.default_rng(7)
    index = []

    def add(name, frames, tolerance=0.0):
        frames = [np.asarray(f) for f in frames]
        for number, frame in enumerate(frames):
            raw(out, f"{name}.{number}", frame)
        shape = list(frames[0].shape)
        index.append({"name": name, "shape": shape, "count": len(frames), "tolerance": tolerance})

    def image(high, dtype, shape=(37, 53)):
        smooth = np.add.outer(np.linspace(0, high / 2, shape[0]), np.linspace(0, high / 2, shape[1]))
        noise = random.integers(0, max(high // 16, 2), shape)
        return np.clip(smooth - noise, 0, high).astype(dtype)

    # HDF5
    for kind, high in (("u1", 255), ("u2", 4095), ("f4", 2000)):
        stack = np.stack([image(high, kind) for _ in range(5)])
        for name, options in (
            ("plain", {}),
            ("chunked", {"chunks": (2, 16, 16), "compression": "gzip", "shuffle": True}),
            ("latest", {"chunks": (1, 37, 53), "compression": "gzip", "fletcher32": True}),
        ):
            file = f"{name}-{kind}.h5"
            with h5py.File(out / file, "w", libver="latest" if name == "latest" else "earliest") as h5:
                h5.create_dataset("group/volume", data=stack, **options)
                h5.create_dataset("labels", data=np.arange(5))
            add(file, stack)
        with h5py.File(out / f"flat-{kind}.h5", "w") as h5:
            h5["slice"] = stack[0]
        add(f"flat-{kind}.h5", stack[:1])
    color = random.integers(0, 256, (3, 20, 24, 3)).astype("u1")
    with h5py.File(out / "color.h5", "w") as h5:
        h5.create_dataset("images", data=color, chunks=(1, 20, 24, 3), compression="gzip")
    add("color.h5", color)
    halves = image(100, "f2")
    with h5py.File(out / "half.h5", "w", userblock_size=512) as h5:
        h5["x"] = halves.astype(">f2")
    add("half.h5", [halves])
    with h5py.File(out / "refused-kspace.h5", "w") as h5:
        h5["kspace"] = np.zeros((2, 8, 8), "c8")
    with h5py.File(out / "refused-labels.h5", "w") as h5:
        h5["labels"] = np.arange(10)

    # NIfTI
    volume = random.integers(-1000, 3000, (53, 37, 6)).astype("i2")
    nibabel.save(nibabel.Nifti1Image(volume, np.diag([0.5, 0.7, 2, 1])), out / "int16.nii.gz")
    add("int16.nii.gz", np.moveaxis(volume, 2, 0).swapaxes(1, 2))
    floats = random.normal(0, 100, (53, 37, 4)).astype("f4")
    floats[3, 4, 1], floats[5, 6, 1], floats[7, 8, 1] = np.nan, np.inf, -np.inf
    nibabel.save(nibabel.Nifti2Image(floats, np.eye(4)), out / "float32.nii")
    clean = floats.copy()
    clean[~np.isfinite(clean)] = clean[:, :, 1][np.isfinite(clean[:, :, 1])].min()
    add("float32.nii", np.moveaxis(clean, 2, 0).swapaxes(1, 2))
    scaled = nibabel.Nifti1Image(np.abs(volume).astype(">u2")[..., np.newaxis].repeat(2, 3), np.eye(4))
    scaled.header.set_slope_inter(0.5, -100)
    header = scaled.header.as_byteswapped(">")
    header.set_data_dtype(">u2")
    stored = np.abs(volume)[..., np.newaxis].repeat(2, 3)
    with open(out / "scaled.nii", "wb") as file:
        header["magic"], header["vox_offset"], header["scl_slope"], header["scl_inter"] = b"n+1", 352, 0.5, -100
        file.write(header.binaryblock + b"\0" * 4 + stored.astype(">u2").tobytes("F"))
    values = np.moveaxis(stored.reshape(53, 37, -1, order="F") * 0.5 - 100, 2, 0).swapaxes(1, 2)
    add("scaled.nii", values)
    pair = nibabel.Nifti1Pair(volume, np.eye(4))
    nibabel.save(pair, out / "refused-pair.hdr")

    # Rasters
    deep = image(65535, "u2")
    Image.fromarray(deep).save(out / "deep.png")
    add("deep.png", [deep])
    gray, rgb = image(255, "u1"), random.integers(0, 256, (37, 53, 3)).astype("u1")
    Image.fromarray(gray).save(out / "gray.png")
    add("gray.png", [gray])
    Image.fromarray(np.dstack([rgb, gray])).save(out / "alpha.png")
    add("alpha.png", [rgb])
    palette = Image.fromarray(rgb).quantize(32)
    palette.save(out / "palette.png")
    add("palette.png", [np.asarray(palette.convert("RGB"))])
    Image.fromarray(gray).save(out / "lossless.webp", lossless=True)
    add("lossless.webp", [np.dstack([gray] * 3)])
    smooth = np.dstack([gray, gray[::-1], gray[:, ::-1]])
    for name, picture, options in (
        ("gray.jpg", gray, {"quality": 90}),
        ("color.jpg", smooth, {"quality": 90, "subsampling": 0}),
        ("progressive.jpg", gray, {"quality": 75, "progressive": True}),
    ):
        Image.fromarray(picture).save(out / name, **options)
        add(name, [np.asarray(Image.open(out / name))], 2.0)
    tifffile.imwrite(out / "deep.tif", deep, photometric="minisblack")
    add("deep.tif", [deep])
    pages = np.stack([image(4095, "u2") for _ in range(3)])
    tifffile.imwrite(out / "pages.tif", pages, photometric="minisblack", compression="zlib", predictor=True)
    add("pages.tif", pages)
    floating = image(1000, "f4")
    tifffile.imwrite(out / "float.tif", floating, photometric="minisblack", bigtiff=True)
    add("float.tif", [floating])
    tifffile.imwrite(out / "planar.tif", np.moveaxis(rgb, 2, 0), photometric="rgb", planarconfig="separate")
    add("planar.tif", [rgb])
    Image.fromarray(gray > 100).save(out / "bits.tif")
    add("bits.tif", [gray > 100])
    tifffile.imwrite(out / "white.tif", gray, photometric="miniswhite")
    add("white.tif", [255 - gray])
    (out / "index.json").write_text(json.dumps(index))


if __name__ == "__main__":
    what, out = sys.argv[1], Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    {"pydicom": pydicom_files, "made": made_files, "formats": format_files}[what](out)
