"""Seeded edits of DICOM files and pictures, to count what `veraray inspect` finds of them.

usage: inspect_edits.py OUT   (pydicom, numpy, pillow and DCMTK on the path)

Writes edited files below OUT/files and OUT/edits.csv: edit, expected code, file, base. Files of one
edit that belong together share a folder. Bases are pydicom's own test files and images generated
here, so that everything can be made anywhere. Deterministic.
"""

import csv
import io
import pathlib
import struct
import subprocess
import sys
import warnings
import zlib

import numpy as np
import pydicom
from PIL import Image, PngImagePlugin
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

warnings.filterwarnings("ignore")
OUT = pathlib.Path(sys.argv[1])
FILES = OUT / "files"
rows = []

# ------------------------------------------------------------------ bases


def texture(rng, rows_, columns, slope=1.1):
    """Noise with the falling spectrum of anatomy, and some shapes."""
    fy = np.fft.fftfreq(rows_)[:, None]
    fx = np.fft.fftfreq(columns)[None, :]
    amplitude = 1 / np.maximum(np.hypot(fx, fy), 1 / max(rows_, columns)) ** slope
    phase = np.exp(2j * np.pi * rng.random((rows_, columns)))
    field = np.real(np.fft.ifft2(amplitude * phase))
    field = (field - field.mean()) / field.std()
    y, x = np.mgrid[0:rows_, 0:columns]
    body = ((x / columns - 0.5) / 0.42) ** 2 + ((y / rows_ - 0.5) / 0.38) ** 2 < 1
    return field, body


def phantom(modality, index):
    """A conforming, scanner-like data set of a modality."""
    rng = np.random.default_rng(1000 + index)
    makers = {
        "CT": ("GE MEDICAL SYSTEMS", "1.2.840.113619.2.55", 0x0009, "GEMS_IDEN_01"),
        "MR": ("SIEMENS", "1.3.12.2.1107.5.2", 0x0029, "SIEMENS CSA HEADER"),
        "CR": ("FUJI PHOTO FILM Co., ltd.", "1.2.392.200036.9125.2", 0x0021, "FDMS 1.0"),
    }
    maker, root, group, creator = makers[modality]
    classes = {"CT": "2", "MR": "4", "CR": "1"}
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1." + classes[modality]
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = root.rsplit(".", 1)[0] + ".9"
    meta.ImplementationVersionName = "SCANNER_1"
    ds = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID = meta.MediaStorageSOPClassUID
    uid = f"{root}.{200 + index}"
    ds.SOPInstanceUID = uid + ".3.1"
    meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.StudyInstanceUID, ds.SeriesInstanceUID = uid + ".1", uid + ".2"
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Test^A", f"P{index}", "19600215", "F"
    ds.PatientAge = "059Y"
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = "20190611"
    ds.StudyTime, ds.SeriesTime, ds.AcquisitionTime, ds.ContentTime = "101000", "101200", "101300", "101301"
    ds.ReferringPhysicianName, ds.StudyID, ds.AccessionNumber = "", "1", "A1"
    ds.Modality, ds.SeriesNumber, ds.InstanceNumber = modality, "2", "1"
    ds.Manufacturer, ds.ManufacturerModelName, ds.SoftwareVersions = maker, "Model", "1.0"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"] if modality != "CR" else ["ORIGINAL", "PRIMARY"]
    block = ds.private_block(group, creator, create=True)
    block.add_new(1, "LO", "X")
    size = {"CT": 256, "MR": 256, "CR": 320}[modality]
    ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PhotometricInterpretation = size, size, 1, "MONOCHROME2"
    field, body = texture(rng, size, size)
    if modality == "CT":
        values = np.where(body, 40 + 60 * field + 400 * (field > 1.6), -1000) + rng.normal(0, 12, field.shape)
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
        ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "-1024", "1", "HU"
        pixels = np.clip(values + 1024, 0, 4095).astype("<i2")
        ds.KVP, ds.AcquisitionNumber = "120", "1"
        ds.WindowCenter, ds.WindowWidth = "40", "400"
    elif modality == "MR":
        signal = np.where(body, 500 + 160 * field, 0)
        values = np.hypot(signal + rng.normal(0, 9, field.shape), rng.normal(0, 9, field.shape))
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
        pixels = np.clip(values, 0, 4095).astype("<u2")
        ds.SmallestImagePixelValue, ds.LargestImagePixelValue = int(pixels.min()), int(pixels.max())
        ds.ScanningSequence, ds.SequenceVariant, ds.ScanOptions, ds.MRAcquisitionType = "SE", "SK", "", "2D"
        ds.RepetitionTime, ds.EchoTime, ds.EchoTrainLength, ds.MagneticFieldStrength = "500", "12", "1", "1.5"
        ds.WindowCenter, ds.WindowWidth = "600", "1200"
    else:
        values = 1800 + 500 * field + 300 * body + rng.normal(0, 15, field.shape)
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
        pixels = np.clip(values, 0, 4095).astype("<u2")
        ds.BodyPartExamined, ds.ViewPosition, ds.PatientOrientation = "CHEST", "PA", ["L", "F"]
        ds.KVP = "110"
    if modality in ("CT", "MR"):
        ds.FrameOfReferenceUID, ds.PositionReferenceIndicator, ds.PatientPosition = uid + ".9", "", "HFS"
        ds.PixelSpacing, ds.SliceThickness = ["0.7", "0.7"], "5"
        ds.ImageOrientationPatient, ds.ImagePositionPatient = ["1", "0", "0", "0", "1", "0"], ["0", "0", "0"]
    ds.PixelData = pixels.tobytes()
    ds["PixelData"].VR = "OW"
    return ds


