//! DICOM objects with other pixels, marked as what they are.

use std::path::Path;

use dicom_core::header::Header;
use dicom_core::value::DataSetSequence;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject, OpenFileOptions};
use sha2::{Digest, Sha256};

use super::{MarkError, Origin};

/// Attributes that no longer hold once the pixels are others: signatures (PS3.15 C), extremes of the
/// pixel values, the thumbnail; and identifiers of the patient and the visit beside name and number.
const DROPPED: [Tag; 13] = [
    tags::DIGITAL_SIGNATURES_SEQUENCE,
    tags::MAC_PARAMETERS_SEQUENCE,
    tags::SMALLEST_IMAGE_PIXEL_VALUE,
    tags::LARGEST_IMAGE_PIXEL_VALUE,
    tags::ICON_IMAGE_SEQUENCE,
    tags::OTHER_PATIENT_NAMES,
    Tag(0x0010, 0x1000), // Other Patient IDs, retired
    tags::OTHER_PATIENT_I_DS_SEQUENCE,
    tags::PATIENT_ADDRESS,
    tags::PATIENT_TELEPHONE_NUMBERS,
    tags::ISSUER_OF_PATIENT_ID,
    tags::ADMISSION_ID,
    tags::PIXEL_DATA_PROVIDER_URL,
];

/// A single-frame grey DICOM image whose pixels can be replaced.
#[derive(Debug, Clone)]
pub struct DicomTemplate {
    set: InMemDicomObject,
    rows: u16,
    columns: u16,
    bits_allocated: u16,
    bits_stored: u16,
    signed: bool,
    slope: f64,
    intercept: f64,
}

impl DicomTemplate {
    /// Reads the object at `path`.
    ///
    /// # Errors
    /// [`MarkError::Unsuitable`] when it is no DICOM file, or is colour, multi-frame, of other than 8 or
    /// 16 bits a sample, or goes through a modality table, which cannot be inverted.
    pub fn open(path: &Path) -> Result<Self, MarkError> {
        let unsuitable = |message: String| MarkError::Unsuitable {
            path: path.to_owned(),
            message,
        };
        let set = OpenFileOptions::new()
            .open_file(path)
            .map_err(|error| unsuitable(error.to_string()))?
            .into_inner();
        let int = |tag| set.get(tag).and_then(|e| e.to_int::<u16>().ok());
        let float = |tag| set.get(tag).and_then(|e| e.to_float64().ok());
        let needed = |tag, name: &str| int(tag).ok_or_else(|| unsuitable(format!("no {name}")));
        let template = Self {
            rows: needed(tags::ROWS, "Rows")?,
            columns: needed(tags::COLUMNS, "Columns")?,
            bits_allocated: needed(tags::BITS_ALLOCATED, "Bits Allocated")?,
            bits_stored: needed(tags::BITS_STORED, "Bits Stored")?,
            signed: int(tags::PIXEL_REPRESENTATION) == Some(1),
            slope: float(tags::RESCALE_SLOPE).unwrap_or(1.0),
            intercept: float(tags::RESCALE_INTERCEPT).unwrap_or(0.0),
            set: set.clone(),
        };
        let frames = set
            .get(tags::NUMBER_OF_FRAMES)
            .and_then(|e| e.to_int::<u32>().ok())
            .unwrap_or(1);
        if int(tags::SAMPLES_PER_PIXEL).unwrap_or(1) != 1 {
            return Err(unsuitable("it is a colour image".into()));
        }
        if frames > 1 {
            return Err(unsuitable(format!("it has {frames} frames")));
        }
        let (allocated, stored) = (template.bits_allocated, template.bits_stored);
        if ![8, 16].contains(&allocated) || stored == 0 || stored > allocated {
            return Err(unsuitable(format!(
                "{stored} bits stored in {allocated} are not supported"
            )));
        }
        if set.get(tags::MODALITY_LUT_SEQUENCE).is_some() || template.slope == 0.0 {
            return Err(unsuitable(
                "its modality transform cannot be inverted".into(),
            ));
        }
        Ok(template)
    }

    /// Rows and columns.
    #[must_use]
    pub fn size(&self) -> [usize; 2] {
        [self.rows.into(), self.columns.into()]
    }

    /// The stored value of a modality value, PS3.3 C.11.1.1.2 undone, within what the depth can hold.
    #[must_use]
    pub fn stored(&self, modality: f32) -> i32 {
        let stored = ((f64::from(modality) - self.intercept) / self.slope).round();
        let span = 1_i64 << self.bits_stored;
        let low = if self.signed { -span / 2 } else { 0 };
        (stored as i64).clamp(low, low + span - 1) as i32
    }

