"""Writes miniature trees in the layouts of public collections, and DICOM files for `data scan`.

Usage: trees.py OUT
"""

import csv
import gzip
import pathlib
import sys

import h5py
import nibabel
import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

out = pathlib.Path(sys.argv[1])
rng = np.random.default_rng(7)


def place(name):
    path = out / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def picture(name, bits=8, blank=False):
    top = 255 if bits == 8 else 65535
    kind = np.uint8 if bits == 8 else np.uint16
    pixels = np.zeros((16, 16), kind) if blank else rng.integers(0, top, (16, 16), endpoint=True).astype(kind)
    Image.fromarray(pixels).save(place(name))


def dicom(name, patient, modality="CR", part="CHEST", z=None, study=None):
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    data = Dataset()
    data.file_meta = meta
    data.SOPClassUID = meta.MediaStorageSOPClassUID
    data.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    data.Modality = modality
    data.BodyPartExamined = part
    data.PatientID = patient
    data.StudyInstanceUID = study or generate_uid()
    data.SeriesInstanceUID = generate_uid()
    data.SamplesPerPixel = 1
    data.PhotometricInterpretation = "MONOCHROME2"
    data.Rows = data.Columns = 16
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 12, 11
    data.PixelRepresentation = 0
    if z is not None:
        data.ImagePositionPatient = [0, 0, z]
    data.PixelData = rng.integers(0, 4096, (16, 16)).astype(np.uint16).tobytes()
    data.save_as(place(name), enforce_file_format=True)


def table(name, rows):
    path = place(name)
    opened = gzip.open(path, "wt", newline="") if name.endswith(".gz") else open(path, "w", newline="")
    with opened as file:
        csv.writer(file).writerows(rows)


def volume(name):
    pixels = rng.integers(0, 1000, (16, 16, 4)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(pixels, np.eye(4)), place(name))


# NIH ChestX-ray14
picture("nih-chestxray14/images_001/images/00000001_000.png")
picture("nih-chestxray14/images_001/images/00000001_001.png")
picture("nih-chestxray14/images_002/images/00000013_005.png")
table("nih-chestxray14/Data_Entry_2017_v2020.csv", [
    ["Image Index", "Finding Labels", "Follow-up #", "Patient ID", "Patient Age", "Patient Gender", "View Position",
     "OriginalImage[Width", "Height]", "OriginalImagePixelSpacing[x", "y]"],
    ["00000001_000.png", "Cardiomegaly", 0, 1, 57, "M", "PA", 2682, 2749, 0.143, 0.143],
    ["00000001_001.png", "Cardiomegaly|Emphysema", 1, 1, 58, "M", "AP", 2894, 2729, 0.143, 0.143],
    ["00000013_005.png", "No Finding", 5, 13, 60, "F", "PA", 2500, 2048, 0.171, 0.171],
])

# CheXpert
for patient in ("00001", "00002"):
    picture(f"chexpert/CheXpert-v1.0-small/train/patient{patient}/study1/view1_frontal.jpg")
picture("chexpert/CheXpert-v1.0-small/valid/patient64541/study1/view2_lateral.jpg")
head = ["Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", "No Finding"]
table("chexpert/CheXpert-v1.0-small/train.csv", [
    head,
    ["CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg", "Female", 68, "Frontal", "AP", 1.0],
    ["CheXpert-v1.0-small/train/patient00002/study1/view1_frontal.jpg", "Female", 87, "Frontal", "PA", ""],
])
table("chexpert/CheXpert-v1.0-small/valid.csv", [
    head,
    ["CheXpert-v1.0-small/valid/patient64541/study1/view2_lateral.jpg", "Male", 73, "Lateral", "", 0.0],
])

# MIMIC-CXR-JPG
picture("mimic-cxr-jpg/files/p10/p10000032/s50414267/02aa804e-bde0afdd-112c0b34-7bc16630-4e384014.jpg")
picture("mimic-cxr-jpg/files/p11/p11000011/s51029426/0a1b2c3d-00000000-11111111-22222222-33333333.jpg")
table("mimic-cxr-jpg/mimic-cxr-2.0.0-metadata.csv.gz", [
    ["dicom_id", "subject_id", "study_id", "PerformedProcedureStepDescription", "ViewPosition", "Rows", "Columns"],
    ["02aa804e-bde0afdd-112c0b34-7bc16630-4e384014", 10000032, 50414267, "CHEST (PA AND LAT)", "PA", 3056, 2544],
])

# RSNA Pneumonia
dicom("rsna-pneumonia/stage_2_train_images/0004cfab-14fd-4e49-80ba-63a80b6bddd6.dcm", "0004cfab-14fd-4e49-80ba-63a80b6bddd6")
dicom("rsna-pneumonia/stage_2_test_images/0000a175-0e68-4ca4-b1af-167204a7e0bc.dcm", "0000a175-0e68-4ca4-b1af-167204a7e0bc")
table("rsna-pneumonia/stage_2_train_labels.csv", [
    ["patientId", "x", "y", "width", "height", "Target"],
    ["0004cfab-14fd-4e49-80ba-63a80b6bddd6", "", "", "", "", 0],
])

# VinDr-CXR
dicom("vindr-cxr/train/000434271f63a053c4128a0ba6352c7f.dicom", "", "DX", "")
dicom("vindr-cxr/test/002a34c58c5b758217ed1f584ccbcfe9.dicom", "", "CR", "")
table("vindr-cxr/annotations/image_labels_train.csv", [
    ["image_id", "rad_id", "No finding"],
    ["000434271f63a053c4128a0ba6352c7f", "R1", 1],
])