def bytes_of(ds):
    out = io.BytesIO()
    ds.save_as(out, enforce_file_format=False)
    return out.getvalue()


def write(edit, code, name, data, base, folder=None):
    path = FILES / edit / (folder or "") / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    rows.append([edit, code, str(path), str(base)])


BASES = OUT / "bases"
BASES.mkdir(parents=True, exist_ok=True)
phantoms = []
for index in range(2):  # two patients
    for modality in ("CT", "MR", "CR"):
        path = BASES / f"{modality}{index}.dcm"
        path.write_bytes(bytes_of(phantom(modality, index)))
        phantoms.append(path)

theirs = []
for name in sorted((pathlib.Path(pydicom.__file__).parent / "data/test_files").rglob("*.dcm")):
    try:
        ds = pydicom.dcmread(name, force=True)
        if "PixelData" in ds and ds.file_meta.get("TransferSyntaxUID") in (
            ExplicitVRLittleEndian,
            "1.2.840.10008.1.2",
        ) and ds.get("SOPClassUID") and len(ds.PixelData) < 300_000:
            theirs.append(name)
    except Exception:
        pass
every = phantoms + theirs

# ------------------------------------------------------------------ DICOM header edits


def pixels_of(ds):
    if ds.SamplesPerPixel != 1:
        raise ValueError("colour")
    dtype = {(8, 0): "u1", (16, 0): "<u2", (16, 1): "<i2"}[(ds.BitsAllocated, ds.PixelRepresentation)]
    return np.frombuffer(ds.PixelData, dtype)[: ds.Rows * ds.Columns].reshape(ds.Rows, ds.Columns).copy()


def header(edit, code, change, bases=every, needs=lambda ds: True):
    for base in bases:
        ds = pydicom.dcmread(base, force=True)
        try:
            if not needs(ds):
                continue
            result = change(ds)
            ds = ds if result is None else result
            write(edit, code, base.stem + ".dcm", bytes_of(ds), base)
        except (KeyError, AttributeError, TypeError, ValueError):
            continue


def set_uid(value):
    def change(ds):
        ds.SOPInstanceUID = value(ds)
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    return change


rng = np.random.default_rng(7)
header("uid_from_pydicom", "dicom.uid.toolkit_root", set_uid(lambda ds: generate_uid(entropy_srcs=[str(ds.Rows)])))
header("uid_leading_zero", "dicom.uid.invalid", set_uid(lambda ds: ds.SOPInstanceUID[:50].rstrip(".") + ".012"))
header("uid_too_long", "dicom.uid.invalid", set_uid(lambda ds: ("1.2." + "3" * 80)))
header("uid_other_maker", "dicom.uid.vendor_mismatch", set_uid(lambda ds: "1.3.46.670589.11.1.2.3"), phantoms)


