//! Every code that a finding may carry, with what it means and where that is written down.
//!
//! `docs/findings.md` is this table; a test keeps them equal.

/// How much a finding should worry a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    /// Worth knowing; normal in clinical archives.
    Info,
    /// Unusual, or weak evidence: it has harmless explanations that are common.
    Notice,
    /// A contradiction, or a statement that the image is not what it seems.
    Warning,
}

impl Severity {
    /// The word used in every output.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
        }
    }
}

/// One kind of finding.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Code {
    /// Stays the same across releases.
    pub(crate) id: &'static str,
    pub(crate) severity: Severity,
    /// DICOM part and section, another standard, or the paper of the method.
    pub(crate) reference: &'static str,
    /// What it means, for the documentation.
    pub(crate) meaning: &'static str,
}

/// A finding in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) code: &'static Code,
    /// A sentence in plain words, safe for a terminal.
    pub(crate) message: String,
}

impl Code {
    /// A finding of this kind.
    pub(crate) fn note(&'static self, message: impl Into<String>) -> Note {
        Note {
            code: self,
            message: message.into(),
        }
    }
}

macro_rules! codes {
    ($($name:ident $id:literal $severity:ident $reference:literal $meaning:literal;)*) => {
        $(pub(crate) static $name: Code = Code {
            id: $id, severity: Severity::$severity, reference: $reference, meaning: $meaning,
        };)*
        /// All codes, grouped by their first word.
        pub(crate) static ALL: &[&Code] = &[$(&$name),*];
    };
}

