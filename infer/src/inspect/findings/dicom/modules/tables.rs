//! The modules and the IODs that ask for them.

use super::Condition::{
    Always, Arbitrary, Inversion, Original, Palette, Plural, Projection, Repetition, Scanned,
};
use super::Module;
use super::Type::{One, Two};

static PATIENT: Module = Module {
    name: "Patient",
    section: "C.7.1.1",
    attributes: &[
        (0x0010_0010, Two, Always, "Patient's Name"),
        (0x0010_0020, Two, Always, "Patient ID"),
        (0x0010_0030, Two, Always, "Patient's Birth Date"),
        (0x0010_0040, Two, Always, "Patient's Sex"),
    ],
};
static STUDY: Module = Module {
    name: "General Study",
    section: "C.7.2.1",
    attributes: &[
        (0x0020_000d, One, Always, "Study Instance UID"),
        (0x0008_0020, Two, Always, "Study Date"),
        (0x0008_0030, Two, Always, "Study Time"),
        (0x0008_0090, Two, Always, "Referring Physician's Name"),
        (0x0020_0010, Two, Always, "Study ID"),
        (0x0008_0050, Two, Always, "Accession Number"),
    ],
};
static SERIES: Module = Module {
    name: "General Series",
    section: "C.7.3.1",
    attributes: &[
        (0x0008_0060, One, Always, "Modality"),
        (0x0020_000e, One, Always, "Series Instance UID"),
        (0x0020_0011, Two, Always, "Series Number"),
        (0x0018_5100, Two, Scanned, "Patient Position"),
    ],
};
static EQUIPMENT: Module = Module {
    name: "General Equipment",
    section: "C.7.5.1",
    attributes: &[(0x0008_0070, Two, Always, "Manufacturer")],
};
static ENHANCED_EQUIPMENT: Module = Module {
    name: "Enhanced General Equipment",
    section: "C.7.5.2",
    attributes: &[
        (0x0008_0070, One, Always, "Manufacturer"),
        (0x0008_1090, One, Always, "Manufacturer's Model Name"),
        (0x0018_1000, One, Always, "Device Serial Number"),
        (0x0018_1020, One, Always, "Software Versions"),
    ],
};
static FRAME_OF_REFERENCE: Module = Module {
    name: "Frame of Reference",
    section: "C.7.4.1",
    attributes: &[
        (0x0020_0052, One, Always, "Frame of Reference UID"),
        (0x0020_1040, Two, Always, "Position Reference Indicator"),
    ],
};
static IMAGE: Module = Module {
    name: "General Image",
    section: "C.7.6.1",
    attributes: &[
        (0x0020_0013, Two, Always, "Instance Number"),
        (0x0020_0020, Two, Projection, "Patient Orientation"),
    ],
};
static PLANE: Module = Module {
    name: "Image Plane",
    section: "C.7.6.2",
    attributes: &[
        (0x0028_0030, One, Always, "Pixel Spacing"),
        (0x0020_0037, One, Always, "Image Orientation (Patient)"),
        (0x0020_0032, One, Always, "Image Position (Patient)"),
        (0x0018_0050, Two, Always, "Slice Thickness"),
    ],
};
static PIXEL: Module = Module {
    name: "Image Pixel",
    section: "C.7.6.3",
    attributes: &[
        (0x0028_0002, One, Always, "Samples per Pixel"),
        (0x0028_0004, One, Always, "Photometric Interpretation"),
        (0x0028_0010, One, Always, "Rows"),
        (0x0028_0011, One, Always, "Columns"),
        (0x0028_0100, One, Always, "Bits Allocated"),
        (0x0028_0101, One, Always, "Bits Stored"),
        (0x0028_0102, One, Always, "High Bit"),
        (0x0028_0103, One, Always, "Pixel Representation"),
        (0x0028_0006, One, Plural, "Planar Configuration"),
        (
            0x0028_1101,
            One,
            Palette,
            "Red Palette Color Lookup Table Descriptor",
        ),
        (0x7fe0_0010, One, Arbitrary, "Pixel Data"),
    ],
};
static CR_SERIES: Module = Module {
    name: "CR Series",
    section: "C.8.1.1",
    attributes: &[
        (0x0018_0015, Two, Always, "Body Part Examined"),
        (0x0018_5101, Two, Always, "View Position"),
    ],
};
static CT: Module = Module {
    name: "CT Image",
    section: "C.8.2.1",
    attributes: &[
        (0x0008_0008, One, Always, "Image Type"),
        (0x0028_1052, One, Always, "Rescale Intercept"),
        (0x0028_1053, One, Always, "Rescale Slope"),
        (0x0018_0060, Two, Always, "KVP"),
        (0x0020_0012, Two, Always, "Acquisition Number"),
    ],
};
static MR: Module = Module {
    name: "MR Image",
    section: "C.8.3.1",
    attributes: &[
        (0x0008_0008, One, Always, "Image Type"),
        (0x0018_0020, One, Always, "Scanning Sequence"),
        (0x0018_0021, One, Always, "Sequence Variant"),
        (0x0018_0022, Two, Always, "Scan Options"),
        (0x0018_0023, Two, Always, "MR Acquisition Type"),
        (0x0018_0080, Two, Repetition, "Repetition Time"),
        (0x0018_0081, Two, Always, "Echo Time"),
        (0x0018_0091, Two, Always, "Echo Train Length"),
        (0x0018_0082, Two, Inversion, "Inversion Time"),
    ],
};
static SC_EQUIPMENT: Module = Module {
    name: "SC Equipment",
    section: "C.8.6.1",
    attributes: &[(0x0008_0064, One, Always, "Conversion Type")],
};
static DX_SERIES: Module = Module {
    name: "DX Series",
    section: "C.8.11.1",
    attributes: &[(0x0008_0068, One, Always, "Presentation Intent Type")],
};
static DX_ANATOMY: Module = Module {
    name: "DX Anatomy Imaged",
    section: "C.8.11.2",
    attributes: &[
        (0x0020_0062, One, Always, "Image Laterality"),
        (0x0008_2218, Two, Always, "Anatomic Region Sequence"),
    ],
};
static DX: Module = Module {
    name: "DX Image",
    section: "C.8.11.3",
    attributes: &[
        (0x0008_0008, One, Always, "Image Type"),
        (0x0028_1040, One, Always, "Pixel Intensity Relationship"),
        (
            0x0028_1041,
            One,
            Always,
            "Pixel Intensity Relationship Sign",
        ),
        (0x0028_1052, One, Always, "Rescale Intercept"),
        (0x0028_1053, One, Always, "Rescale Slope"),
        (0x0028_1054, One, Always, "Rescale Type"),
        (0x2050_0020, One, Always, "Presentation LUT Shape"),
        (0x0028_2110, One, Always, "Lossy Image Compression"),
        (0x0020_0020, Two, Always, "Patient Orientation"),
        (0x0028_0301, One, Always, "Burned In Annotation"),
    ],
};
static DX_DETECTOR: Module = Module {
    name: "DX Detector",
    section: "C.8.11.4",
    attributes: &[
        (0x0018_7004, Two, Always, "Detector Type"),
        (0x0018_1164, One, Always, "Imager Pixel Spacing"),
    ],
};
static CONTEXT: Module = Module {
    name: "Acquisition Context",
    section: "C.7.6.14",
    attributes: &[(0x0040_0555, Two, Always, "Acquisition Context Sequence")],
};
static FUNCTIONAL_GROUPS: Module = Module {
    name: "Multi-frame Functional Groups",
    section: "C.7.6.16",
    attributes: &[
        (
            0x5200_9229,
            Two,
            Always,
            "Shared Functional Groups Sequence",
        ),
        (
            0x5200_9230,
            One,
            Always,
            "Per-frame Functional Groups Sequence",
        ),
        (0x0020_0013, One, Always, "Instance Number"),
        (0x0008_0023, One, Always, "Content Date"),
        (0x0008_0033, One, Always, "Content Time"),
        (0x0028_0008, One, Always, "Number of Frames"),
    ],
};
static DIMENSION: Module = Module {
    name: "Multi-frame Dimension",
    section: "C.7.6.17",
    attributes: &[(0x0020_9221, One, Always, "Dimension Organization Sequence")],
};
static ENHANCED_CT: Module = Module {
    name: "Enhanced CT Image",
    section: "C.8.15.2",
    attributes: &[
        (0x0008_0008, One, Always, "Image Type"),
        (0x0008_002a, One, Original, "Acquisition DateTime"),
        (0x0018_9073, One, Original, "Acquisition Duration"),
        (0x0018_9004, One, Original, "Content Qualification"),
        (0x0008_9206, One, Always, "Volumetric Properties"),
        (0x0008_9205, One, Always, "Pixel Presentation"),
        (0x0028_0301, One, Always, "Burned In Annotation"),
        (0x0028_2110, One, Always, "Lossy Image Compression"),
        (0x2050_0020, One, Always, "Presentation LUT Shape"),
    ],
};
static ENHANCED_MR: Module = Module {
    name: "Enhanced MR Image",
    section: "C.8.13.1",
    attributes: &[
        (0x0008_0008, One, Always, "Image Type"),
        (0x0008_002a, One, Original, "Acquisition DateTime"),
        (0x0018_9073, One, Original, "Acquisition Duration"),
        (0x0018_0087, One, Original, "Magnetic Field Strength"),
        (0x0018_9100, One, Original, "Resonant Nucleus"),
        (0x0018_9004, One, Original, "Content Qualification"),
        (0x0008_9206, One, Always, "Volumetric Properties"),
        (0x0008_9205, One, Always, "Pixel Presentation"),
        (0x0008_9208, One, Always, "Complex Image Component"),
        (0x0008_9209, One, Always, "Acquisition Contrast"),
        (0x0028_0301, One, Always, "Burned In Annotation"),
        (0x0028_2110, One, Always, "Lossy Image Compression"),
        (0x2050_0020, One, Always, "Presentation LUT Shape"),
    ],
};
static SOP_COMMON: Module = Module {
    name: "SOP Common",
    section: "C.12.1",
    attributes: &[
        (0x0008_0016, One, Always, "SOP Class UID"),
        (0x0008_0018, One, Always, "SOP Instance UID"),
    ],
};

