//! Of whom and from when an image is, as its own DICOM header says. Opening an image never reads it;
//! whoever compares patients asks here.

use std::path::Path;

use dicom_dictionary_std::tags;
use dicom_object::file::ReadPreamble;
use dicom_object::{FileDicomObject, InMemDicomObject, OpenFileOptions};

use crate::OpenError;
use crate::open::guard::guarded;

/// What a header says; what it does not say is `None`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Identity {
    /// Patient ID (0010,0020).
    pub patient: Option<String>,
    /// Study Instance UID (0020,000D).
    pub study: Option<String>,
    /// Study Date (0008,0020), else Acquisition Date (0008,0022), as year and month: `2024-05`.
    pub month: Option<String>,
    /// Image Position (Patient) (0020,0032), third value: where a slice lies.
    pub(crate) position: Option<f64>,
}

impl Identity {
    /// Reads the header of a DICOM file, up to its pixels.
    ///
    /// # Errors
    /// [`OpenError`] when the file cannot be read as DICOM.
    pub fn read(path: &Path) -> Result<Self, OpenError> {
        let object = guarded(path, || {
            OpenFileOptions::new()
                .read_preamble(ReadPreamble::Auto)
                .read_until(tags::PIXEL_DATA)
                .open_file(path)
                .map_err(|error| OpenError::corrupt(path, error.to_string()))
        })?;
        let month = |tag| text(&object, tag).and_then(|date| month(&date));
        Ok(Self {
            patient: text(&object, tags::PATIENT_ID),
            study: text(&object, tags::STUDY_INSTANCE_UID),
            month: month(tags::STUDY_DATE).or_else(|| month(tags::ACQUISITION_DATE)),
            position: object
                .get(tags::IMAGE_POSITION_PATIENT)
                .and_then(|element| element.to_multi_float64().ok())
                .and_then(|values| values.get(2).copied()),
        })
    }
}

fn text(object: &FileDicomObject<InMemDicomObject>, tag: dicom_core::Tag) -> Option<String> {
    let value = object.get(tag)?.to_str().ok()?;
    let value = value.trim_matches([' ', '\0']);
    (!value.is_empty()).then(|| value.to_owned())
}

/// Year and month of a date, `YYYYMMDD` or the `YYYY.MM.DD` of before 1993 (PS3.5 6.2, DA).
fn month(date: &str) -> Option<String> {
    let digits: String = date.chars().filter(|c| *c != '.').collect();
    if digits.len() != 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (year, month) = (&digits[..4], &digits[4..6]);
    // Earlier than any X-ray image, and no month of the year, is a placeholder.
    (year >= "1895" && ("01"..="12").contains(&month)).then(|| format!("{year}-{month}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_those_of_valid_dates() {
        assert_eq!(month("20240531").as_deref(), Some("2024-05"));
        assert_eq!(month("1992.12.01").as_deref(), Some("1992-12"));
        for wrong in [
            "",
            "2024",
            "20241301",
            "00000000",
            "2024053",
            "２０２４０５",
            "20240531-",
        ] {
            assert_eq!(month(wrong), None, "{wrong}");
        }
    }
}