codes! {
    FILE_UNREADABLE "file.unreadable" Notice "–" "the pixels cannot be decoded, so nothing is said of them";
    FILE_TRAILING "file.trailing" Notice "ISO 10918-1 B.1; PNG (third edition) 5.2" "bytes follow the end of the image";
    FILE_POLYGLOT "file.polyglot" Warning "PS3.10 7.1; Ortiz 2019, CVE-2019-11687" "the file is valid as another format too, or carries another file";
    FILE_DUAL_TIFF "file.dual_tiff" Info "PS3.10 7.1" "the DICOM preamble makes the file a TIFF as well, which the standard allows";

    UID_INVALID "dicom.uid.invalid" Warning "PS3.5 9.1" "a UID breaks the rules for UIDs";
    UID_REUSED "dicom.uid.reused" Warning "PS3.3 C.12.1; PS3.5 9" "two files of the given set share an SOP Instance UID and differ in their pixels";
    UID_HEADER_DIFFERS "dicom.uid.header_differs" Notice "PS3.3 C.12.1" "two files share an SOP Instance UID and pixels, but not their attributes";
    UID_CONFLICT "dicom.uid.conflict" Warning "PS3.3 A.1.2" "instances of one series or study disagree on what they must share";
    UID_LEVELS "dicom.uid.levels" Warning "PS3.3 A.1.2" "study, series and instance do not have UIDs of their own";
    UID_META "dicom.uid.meta" Warning "PS3.10 7.1" "file meta information names another SOP class or instance than the data set";
    UID_TOOLKIT "dicom.uid.toolkit_root" Notice "PS3.5 9.1 and Annex B" "the instance UID was made by a software library, not by a scanner";
    UID_DEIDENTIFIED "dicom.uid.deidentified_root" Info "PS3.15 Annex E; PS3.5 B.2" "UIDs stem from a de-identification service or from UUIDs";
    UID_VENDOR "dicom.uid.vendor_mismatch" Warning "PS3.5 9.1; PS3.3 C.7.5.1" "the instance UID belongs to another maker than the one named";

    META_TOOLKIT "dicom.meta.toolkit" Notice "PS3.10 7.1" "a programming library wrote the file last";
    META_WRITER "dicom.meta.writer" Info "PS3.10 7.1" "archive or converter software wrote the file last";
    META_VENDOR "dicom.meta.vendor_mismatch" Info "PS3.10 7.1; PS3.3 C.7.5.1" "equipment of another maker wrote the file last";
    META_MISSING "dicom.meta.missing" Notice "PS3.10 7.1" "preamble or file meta information is missing or incomplete";
    META_SYNTAX "dicom.meta.transfer_syntax" Warning "PS3.5 10 and Annex A" "pixel data are not encoded as the transfer syntax says";

    SET_BROKEN "dicom.set.broken" Warning "PS3.5 7" "the data set cannot be read to its end";
    SET_DUPLICATE "dicom.set.duplicate" Warning "PS3.5 7.1" "an attribute stands twice in the data set";
    SET_ORDER "dicom.set.order" Notice "PS3.5 7.1" "attributes are not in ascending order";
    SET_TRAILING "dicom.set.trailing" Notice "PS3.10 7.2" "attributes or bytes follow the pixel data";

    DATE_INVALID "dicom.date.invalid" Notice "PS3.5 6.2" "a date or time cannot be one";
    DATE_ORDER "dicom.date.order" Warning "PS3.3 C.7.2.1, C.7.3.1, C.7.6.1" "dates run backwards by two days or more";
    TIME_ORDER "dicom.date.time_order" Info "PS3.3 C.7.2.1, C.7.6.1" "times run backwards within a day";
    DATE_FUTURE "dicom.date.future" Warning "PS3.3 C.7.2.1" "a date lies in the future";
    DATE_BIRTH "dicom.date.before_birth" Warning "PS3.3 C.7.1.1" "something happened before the patient was born";
    DATE_AGE "dicom.date.age" Warning "PS3.3 C.7.1.1, C.7.2.2" "age, birth date and study date do not fit, or give an age nobody reaches";
    DATE_ERA "dicom.date.era" Warning "PS3.3 C.7.6.1" "the image is dated before its modality existed";

    EQUIPMENT_PRIVATE "dicom.equipment.private_creator" Warning "PS3.5 7.8.1; PS3.3 C.7.5.1" "private attributes that only another maker's scanners write";
    EQUIPMENT_BARE "dicom.equipment.no_private" Info "PS3.5 7.8.1" "the maker's scanners write private attributes, and there are none";
    EQUIPMENT_MODALITY "dicom.equipment.modality" Warning "PS3.3 C.7.3.1.1.1 and Annex A" "Modality does not fit the SOP class";
    EQUIPMENT_FOREIGN "dicom.equipment.foreign_attributes" Warning "PS3.3 Annex A" "acquisition attributes of another modality";
    EQUIPMENT_CAPTURE "dicom.equipment.secondary_capture" Notice "PS3.3 A.8.1" "a secondary capture that carries a scanner's acquisition attributes";
    EQUIPMENT_IMPLAUSIBLE "dicom.equipment.implausible" Warning "PS3.3 C.8.2.1, C.8.3.1, C.7.6.2" "an acquisition value that no scanner produces";

    TYPE_INVALID "dicom.image_type.invalid" Notice "PS3.3 C.7.6.1.1.2" "Image Type has values that are not defined";
    TYPE_ORIGINAL "dicom.image_type.original_derived" Warning "PS3.3 C.7.6.1.1.2, C.7.6.1.1.3" "Image Type says ORIGINAL, other attributes say derived";
    TYPE_UNEXPLAINED "dicom.image_type.derived_unexplained" Info "PS3.3 C.7.6.1.1.2, C.7.6.1.1.3" "Image Type says DERIVED and nothing says from what or how";
    SYNTHETIC "dicom.synthetic" Warning "PS3.3 C.12.1 (0008,001C)" "the file itself declares that its content is synthetic";
    GENERATOR "dicom.generator" Warning "PS3.3 C.7.5.1, C.7.6.1" "descriptive text names image generation";
    DERIVATION "dicom.derivation" Info "PS3.3 C.7.6.1.1.3" "what the file says about how it was derived";
    CONTRIBUTING "dicom.contributing_equipment" Info "PS3.3 C.12.1 (0018,A001)" "other equipment took part in making the object";
    DEIDENTIFIED "dicom.deidentified" Info "PS3.15 Annex E; PS3.3 C.7.1.1" "the file says that it was de-identified, which explains changed dates and UIDs";

    PIXEL_LENGTH "dicom.pixel.length" Warning "PS3.5 8.1.1; PS3.3 C.7.6.3" "pixel data have another length than rows, columns, frames and bits give";
    PIXEL_LAYOUT "dicom.pixel.layout" Warning "PS3.5 8.1.1; PS3.3 C.7.6.3" "Bits Allocated, Bits Stored and High Bit contradict each other";
    PIXEL_FRAMES "dicom.pixel.frames" Warning "PS3.3 C.7.6.6, C.7.6.16" "Number of Frames contradicts the frames that are there";
    PIXEL_RANGE "dicom.pixel.range" Warning "PS3.3 C.7.6.3 (0028,0106), (0028,0107)" "pixels lie outside Smallest and Largest Image Pixel Value";
    PIXEL_RANGE_LOOSE "dicom.pixel.range_loose" Notice "PS3.3 C.7.6.3 (0028,0106), (0028,0107)" "Smallest and Largest Image Pixel Value are not reached; some scanners write the possible range";
    PIXEL_RANGE_UNSET "dicom.pixel.range_unset" Info "PS3.3 C.7.6.3 (0028,0106), (0028,0107)" "Smallest and Largest Image Pixel Value were never filled in";
    PIXEL_EIGHT_BIT "dicom.pixel.eight_bit" Warning "PS3.3 C.8.2.1, C.8.3.1" "no more grey levels than eight bits hold, spread over a deeper range";
    PIXEL_NARROW "dicom.pixel.narrow" Notice "PS3.3 C.8.2.1" "the pixels fit into eight bits although many more are stored";
    PIXEL_COMB "dicom.pixel.comb" Notice "Stamm and Liu 2010, doi:10.1109/TIFS.2010.2053202" "grey levels are spaced at regular gaps, as after stretching the contrast";
    PIXEL_HU "dicom.pixel.hounsfield" Notice "PS3.3 C.8.2.1, C.11.1.1.2" "a CT image without any value as low as air or fat";
    PIXEL_WINDOW "dicom.pixel.window" Notice "PS3.3 C.11.2.1.2" "the window shows none of the pixels' values";
    PIXEL_CONSTANT "dicom.pixel.constant" Notice "PS3.3 C.7.6.3" "all pixels are equal";

    LOSSY_FLAG "dicom.compression.lossy_flag" Warning "PS3.3 C.7.6.1.1.5" "the pixels are lossily compressed and the file does not say so";
    LOSSY_RATIO "dicom.compression.ratio" Notice "PS3.3 C.7.6.1.1.5.2" "the compression ratio differs from the stated one by a factor above two";
    LOSSY_PAST "dicom.compression.past" Info "PS3.3 C.7.6.1.1.5" "the pixels were lossily compressed at some time";

    MODULE_TYPE1 "dicom.module.type1" Notice "PS3.3, section in the message; PS3.5 7.4.1" "a required attribute is absent or empty";
    MODULE_TYPE2 "dicom.module.type2" Info "PS3.3, section in the message; PS3.5 7.4.3" "an attribute that must be there, if only empty, is absent";

    PNG_BROKEN "png.broken" Warning "PNG (third edition) 5.3, 5.6" "a chunk's checksum is wrong, or chunks are cut short or missing";
    PNG_TEXT "png.text" Info "PNG (third edition) 11.3.3" "text chunks";
    PNG_PROFILE "png.profile" Info "PNG (third edition) 11.3.2, 11.3.4" "a colour profile, EXIF or time stamp, which scanners do not write";
    JPEG_BROKEN "jpeg.broken" Notice "ISO 10918-1 B.1" "the marker segments are damaged";
    JPEG_TABLES "jpeg.tables" Info "ISO 10918-1 K.1; IJG libjpeg" "quality, quantisation tables and chroma sampling";
    JPEG_CUSTOM "jpeg.custom_tables" Info "ISO 10918-1 K.1; Kornblum 2008, doi:10.1016/j.diin.2008.05.004" "quantisation tables other than the IJG's: a device's or an editor's own";
    JPEG_DOUBLE "jpeg.double" Notice "Lukas and Fridrich 2003; Bianchi and Piva 2012, doi:10.1109/TIFS.2012.2187516" "traces of an earlier JPEG compression at another quality, on the same grid";
    IMAGE_HISTORY "image.jpeg_history" Notice "Fan and de Queiroz 2003, doi:10.1109/TIP.2002.807361" "losslessly stored pixels that were a JPEG before";
    IMAGE_RESAMPLED "image.resampled" Info "Gallagher 2005, doi:10.1109/CRV.2005.33; Mahdian and Saic 2008" "periodic traces of interpolation";
    IMAGE_COPY_MOVE "image.copy_move" Warning "Fridrich, Soukal and Lukas 2003; Christlein et al. 2012, doi:10.1109/TIFS.2012.2218597" "a region stands in the image twice, with its noise";
    SOFTWARE "metadata.software" Info "Exif 3.0 4.6.4; TIFF 6.0; XMP; DICOM PS3.3 C.7.5.1" "the program that wrote the file";
    EDITOR "metadata.editor" Notice "Exif 3.0 4.6.4; XMP; Photoshop file format" "an image editor wrote the file";
    IMAGE_GENERATOR "metadata.generator" Warning "IPTC digital source type; PNG text chunks of Stable Diffusion, ComfyUI, InvokeAI and NovelAI" "metadata of an image generator";
    C2PA_MANIFEST "c2pa.manifest" Notice "C2PA 2.1, manifests and their binding to content" "a C2PA manifest, whose signature is not verified here";
    C2PA_GENERATED "c2pa.generated" Warning "C2PA 2.1, c2pa.actions; IPTC digital source type" "a C2PA manifest declares generation or editing by a trained algorithm";
    C2PA_BROKEN "c2pa.broken" Notice "ISO 19566-5" "a C2PA manifest that cannot be read";
}

/// The table for people, in Markdown.
pub(crate) fn markdown() -> String {
    let mut table = String::from("| code | severity | meaning | reference |\n|---|---|---|---|\n");
    for code in ALL {
        let Code {
            id,
            severity,
            reference,
            meaning,
        } = code;
        table += &format!(
            "| `{id}` | {} | {meaning} | {reference} |\n",
            severity.word()
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_documented() {
        let mut ids: Vec<&str> = ALL.iter().map(|code| code.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), ALL.len());
        let documented = include_str!("../../../../docs/findings.md");
        assert!(
            documented.contains(&markdown()),
            "docs/findings.md lacks this table:\n{}",
            markdown()
        );
    }
}
