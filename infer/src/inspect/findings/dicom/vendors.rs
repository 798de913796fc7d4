//! Makers and software by the names and UID roots they use.
//!
//! Roots are public: in conformance statements, in the software's sources, and in the images.

/// A maker: the name shown, beginnings of Manufacturer (0008,0070) in capitals, UID roots, and
/// beginnings of private creators that only its acquisition equipment writes.
pub(super) struct Vendor {
    pub(super) name: &'static str,
    names: &'static [&'static str],
    roots: &'static [&'static str],
    creators: &'static [&'static str],
    /// Whether its current CT and MR scanners always write such attributes.
    pub(super) always_private: bool,
}

static VENDORS: [Vendor; 14] = [
    Vendor {
        name: "GE",
        names: &["GE ", "GEMS", "G.E.", "GENERAL ELECTRIC"],
        roots: &["1.2.840.113619"],
        // GEIIS and others of GE's archives stand in images of every maker.
        creators: &["GEMS_"],
        always_private: true,
    },
    Vendor {
        name: "Siemens",
        names: &["SIEMENS", "ACUSON"],
        roots: &["1.3.12.2.1107", "1.2.840.113680"],
        creators: &[
            "SIEMENS CSA HEADER",
            "SIEMENS MR HEADER",
            "SIEMENS MR SDS",
            "SIEMENS CT VA",
        ],
        always_private: true,
    },
    Vendor {
        name: "Philips",
        names: &["PHILIPS", "MARCONI", "PICKER", "ADAC", "ATL"],
        roots: &["1.3.46.670589", "1.2.840.113704"],
        creators: &[
            "PHILIPS IMAGING DD",
            "PHILIPS MR",
            "PHILIPS CT",
            "PHILIPS X-RAY",
            "SPI-P",
        ],
        always_private: true,
    },
    Vendor {
        name: "Toshiba/Canon",
        names: &["TOSHIBA", "CANON"],
        roots: &["1.2.392.200036.9116"],
        creators: &["TOSHIBA_MEC", "CANON_MEC"],
        always_private: false,
    },
    Vendor {
        name: "Fujifilm",
        names: &["FUJI"],
        roots: &["1.2.392.200036.9125"],
        creators: &["FDMS ", "FUJI PHOTO FILM"],
        always_private: false,
    },
    Vendor {
        name: "Hitachi",
        names: &["HITACHI"],
        roots: &["1.2.392.200036.9123"],
        creators: &["HMC"],
        always_private: false,
    },
    Vendor {
        name: "Konica Minolta",
        names: &["KONICA"],
        roots: &["1.2.392.200036.9107"],
        creators: &[],
        always_private: false,
    },
    Vendor {
        name: "Agfa",
        names: &["AGFA"],
        roots: &["1.3.51"],
        creators: &["AGFA_ADC", "AGFA ADC"],
        always_private: false,
    },
    Vendor {
        name: "Carestream/Kodak",
        names: &["CARESTREAM", "KODAK", "EASTMAN KODAK"],
        roots: &["1.2.840.113564"],
        creators: &[],
        always_private: false,
    },
    Vendor {
        name: "Hologic",
        names: &["HOLOGIC", "LORAD"],
        roots: &["1.2.840.113681"],
        creators: &["HOLOGIC"],
        always_private: false,
    },
    Vendor {
        name: "SonoSite",
        names: &["SONOSITE"],
        roots: &["1.2.840.114340"],
        creators: &["SONOSITE"],
        always_private: false,
    },
    Vendor {
        name: "United Imaging",
        names: &["UIH", "UNITED IMAGING"],
        roots: &["1.2.156.112605"],
        creators: &["UIH"],
        always_private: false,
    },
    Vendor {
        name: "Varian",
        names: &["VARIAN"],
        roots: &["1.2.246.352"],
        creators: &["VARIAN"],
        always_private: false,
    },
    Vendor {
        name: "Bruker",
        names: &["BRUKER"],
        roots: &["2.16.756.5.5"],
        creators: &["BRUKER"],
        always_private: false,
    },
];

/// What kind of software a root belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A library for programs; what people who make or change images use.
    Library,
    /// Archives, converters and viewers, or libraries inside them.
    Archive,
    /// De-identification services, and UIDs made from random numbers.
    Anonymous,
}

pub(super) struct Software {
    pub(super) name: &'static str,
    root: &'static str,
    pub(super) kind: Kind,
}

const fn software(name: &'static str, root: &'static str, kind: Kind) -> Software {
    Software { name, root, kind }
}

static SOFTWARE: [Software; 13] = [
    software("pydicom", "1.2.826.0.1.3680043.8.498", Kind::Library),
    software("highdicom", "1.2.826.0.1.3680043.9.7433", Kind::Library),
    software("GDCM", "1.2.826.0.1.3680043.2.1143", Kind::Library),
    software("ITK", "1.2.826.0.1.3680043.2.1125", Kind::Library),
    software("MATLAB", "1.3.6.1.4.1.9590.100.1", Kind::Library),
    software("fo-dicom", "1.3.6.1.4.1.30071.8", Kind::Library),
    software("DCMTK", "1.2.276.0.7230010.3", Kind::Archive),
    software("dcm4che", "1.2.40.0.13.1", Kind::Archive),
    software("dicom3tools or PixelMed", "1.3.6.1.4.1.5962", Kind::Archive),
    software("OsiriX", "1.2.276.0.7238010", Kind::Archive),
    software("OsiriX", "1.3.6.1.4.1.19291", Kind::Archive),
    software(
        "The Cancer Imaging Archive",
        "1.3.6.1.4.1.14519.5.2",
        Kind::Anonymous,
    ),
    software("a random number (UUID)", "2.25", Kind::Anonymous),
];

/// Whether `uid` stands at or below `root`.
fn below(uid: &str, root: &str) -> bool {
    uid.strip_prefix(root)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The maker that Manufacturer names.
pub(super) fn by_name(manufacturer: &str) -> Option<&'static Vendor> {
    let name = manufacturer.trim().to_uppercase();
    let begins = |v: &&Vendor| {
        v.names
            .iter()
            .any(|n| name.starts_with(n) || name == n.trim())
    };
    VENDORS.iter().find(begins)
}

/// The maker whose root a UID has.
pub(super) fn by_uid(uid: &str) -> Option<&'static Vendor> {
    VENDORS
        .iter()
        .find(|v| v.roots.iter().any(|r| below(uid, r)))
}

/// The maker whose scanners write under a private creator.
pub(super) fn by_creator(creator: &str) -> Option<&'static Vendor> {
    let name = creator.trim().to_uppercase();
    VENDORS
        .iter()
        .find(|v| v.creators.iter().any(|c| name.starts_with(c)))
}

/// The software whose root a UID has.
pub(super) fn software_by_uid(uid: &str) -> Option<&'static Software> {
    SOFTWARE.iter().find(|s| below(uid, s.root))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_end_at_a_dot() {
        assert_eq!(by_uid("1.3.51.5").map(|v| v.name), Some("Agfa"));
        assert!(by_uid("1.3.512.5").is_none());
        assert_eq!(
            software_by_uid("2.25.1").map(|s| s.kind),
            Some(Kind::Anonymous)
        );
        assert!(software_by_uid("2.251.1").is_none());
        assert_eq!(by_name("GE MEDICAL SYSTEMS").map(|v| v.name), Some("GE"));
        assert!(by_name("Getinge").is_none());
    }
}