pub(super) type Iod = (&'static str, &'static [&'static Module]);

/// Mandatory modules by SOP class (PS3.3 Annex A).
pub(super) static IODS: [Iod; 10] = [
    // A.2
    (
        "1.2.840.10008.5.1.4.1.1.1",
        &[
            &PATIENT,
            &STUDY,
            &SERIES,
            &CR_SERIES,
            &EQUIPMENT,
            &IMAGE,
            &PIXEL,
            &SOP_COMMON,
        ],
    ),
    // A.26, for presentation and for processing
    ("1.2.840.10008.5.1.4.1.1.1.1", DX_MODULES),
    ("1.2.840.10008.5.1.4.1.1.1.1.1", DX_MODULES),
    // A.27: the modules that mammography shares with DX
    ("1.2.840.10008.5.1.4.1.1.1.2", DX_MODULES),
    ("1.2.840.10008.5.1.4.1.1.1.2.1", DX_MODULES),
    // A.3
    (
        "1.2.840.10008.5.1.4.1.1.2",
        &[
            &PATIENT,
            &STUDY,
            &SERIES,
            &FRAME_OF_REFERENCE,
            &EQUIPMENT,
            &IMAGE,
            &PLANE,
            &PIXEL,
            &CT,
            &SOP_COMMON,
        ],
    ),
    // A.38
    (
        "1.2.840.10008.5.1.4.1.1.2.1",
        &[
            &PATIENT,
            &STUDY,
            &SERIES,
            &FRAME_OF_REFERENCE,
            &ENHANCED_EQUIPMENT,
            &PIXEL,
            &FUNCTIONAL_GROUPS,
            &DIMENSION,
            &CONTEXT,
            &ENHANCED_CT,
            &SOP_COMMON,
        ],
    ),
    // A.4
    (
        "1.2.840.10008.5.1.4.1.1.4",
        &[
            &PATIENT,
            &STUDY,
            &SERIES,
            &FRAME_OF_REFERENCE,
            &EQUIPMENT,
            &IMAGE,
            &PLANE,
            &PIXEL,
            &MR,
            &SOP_COMMON,
        ],
    ),
    // A.36
    (
        "1.2.840.10008.5.1.4.1.1.4.1",
        &[
            &PATIENT,
            &STUDY,
            &SERIES,
            &FRAME_OF_REFERENCE,
            &ENHANCED_EQUIPMENT,
            &PIXEL,
            &FUNCTIONAL_GROUPS,
            &DIMENSION,
            &CONTEXT,
            &ENHANCED_MR,
            &SOP_COMMON,
        ],
    ),
    // A.8.1
    (
        "1.2.840.10008.5.1.4.1.1.7",
        &[
            &PATIENT,
            &STUDY,
            &SERIES,
            &SC_EQUIPMENT,
            &IMAGE,
            &PIXEL,
            &SOP_COMMON,
        ],
    ),
];
static DX_MODULES: &[&Module] = &[
    &PATIENT,
    &STUDY,
    &SERIES,
    &DX_SERIES,
    &EQUIPMENT,
    &IMAGE,
    &PIXEL,
    &DX_ANATOMY,
    &DX,
    &DX_DETECTOR,
    &CONTEXT,
    &SOP_COMMON,
];
/// What every composite image has, for classes without a table.
pub(super) static ANY: &[&Module] = &[&PATIENT, &STUDY, &SERIES, &PIXEL, &SOP_COMMON];