# PadChest
name = "216840111366964013829543166512013338135747880_02-094-102.png"
picture(f"padchest/0/{name}", bits=16)
picture("padchest/54/not_in_the_table.png", bits=16)
table("padchest/PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv", [
    ["", "ImageID", "ImageDir", "StudyDate_DICOM", "StudyID", "PatientID", "PatientBirth", "Projection", "Modality_DICOM"],
    [0, name, 0, 20140915, "20536686640136348236148679891455886468", "839860488694292331637988235681460987", 1930, "PA", "DX"],
])

# LIDC-IDRI
dicom("lidc-idri/LIDC-IDRI-0001/01-01-2000-NA-NA-30178/3000566.000000-NA-03192/1-001.dcm", "LIDC-IDRI-0001", "CT", "CHEST", -120.0)
dicom("lidc-idri/LIDC-IDRI-0001/01-01-2000-NA-NA-35511/3000923.000000-NA-62357/1-1.dcm", "LIDC-IDRI-0001", "DX", "CHEST")
dicom("lidc-idri/LIDC-IDRI-0002/1.3.6.1.4.1/1.3.6.1.4.2/000001.dcm", "LIDC-IDRI-0002", "CT", "CHEST", 3.0)

# CT-GAN: file names do not follow the slices' order.
for index in range(80):
    dicom(f"ct-gan/CT_Scans/EXP1_blind/1003/{(index * 37) % 80:03}.dcm", "anon", "CT", "CHEST", -200.0 + index)
for index in range(3):
    dicom(f"ct-gan/CT_Scans/EXP2_open/2001/{index}.dcm", "anon", "CT", "CHEST", float(index))
table("ct-gan/labels_exp1.csv", [
    ["type", "uuid", "slice", "x", "y"],
    ["FB", "1003", 10, 351, 211],
    ["TM", "1003", 60, 100, 100],
])
table("ct-gan/labels_exp2.csv", [["type", "uuid", "slice", "x", "y"], ["TB", "2001", 1, 10, 10]])

# Back-in-Time-Diffusion
picture("back-in-time-diffusion/CT/injection/images/a.tif", bits=16)
picture("back-in-time-diffusion/CT/injection/images/b.tif", bits=16)
picture("back-in-time-diffusion/CT/injection/images/c.tif", bits=16)
table("back-in-time-diffusion/CT/injection/CT_injection.csv", [
    ["path", "x", "y", "type", "CTGAN-CT-injection", "SD-CT-injection"],
    ["BTD/CT/injection/images/a.npy", 10, 11, 1, 1, 0],
    ["BTD/CT/injection/images/b.npy", 12, 13, 1, 0, 1],
    ["BTD/CT/injection/images/c.npy", 14, 15, 0, 1, 1],
])
picture("back-in-time-diffusion/MRI/images/d.png")
picture("back-in-time-diffusion/MRI/images/e.png")
table("back-in-time-diffusion/MRI/MRI_removal.csv", [
    ["path", "x", "y", "type"],
    ["MRI/images/d.png", 1, 2, 1],
    ["MRI/images/e.png", 1, 2, 0],
])

# M3Dsynth
for slide in range(2):
    picture(f"m3dsynth/real/scan/rem_1/slide{slide:04}.tiff", bits=16)
    picture(f"m3dsynth/cycle/scan/rem_1/slide{slide:04}.tiff", bits=16)
    picture(f"m3dsynth/cycle/label/rem_1/slide{slide:04}.tiff", blank=slide == 0)
table("m3dsynth/data.csv", [
    ["img_id", "ty", "mod", "orig_id", "sdir_id", "coord_z", "coord_y", "coord_x"],
    ["rem_1", "rem", "real", "LIDC-IDRI-0003", 3000611, 57, 198, 308],
    ["rem_1", "rem", "cycle", "LIDC-IDRI-0003", 3000611, 57, 198, 308],
])

# BraTS
for kind in ("flair", "t1", "t1ce", "t2", "seg"):
    volume(f"brats/BraTS2021_00000/BraTS2021_00000_{kind}.nii.gz")
volume("brats/BraTS-GLI-00005-100/BraTS-GLI-00005-100-t1c.nii.gz")
volume("brats/BraTS-GLI-00005-101/BraTS-GLI-00005-101-t1c.nii.gz")

# fastMRI
for name, patient, rss in [
    ("singlecoil_val/file1000000.h5", "p-knee", True),
    ("multicoil_train/file_brain_AXT1_201_6002688.h5", "p-brain", True),
    ("multicoil_test/file_brain_AXT2_200_6000001.h5", "p-test", False),
]:
    with h5py.File(place(f"fastmri/{name}"), "w") as file:
        file["kspace"] = np.zeros((2, 16, 16), np.complex64)
        if rss:
            file["reconstruction_rss"] = rng.random((2, 16, 16)).astype(np.float32)
        file.attrs["patient_id"] = patient
        file.attrs["acquisition"] = "AXT1"

# OASIS
volume("oasis/OAS30001_MR_d0129/anat2/sub-OAS30001_ses-d0129_run-01_T1w.nii.gz")
volume("oasis/OAS30001_MR_d0757/anat3/sub-OAS30001_ses-d0757_T1w.nii.gz")
volume("oasis/disc1/OAS1_0001_MR1/RAW/OAS1_0001_MR1_mpr-1_anon.nii")
volume("oasis/disc1/OAS1_0001_MR1/FSL_SEG/OAS1_0001_MR1_mpr_n4_anon_111_t88_masked_gfc_fseg.nii")

# A folder of one's own
dicom("own/a.dcm", "PAT-1", "CT", "HEAD")
dicom("own/b.dcm", "PAT-1", "CT", "HEAD")
dicom("own/c.dcm", "PAT-2", "MR", "BRAIN")
