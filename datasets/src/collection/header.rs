//! What an image's own header says about where it belongs.

use std::path::Path;

use crate::open::guard::guarded;
use crate::{Format, Identity, ImageInfo, OpenError, OpenOptions, digest_file, open};

/// Values that templates may name.
#[derive(Debug, Clone, Default)]
pub(super) struct Header {
    pub modality: Option<String>,
    pub body_part: Option<String>,
    pub patient: Option<String>,
    pub study: Option<String>,
    pub series: Option<String>,
    pub sop: Option<String>,
    /// Image Position (Patient) (0020,0032), third value: where a slice lies.
    pub position: Option<f64>,
    pub sha256: String,
}

impl Header {
    /// Reads the header of an image and the SHA-256 of its file.
    pub(super) fn read(path: &Path) -> Result<Self, OpenError> {
        let image = open(path, &OpenOptions::default())?;
        let info = image.info();
        let mut header = Self {
            modality: info.modality.clone(),
            body_part: info.body_part.clone(),
            study: info.study_uid.clone(),
            series: info.series_uid.clone(),
            sop: info.sop_instance_uid.clone(),
            ..Self::default()
        };
        header.identify(path, info);
        header.sha256 = digest_file(path).map_err(|source| OpenError::io(path, source))?;
        Ok(header)
    }

    /// Patient and place. What cannot be read stays unknown.
    fn identify(&mut self, path: &Path, info: &ImageInfo) {
        match info.format {
            Format::Dicom => {
                if let Ok(identity) = Identity::read(path) {
                    self.patient = identity.patient;
                    self.position = identity.position;
                }
            }
            Format::Hdf5 => {
                // fastMRI and others put it on the root group.
                let patient = guarded(path, || {
                    hdf5_reader::Hdf5File::open(path)
                        .and_then(|file| file.root_group()?.attribute("patient_id")?.read_string())
                        .map_err(|error| OpenError::corrupt(path, error.to_string()))
                });
                self.patient = patient.ok().filter(|text| !text.is_empty());
            }
            _ => {}
        }
    }
}