def study_is_series(ds):
    ds.SeriesInstanceUID = ds.StudyInstanceUID


def meta_differs(ds):
    ds.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4.5"


header("uid_study_is_series", "dicom.uid.levels", study_is_series)
header("meta_names_another_instance", "dicom.uid.meta", meta_differs)


def assign(**values):
    def change(ds):
        for key, value in values.items():
            setattr(ds, key, value)
    return change


dated = lambda ds: len(ds.get("StudyDate", "")) == 8
header("study_in_the_future", "dicom.date.future", assign(StudyDate="20880101", SeriesDate="20880101", AcquisitionDate="20880101", ContentDate="20880101"))
header("acquired_before_study", "dicom.date.order", assign(StudyDate="20200301", SeriesDate="20200301", AcquisitionDate="20200110", ContentDate="20200110"))
header("content_before_acquisition", "dicom.date.order", assign(StudyDate="20200301", SeriesDate="20200301", AcquisitionDate="20200301", ContentDate="20200225"))
header("born_after_study", "dicom.date.before_birth", lambda ds: assign(PatientBirthDate="20251224")(ds), needs=dated)
header("age_contradicts_birth", "dicom.date.age", assign(PatientBirthDate="19500101", StudyDate="20200101", PatientAge="012Y"))
header("no_such_date", "dicom.date.invalid", assign(StudyDate="20231345"))
header("ct_before_ct", "dicom.date.era", assign(StudyDate="19550101", SeriesDate="19550101", AcquisitionDate="19550101", ContentDate="19550101", PatientBirthDate=""), needs=lambda ds: ds.Modality in ("CT", "MR", "CR"))
header("maker_swapped", "dicom.equipment.private_creator", lambda ds: setattr(ds, "Manufacturer", "Philips Medical Systems"), phantoms)
header("private_stripped", "dicom.equipment.no_private", lambda ds: ds.remove_private_tags(), phantoms, lambda ds: ds.Modality in ("CT", "MR"))
header("modality_swapped", "dicom.equipment.modality", lambda ds: setattr(ds, "Modality", "MR" if ds.Modality == "CT" else "CT"), needs=lambda ds: ds.Modality in ("CT", "MR", "CR"))
header("echo_time_in_ct", "dicom.equipment.foreign_attributes", assign(EchoTime="12", RepetitionTime="500"), needs=lambda ds: ds.SOPClassUID == "1.2.840.10008.5.1.4.1.1.2")
header("class_to_secondary_capture", "dicom.equipment.secondary_capture", assign(SOPClassUID="1.2.840.10008.5.1.4.1.1.7", KVP="120"))
header("impossible_kvp", "dicom.equipment.implausible", assign(KVP="9000"), needs=lambda ds: ds.Modality == "CT")
header("skewed_axes", "dicom.equipment.implausible", assign(ImageOrientationPatient=["1", "0", "0", "0.5", "1", "0"]))


def derived_claims_original(ds):
    ds.ImageType = ["ORIGINAL"] + list(ds.get("ImageType", ["", "PRIMARY"]))[1:]
    ds.DerivationDescription = "Denoised"


header("derived_claims_original", "dicom.image_type.original_derived", derived_claims_original)
header("image_type_nonsense", "dicom.image_type.invalid", lambda ds: setattr(ds, "ImageType", ["GENUINE", "PRIMARY"]))


def synthetic(ds):
    ds.add_new(0x0008001C, "CS", "YES")


header("synthetic_data_yes", "dicom.synthetic", synthetic)
header("model_named_cyclegan", "dicom.generator", assign(ManufacturerModelName="CycleGAN 2"))
header("derivation_names_diffusion", "dicom.generator", assign(DerivationDescription="sampled from a latent diffusion model"))


def contributing(ds):
    item = Dataset()
    item.Manufacturer, item.ContributionDescription = "Acme", "Noise reduction"
    ds.ContributingEquipmentSequence = Sequence([item])