    /// The object with other pixels (stored values, row-major) and its origin, as a Part 10 file in
    /// explicit VR little endian.
    ///
    /// Study, series, instance and frame of reference get new UIDs. Image Type becomes
    /// DERIVED\SECONDARY (PS3.3 C.7.6.1.1.2); Synthetic Data (C.12.1), Derivation Description and Source
    /// Image Sequence (C.7.6.1) and Contributing Equipment Sequence (C.12.1) say what happened; the
    /// patient's name and number are replaced, so that a forgery never files under a person. Other
    /// attributes stay; the result is not de-identified.
    ///
    /// # Errors
    /// [`MarkError::Encode`] naming `output` when the object cannot be encoded.
    pub fn encode(
        &self,
        stored: &[i32],
        origin: &Origin,
        output: &Path,
    ) -> Result<Vec<u8>, MarkError> {
        let failed = |message: String| MarkError::Encode {
            path: output.to_owned(),
            message,
        };
        let [rows, columns] = self.size();
        if stored.len() != rows * columns {
            return Err(failed(format!(
                "{} values for {rows}x{columns}",
                stored.len()
            )));
        }
        let mut set = self.set.clone();
        for tag in DROPPED {
            set.remove_element(tag);
        }
        // Group lengths are retired, and no longer right.
        set.retain(|element| element.tag().element() != 0);
        self.put_pixels(&mut set, stored);
        self.put_identity(&mut set, origin);
        let class = text(&set, tags::SOP_CLASS_UID);
        if class.is_empty() {
            return Err(failed("the original names no SOP class".into()));
        }
        put_origin(&mut set, origin, &self.image_type());
        if let Some(source) = self.source_image(&class) {
            set.put(source);
        }
        set.put(contributing_equipment(&set, origin));
        let meta = FileMetaTableBuilder::new()
            .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN)
            .media_storage_sop_class_uid(class);
        let object = set
            .with_meta(meta)
            .map_err(|error| failed(error.to_string()))?;
        let mut file = Vec::new();
        object
            .write_all(&mut file)
            .map_err(|error| failed(error.to_string()))?;
        Ok(file)
    }

    fn put_pixels(&self, set: &mut InMemDicomObject, stored: &[i32]) {
        let high = self.bits_stored - 1;
        set.put(DataElement::new(
            tags::HIGH_BIT,
            VR::US,
            PrimitiveValue::from(high),
        ));
        // Only the bits stored: a sign does not reach into those above.
        let mask = u16::MAX >> (16 - self.bits_stored);
        let value = if self.bits_allocated == 8 {
            let mut bytes: Vec<u8> = stored.iter().map(|&v| (v as u16 & mask) as u8).collect();
            if bytes.len() % 2 == 1 {
                bytes.push(0);
            }
            PrimitiveValue::U8(bytes.into())
        } else {
            PrimitiveValue::U16(stored.iter().map(|&v| v as u16 & mask).collect())
        };
        let vr = if self.bits_allocated == 8 {
            VR::OB
        } else {
            VR::OW
        };
        set.put(DataElement::new(tags::PIXEL_DATA, vr, value));
    }

    fn put_identity(&self, set: &mut InMemDicomObject, origin: &Origin) {
        let patient = Sha256::digest(text(set, tags::PATIENT_ID).as_bytes());
        let number: String = patient[..6].iter().map(|b| format!("{b:02X}")).collect();
        put(set, tags::PATIENT_ID, VR::LO, &format!("VERARAY-{number}"));
        put(set, tags::PATIENT_NAME, VR::PN, "Not a patient^Veraray");
        // Required, but may be empty (PS3.3 C.7.1.1 and C.7.2.1).
        for (tag, vr) in [
            (tags::PATIENT_BIRTH_DATE, VR::DA),
            (tags::ACCESSION_NUMBER, VR::SH),
            (tags::REFERRING_PHYSICIAN_NAME, VR::PN),
        ] {
            set.put(DataElement::new(tag, vr, PrimitiveValue::Empty));
        }
        for tag in [
            tags::STUDY_INSTANCE_UID,
            tags::SERIES_INSTANCE_UID,
            tags::FRAME_OF_REFERENCE_UID,
        ] {
            let old = text(&self.set, tag);
            if !old.is_empty() {
                // Images of one series stay together in one family and run.
                let shared = Origin {
                    parent_sha256: String::new(),
                    seed: 0,
                    ..origin.clone()
                };
                put(set, tag, VR::UI, &shared.uid(&old));
            }
        }
        let instance = origin.uid(&text(&self.set, tags::SOP_INSTANCE_UID));
        put(set, tags::SOP_INSTANCE_UID, VR::UI, &instance);
    }

    /// The original's Image Type as a derived image's.
    fn image_type(&self) -> String {
        let old = text(&self.set, tags::IMAGE_TYPE);
        let rest: Vec<&str> = old.split('\\').skip(2).collect();
        let mut values = vec!["DERIVED", "SECONDARY"];
        values.extend(rest);
        values.join("\\")
    }

    fn source_image(&self, class: &str) -> Option<DataElement<InMemDicomObject>> {
        let instance = text(&self.set, tags::SOP_INSTANCE_UID);
        let mut item = InMemDicomObject::new_empty();
        put(&mut item, tags::REFERENCED_SOP_CLASS_UID, VR::UI, class);
        put(
            &mut item,
            tags::REFERENCED_SOP_INSTANCE_UID,
            VR::UI,
            &instance,
        );
        let purpose = code("121322", "Source image for image processing operation");
        item.put(sequence(
            tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE,
            vec![purpose],
        ));
        (!instance.is_empty()).then(|| sequence(tags::SOURCE_IMAGE_SEQUENCE, vec![item]))
    }
}