header("contributing_equipment", "dicom.contributing_equipment", contributing)
header("deidentified", "dicom.deidentified", assign(PatientIdentityRemoved="YES"))


def rewritten(ds):
    from pydicom.uid import PYDICOM_IMPLEMENTATION_UID

    ds.file_meta.ImplementationClassUID = PYDICOM_IMPLEMENTATION_UID
    ds.file_meta.ImplementationVersionName = "PYDICOM 3.0.2"


header("written_by_pydicom", "dicom.meta.toolkit", rewritten)

# ------------------------------------------------------------------ DICOM pixel edits

deep = lambda ds: ds.BitsAllocated == 16 and ds.SamplesPerPixel == 1 and ds.get("NumberOfFrames", 1) == 1


def put(ds, pixels):
    ds.PixelData = pixels.astype({0: "<u2", 1: "<i2"}[ds.PixelRepresentation]).tobytes()


def eight_bit(ds):
    pixels = pixels_of(ds).astype(float)
    low, high = pixels.min(), pixels.max()
    levels = np.round((pixels - low) / (high - low) * 255)
    put(ds, np.round(levels / 255 * (high - low) + low))


def narrow(ds):
    pixels = pixels_of(ds).astype(float)
    put(ds, np.round((pixels - pixels.min()) / (pixels.max() - pixels.min()) * 255))


def stretch(ds):
    pixels = pixels_of(ds).astype(float)
    low, high = np.percentile(pixels, 1), np.percentile(pixels, 99)
    put(ds, np.clip(np.round((pixels - low) * 1.7 + low), low, 4095))


wide = lambda ds: deep(ds) and np.ptp(pixels_of(ds)) >= 1024 and ds.Rows * ds.Columns >= 128 * 128
header("requantised_to_8_bit", "dicom.pixel.eight_bit", eight_bit, needs=wide)
header("replaced_by_8_bit_values", "dicom.pixel.narrow", narrow, needs=lambda ds: wide(ds) and ds.Modality in ("CT", "CR"))
header("contrast_stretched", "dicom.pixel.comb", stretch, needs=wide)
header("hounsfield_lost", "dicom.pixel.hounsfield", lambda ds: (put(ds, np.maximum(pixels_of(ds), 1024)), None)[1], needs=lambda ds: wide(ds) and ds.Modality == "CT")
header("pixels_replaced_header_kept", "dicom.pixel.range", lambda ds: put(ds, pixels_of(ds) + 700), needs=lambda ds: deep(ds) and "LargestImagePixelValue" in ds and 0 < ds.LargestImagePixelValue <= pixels_of(ds).max())
header("rows_halved", "dicom.pixel.length", lambda ds: setattr(ds, "Rows", ds.Rows // 2))
header("two_frames_claimed", "dicom.pixel.length", lambda ds: setattr(ds, "NumberOfFrames", int(ds.get("NumberOfFrames", 1)) * 2))
header("high_bit_wrong", "dicom.pixel.layout", lambda ds: setattr(ds, "HighBit", 3), needs=lambda ds: ds.BitsStored > 4)
header("window_elsewhere", "dicom.pixel.window", assign(WindowCenter="30000", WindowWidth="10"), needs=deep)
header("pixels_constant", "dicom.pixel.constant", lambda ds: put(ds, pixels_of(ds) * 0 + 7), needs=deep)


def reused(code, change, edit):
    for base in phantoms + theirs:
        ds = pydicom.dcmread(base, force=True)
        try:
            original = bytes_of(ds)
            change(ds)
            edited = bytes_of(ds)
        except (KeyError, AttributeError, TypeError, ValueError):
            continue
        path = FILES / edit / base.stem
        path.mkdir(parents=True, exist_ok=True)
        (path / "a.dcm").write_bytes(original)
        write(edit, code, "b.dcm", edited, base, base.stem)


def dot(ds):
    pixels = pixels_of(ds)
    pixels[3:9, 3:9] = pixels[20:26, 20:26] + 1
    put(ds, pixels) if ds.BitsAllocated == 16 else setattr(ds, "PixelData", pixels.tobytes())


reused("dicom.uid.reused", dot, "same_uid_other_pixels")
reused("dicom.uid.conflict", assign(PatientID="SOMEONE ELSE"), "series_with_two_patients")

# ------------------------------------------------------------------ DICOM structure and compression


def stripped(tags, edit, code):
    for tag in tags:
        due = {"ImageType": ("CT", "MR"), "KVP": ("CT",)}.get(tag, ("CT", "MR", "CR"))
        header(f"{edit}_{tag}", code, lambda ds, tag=tag: delattr(ds, tag), phantoms, lambda ds, tag=tag, due=due: tag in ds and ds.Modality in due)


stripped(["StudyInstanceUID", "Modality", "Rows", "PixelSpacing", "ImagePositionPatient", "RescaleSlope", "ImageType", "ScanningSequence", "FrameOfReferenceUID"], "type1_stripped", "dicom.module.type1")
stripped(["PatientSex", "AccessionNumber", "SliceThickness", "KVP", "EchoTime", "ViewPosition", "Manufacturer", "InstanceNumber"], "type2_stripped", "dicom.module.type2")
for base in every:
    data = base.read_bytes()
    if data[128:132] != b"DICM":
        continue
    write("preamble_of_a_program", "file.polyglot", base.stem + ".dcm", b"MZ\x90\0" + data[4:], base)
    write("preamble_of_a_tiff", "file.dual_tiff", base.stem + ".dcm", b"II*\0\x08\0\0\0" + data[8:], base)
    write("cut_in_half", "dicom.set.broken", base.stem + ".dcm", data[: len(data) * 2 // 3], base)
    start = data.find(b"\x08\0", 144)
    while 0 < start and not data[start + 2 : start + 4] in (b"\x05\0", b"\x08\0", b"\x12\0", b"\x16\0", b"\0\0"):
        start = data.find(b"\x08\0", start + 1)
    if start > 0:
        write("preamble_and_meta_removed", "dicom.meta.missing", base.stem + ".dcm", data[start:], base)
    at = data.find(b"\x28\0\x10\0US\2\0")
    if at > 0:
        write("rows_twice", "dicom.set.duplicate", base.stem + ".dcm", data[:at] + data[at : at + 10] + data[at:], base)


def tool(*arguments):
    return subprocess.run(arguments, capture_output=True).returncode == 0


scratch = OUT / "scratch"
scratch.mkdir(exist_ok=True)
for base in phantoms:
    lossy, plain = scratch / "lossy.dcm", scratch / "plain.dcm"
    if not tool("dcmcjpeg", "+ee", "+q", "70", base, lossy):
        continue
    ds = pydicom.dcmread(lossy)
    del ds.LossyImageCompression
    write("lossy_flag_removed", "dicom.compression.lossy_flag", base.stem + ".dcm", bytes_of(ds), base)
    ds = pydicom.dcmread(lossy)
    ds.LossyImageCompressionRatio = "80"
    write("ratio_overstated", "dicom.compression.ratio", base.stem + ".dcm", bytes_of(ds), base)
    if tool("dcmdjpeg", lossy, plain):
        write("lossy_then_decompressed", "dicom.compression.past", base.stem + ".dcm", plain.read_bytes(), base)
    if tool("dcmcrle", base, plain):
        data = plain.read_bytes().replace(b"1.2.840.10008.1.2.5\0", b"1.2.840.10008.1.2.1\0")
        write("transfer_syntax_swapped", "dicom.meta.transfer_syntax", base.stem + ".dcm", data, base)


# 8-bit secondary captures made from JPEG pictures, as converters make them.
def capture(pixels):
    ds = phantom("CR", 0)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    ds.Rows, ds.Columns = pixels.shape
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit = 7
    ds.PixelData = pixels.astype("u1").tobytes()
    return ds


# ------------------------------------------------------------------ pictures


def picture(index, size=512):
    """A grey 8-bit picture that was never compressed."""
    rng = np.random.default_rng(5000 + index)
    field, body = texture(rng, size, size, 1.0 + 0.1 * (index % 4))
    values = 110 + 34 * field + 30 * body + rng.normal(0, 2.0, field.shape)
    return np.clip(np.round(values), 1, 254).astype("u1")


def jpeg(pixels, quality, **options):
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=quality, **options)
    return out.getvalue()


def png(pixels, info=None, **options):
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", pnginfo=info, compress_level=1, **options)
    return out.getvalue()


def decoded(data):
    return np.asarray(Image.open(io.BytesIO(data)))


def pictures():
    return [(f"p{index}", picture(index)) for index in range(12)]


for name, pixels in pictures():
    base = BASES / f"{name}.png"
    base.write_bytes(png(pixels))
    for first, second in [(50, 90), (75, 95), (60, 80), (90, 75), (95, 60), (80, 85), (85, 85)]:
        data = jpeg(decoded(jpeg(pixels, first)), second)
        write(f"jpeg_{first}_then_{second}", "jpeg.double", name + ".jpg", data, base)
    for quality in (50, 75, 90, 95, 98):
        shown = decoded(jpeg(pixels, quality))
        write(f"jpeg_{quality}_then_png", "image.jpeg_history", name + ".png", png(shown), base)
        write(f"jpeg_{quality}_cropped_png", "image.jpeg_history", name + ".png", png(shown[3:, 5:]), base)
    write("jpeg_75_then_dicom", "image.jpeg_history", name + ".dcm", bytes_of(capture(decoded(jpeg(pixels, 75)))), base)
    for factor in (0.6, 0.75, 1.1, 1.3, 1.5, 2.0):
        for kernel in ("BILINEAR", "BICUBIC", "LANCZOS") if factor in (0.75, 1.3) else ("BICUBIC",):
            size = round(pixels.shape[0] * factor)
            resized = Image.fromarray(pixels).resize((size, size), getattr(Image.Resampling, kernel))
            write(f"resized_{factor}_{kernel.lower()}", "image.resampled", name + ".png", png(np.asarray(resized)), base)
    resized = Image.fromarray(pixels).resize((666, 666), Image.Resampling.BICUBIC)
    write("resized_1.3_then_jpeg_90", "image.resampled", name + ".jpg", jpeg(np.asarray(resized), 90), base)


def text(**pairs):
    info = PngImagePlugin.PngInfo()
    for key, value in pairs.items():
        info.add_text(key.replace("_", " "), value, zip=len(value) > 400)
    return info


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def cbor(value):
    def head(major, number):
        if number < 24:
            return bytes([major << 5 | number])
        return bytes([major << 5 | 25]) + struct.pack(">H", number)
    if isinstance(value, dict):
        return head(5, len(value)) + b"".join(cbor(k) + cbor(v) for k, v in value.items())
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(cbor, value))
    return head(3, len(value.encode())) + value.encode()


def box(kind, body):
    return struct.pack(">I", 8 + len(body)) + kind + body


def jumbf(label, kind, *content):
    description = kind + b"\0\x11\0\x10\x80\0\0\xaa\0\x38\x9b\x71" + b"\x03" + label.encode() + b"\0"
    return box(b"jumb", box(b"jumd", description) + b"".join(content))


SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
actions = {"actions": [{"action": "c2pa.created", "softwareAgent": "Painter 9", "digitalSourceType": SOURCE}]}
plain = {"actions": [{"action": "c2pa.opened", "softwareAgent": "Camera 1"}]}


def manifest(actions):
    return jumbf("c2pa", b"c2pa", jumbf("urn:uuid:0", b"c2ma",
        jumbf("c2pa.assertions", b"c2as", jumbf("c2pa.actions", b"cbor", box(b"cbor", cbor(actions)))),
        jumbf("c2pa.claim", b"c2cl", box(b"cbor", cbor({"claim_generator": "Painter/9 c2pa-rs/0.28", "alg": "sha256"}))),
        jumbf("c2pa.signature", b"c2cs", box(b"cbor", b"\xd2\x84\x40\xa0\xf6\x40"))))


def app11(store, size=60_000):
    out = b""
    for sequence, at in enumerate(range(8, len(store), size), 1):
        body = b"JP\0\1" + struct.pack(">I", sequence) + store[:8] + store[at : at + size]
        out += b"\xff\xeb" + struct.pack(">H", len(body) + 2) + body
    return out


XMP = b'http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description xmp:CreatorTool="%s" Iptc4xmpExt:DigitalSourceType="%s"/></x:xmpmeta>'


def segment(marker, body):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body


for name, pixels in pictures()[:6]:
    base = BASES / f"{name}.png"
    small = pixels[:256, :256]
    image = png(small)
    photo = jpeg(small, 88)
    put_jpeg = lambda extra: photo[:2] + extra + photo[2:]
    put_png = lambda extra: image[:33] + extra + image[33:]
    parameters = "chest radiograph, no finding\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512"
    write("png_stable_diffusion", "metadata.generator", name + ".png", png(small, text(parameters=parameters)), base)
    write("png_comfyui", "metadata.generator", name + ".png", png(small, text(prompt='{"3": {"class_type": "KSampler"}}' + " " * 600)), base)
    write("png_software_photoshop", "metadata.editor", name + ".png", png(small, text(Software="Adobe Photoshop 25.0")), base)
    write("png_text_comment", "png.text", name + ".png", png(small, text(Comment="hello")), base)
    write("png_c2pa_generated", "c2pa.generated", name + ".png", put_png(chunk(b"caBX", manifest(actions))), base)
    write("png_c2pa_camera", "c2pa.manifest", name + ".png", put_png(chunk(b"caBX", manifest(plain))), base)
    write("jpeg_c2pa_generated", "c2pa.generated", name + ".jpg", put_jpeg(app11(manifest(actions))), base)
    write("jpeg_c2pa_in_pieces", "c2pa.generated", name + ".jpg", put_jpeg(app11(manifest(actions), 100)), base)
    write("jpeg_xmp_generated", "metadata.generator", name + ".jpg", put_jpeg(segment(0xE1, XMP % (b"Painter", SOURCE.encode()))), base)
    write("jpeg_xmp_editor", "metadata.editor", name + ".jpg", put_jpeg(segment(0xE1, XMP % (b"GIMP 2.10", b"none"))), base)
    write("jpeg_app13", "metadata.editor", name + ".jpg", put_jpeg(segment(0xED, b"Photoshop 3.0\0" + b"8BIM\4\4\0\0\0\0\0\0")), base)
    exif = Image.Exif()
    exif[0x0131] = "GIMP 2.10.34"
    write("jpeg_exif_editor", "metadata.editor", name + ".jpg", jpeg(small, 88, exif=exif), base)
    tiff = io.BytesIO()
    Image.fromarray(small).save(tiff, "TIFF", software="Stable Diffusion XL", compression="tiff_lzw")
    write("tiff_generator", "metadata.generator", name + ".tif", tiff.getvalue(), base)
    write("png_zip_behind", "file.polyglot", name + ".png", image + b"PK\3\4" + bytes(60), base)
    write("jpeg_bytes_behind", "file.trailing", name + ".jpg", photo + bytes(range(200)), base)
    write("png_checksum_wrong", "png.broken", name + ".png", put_png(chunk(b"tEXt", b"a\0b")[:-1] + b"\0"), base)
    write("jpeg_own_tables", "jpeg.custom_tables", name + ".jpg", jpeg(small, 88, qtables=[[9 + i // 3 for i in range(64)]]), base)
    write("jpeg_quality", "jpeg.tables", name + ".jpg", photo, base)

# ------------------------------------------------------------------ controls: nothing is to be found

for name, pixels in pictures():
    base = BASES / f"{name}.png"
    for quality in (50, 60, 75, 80, 85, 90, 95):
        write(f"control_jpeg_{quality}", "!jpeg.double", name + ".jpg", jpeg(pixels, quality), base)
    write("control_png", "!image.jpeg_history", name + ".png", png(pixels), base)
    write("control_png_resampled", "!image.resampled", name + ".png", png(pixels), base)
    write("control_dicom", "!image.jpeg_history", name + ".dcm", bytes_of(capture(pixels)), base)

with open(OUT / "edits.csv", "w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(["edit", "code", "file", "base"])
    writer.writerows(rows)
print(len(rows), "edited files")