fn put_origin(set: &mut InMemDicomObject, origin: &Origin, image_type: &str) {
    put(set, tags::IMAGE_TYPE, VR::CS, image_type);
    let synthetic = if origin.forged { "YES" } else { "NO" };
    put(set, tags::SYNTHETIC_DATA, VR::CS, synthetic);
    // Short Text: at most 1024 characters (PS3.5 6.2).
    let description: String = origin
        .sentence()
        .chars()
        .chain(format!(" Seed {}.", origin.seed).chars())
        .take(1024)
        .collect();
    put(set, tags::DERIVATION_DESCRIPTION, VR::ST, &description);
}

/// The sequence with one more item: this program, as Modifying Equipment.
fn contributing_equipment(
    set: &InMemDicomObject,
    origin: &Origin,
) -> DataElement<InMemDicomObject> {
    let mut items: Vec<InMemDicomObject> = set
        .get(tags::CONTRIBUTING_EQUIPMENT_SEQUENCE)
        .and_then(|element| element.items())
        .map(<[_]>::to_vec)
        .unwrap_or_default();
    let mut item = InMemDicomObject::new_empty();
    let purpose = code("109103", "Modifying Equipment");
    item.put(sequence(
        tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE,
        vec![purpose],
    ));
    put(&mut item, tags::MANUFACTURER, VR::LO, "Veraray");
    put(
        &mut item,
        tags::MANUFACTURER_MODEL_NAME,
        VR::LO,
        "veraray-train forge",
    );
    put(
        &mut item,
        tags::SOFTWARE_VERSIONS,
        VR::LO,
        env!("CARGO_PKG_VERSION"),
    );
    let what: String = origin.sentence().chars().take(1024).collect();
    put(&mut item, tags::CONTRIBUTION_DESCRIPTION, VR::ST, &what);
    items.push(item);
    sequence(tags::CONTRIBUTING_EQUIPMENT_SEQUENCE, items)
}

/// An item of a code sequence in the DICOM vocabulary (PS3.16 D).
fn code(value: &str, meaning: &str) -> InMemDicomObject {
    let mut item = InMemDicomObject::new_empty();
    put(&mut item, tags::CODE_VALUE, VR::SH, value);
    put(&mut item, tags::CODING_SCHEME_DESIGNATOR, VR::SH, "DCM");
    put(&mut item, tags::CODE_MEANING, VR::LO, meaning);
    item
}

fn sequence(tag: Tag, items: Vec<InMemDicomObject>) -> DataElement<InMemDicomObject> {
    DataElement::new(tag, VR::SQ, DataSetSequence::from(items))
}

/// A text without trailing padding; empty when it is absent or no text.
fn text(set: &InMemDicomObject, tag: Tag) -> String {
    set.get(tag)
        .and_then(|element| element.to_str().ok())
        .map(|text| text.trim_end_matches(['\0', ' ']).to_owned())
        .unwrap_or_default()
}

fn put(set: &mut InMemDicomObject, tag: Tag, vr: VR, value: &str) {
    set.put_str(tag, vr, value);
}
