//! Findings on files made here by hand, whole and damaged.

use std::path::Path;
use std::time::Instant;

use veraray_datasets::OpenOptions;

use super::{cheap, full};

/// An explicit-VR element.
fn element(tag: u32, vr: &[u8; 2], value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(((tag >> 16) as u16).to_le_bytes());
    out.extend((tag as u16).to_le_bytes());
    out.extend(vr);
    let padded = value.len() + value.len() % 2;
    if matches!(vr, b"OB" | b"OW" | b"SQ" | b"UN") {
        out.extend([0, 0]);
        out.extend((padded as u32).to_le_bytes());
    } else {
        out.extend((padded as u16).to_le_bytes());
    }
    out.extend(value);
    out.resize(
        out.len() + padded - value.len(),
        if vr == b"UI" { 0 } else { b' ' },
    );
    out
}

/// A 16-bit CT image of 128 by 128 pixels. `extra` elements replace those with their tag.
fn ct(extra: &[(u32, &[u8; 2], &[u8])]) -> Vec<u8> {
    let pixels: Vec<u8> = (0..128 * 128_u32)
        .flat_map(|i| ((i.wrapping_mul(2_654_435_761) >> 21) as u16).to_le_bytes())
        .collect();
    let side = 128_u16.to_le_bytes();
    let [one, sixteen, fifteen, zero] = [1_u16, 16, 15, 0].map(u16::to_le_bytes);
    let plain: [(u32, &[u8; 2], &[u8]); 24] = [
        (0x0008_0008, b"CS", b"ORIGINAL\\PRIMARY\\AXIAL"),
        (0x0008_0016, b"UI", b"1.2.840.10008.5.1.4.1.1.2"),
        (0x0008_0018, b"UI", b"1.2.840.113619.2.55.3"),
        (0x0008_0020, b"DA", b"20190611"),
        (0x0008_0023, b"DA", b"20190611"),
        (0x0008_0060, b"CS", b"CT"),
        (0x0008_0070, b"LO", b"GE MEDICAL SYSTEMS"),
        (0x0009_0010, b"LO", b"GEMS_IDEN_01"),
        (0x0010_0020, b"LO", b"P"),
        (0x0018_0060, b"DS", b"120"),
        (0x0020_000d, b"UI", b"1.2.840.113619.2.55.1"),
        (0x0020_000e, b"UI", b"1.2.840.113619.2.55.2"),
        (0x0028_0002, b"US", &one),
        (0x0028_0004, b"CS", b"MONOCHROME2"),
        (0x0028_0010, b"US", &side),
        (0x0028_0011, b"US", &side),
        (0x0028_0100, b"US", &sixteen),
        (0x0028_0101, b"US", &sixteen),
        (0x0028_0102, b"US", &fifteen),
        (0x0028_0103, b"US", &zero),
        (0x0028_1052, b"DS", b"-1024"),
        (0x0028_1053, b"DS", b"1"),
        (0x0028_1054, b"LO", b"HU"),
        (0x7fe0_0010, b"OW", &pixels),
    ];
    let mut all: Vec<_> = plain
        .into_iter()
        .filter(|(tag, ..)| !extra.iter().any(|(other, ..)| other == tag))
        .chain(extra.iter().copied())
        .collect();
    all.sort_by_key(|(tag, ..)| *tag);
    let mut file = vec![0; 128];
    file.extend(b"DICM");
    for (tag, value) in [
        (0x0002_0002, "1.2.840.10008.5.1.4.1.1.2"),
        (0x0002_0003, "1.2.840.113619.2.55.3"),
        (0x0002_0010, "1.2.840.10008.1.2.1"),
        (0x0002_0012, "1.2.840.113619.6.1"),
    ] {
        file.extend(element(tag, b"UI", value.as_bytes()));
    }
    for (tag, vr, value) in all {
        file.extend(element(tag, vr, value));
    }
    file
}

fn codes(bytes: Vec<u8>) -> Vec<&'static str> {
    let found = full(Path::new("x.dcm"), bytes, &OpenOptions::default());
    found.notes.iter().map(|note| note.code.id).collect()
}

#[test]
fn a_plain_image_has_nothing_but_missing_attributes() {
    let codes = codes(ct(&[]));
    let other: Vec<_> = codes
        .iter()
        .filter(|c| !c.starts_with("dicom.module."))
        .collect();
    assert!(other.is_empty(), "{other:?}");
}

#[test]
fn every_edit_has_its_code() {
    let edits: [(u32, &[u8; 2], &[u8], &str); 12] = [
        (0x0008_0020, b"DA", b"29990101", "dicom.date.future"),
        (0x0008_0023, b"DA", b"20190501", "dicom.date.order"),
        (0x0010_0030, b"DA", b"20200101", "dicom.date.before_birth"),
        (0x0008_0018, b"UI", b"1.2.03", "dicom.uid.invalid"),
        (
            0x0008_0018,
            b"UI",
            b"1.2.826.0.1.3680043.8.498.1",
            "dicom.uid.toolkit_root",
        ),
        (
            0x0008_0018,
            b"UI",
            b"1.3.12.2.1107.5",
            "dicom.uid.vendor_mismatch",
        ),
        (
            0x0008_0070,
            b"LO",
            b"SIEMENS",
            "dicom.equipment.private_creator",
        ),
        (0x0008_001c, b"CS", b"YES", "dicom.synthetic"),
        (
            0x0008_2111,
            b"ST",
            b"filtered",
            "dicom.image_type.original_derived",
        ),
        (0x0008_1090, b"LO", b"CycleGAN", "dicom.generator"),
        (
            0x0018_0081,
            b"DS",
            b"12",
            "dicom.equipment.foreign_attributes",
        ),
        (0x0028_1052, b"DS", b"2000", "dicom.pixel.hounsfield"),
    ];
    for (tag, vr, value, code) in edits {
        let found = codes(ct(&[(tag, vr, value)]));
        assert!(found.contains(&code), "{code} not in {found:?}");
    }
}

#[test]
fn broken_layouts_are_found() {
    let found = codes(ct(&[(0x0028_0010, b"US", &64_u16.to_le_bytes())]));
    assert!(found.contains(&"dicom.pixel.length"), "{found:?}");
    let whole = ct(&[]);
    let found = codes(whole[..whole.len() / 2].to_vec());
    assert!(found.contains(&"dicom.set.broken"), "{found:?}");
    let mut program = whole;
    program[..2].copy_from_slice(b"MZ");
    assert!(codes(program).contains(&"file.polyglot"));
}

/// A numerical recipe's generator: the same damage on every machine.
struct Dice(u32);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as usize % sides.max(1)
    }
}

/// A JPEG whose segments hold EXIF, XMP, a comment and a C2PA manifest.
fn jpeg() -> Vec<u8> {
    let mut out = vec![0xff, 0xd8];
    let mut segment = |marker: u8, body: &[u8]| {
        out.extend([0xff, marker]);
        out.extend((body.len() as u16 + 2).to_be_bytes());
        out.extend(body);
    };
    segment(
        0xe1,
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x31\x01\x02\0\x08\0\0\0\x1a\0\0\0\0\0\0\0GIMP 2.1",
    );
    segment(
        0xe1,
        b"http://ns.adobe.com/xap/1.0/\0<x xmp:CreatorTool='x' t='trainedAlgorithmicMedia'/>",
    );
    segment(0xfe, b"made by a diffusion model");
    let cbor = b"\xa1\x6fclaim_generator\x61x";
    let mut inner = (8 + cbor.len() as u32).to_be_bytes().to_vec();
    inner.extend(b"cbor");
    inner.extend(cbor);
    let mut describe = vec![0, 0, 0, 30];
    describe.extend(b"jumdc2pa\0\x11\0\x10\x80\0\0\xaa\0\x38\x9b\x71\x03c2pa\0");
    let mut store = (8 + (describe.len() + inner.len()) as u32)
        .to_be_bytes()
        .to_vec();
    store.extend(b"jumb");
    store.extend(describe);
    store.extend(inner);
    segment(0xeb, &[b"JP\0\x01\0\0\0\x01", store.as_slice()].concat());
    segment(0xdb, &[[0].as_slice(), &[9; 64]].concat());
    segment(0xc0, &[8, 0, 16, 0, 16, 1, 1, 0x11, 0]);
    segment(0xda, &[1, 1, 0, 0, 63, 0]);
    out.extend([1, 2, 3, 0xff, 0xd9]);
    out.extend(b"PK\x03\x04rest");
    out
}

#[test]
fn a_jpeg_tells_its_metadata() {
    let found: Vec<_> = cheap(&jpeg()).iter().map(|note| note.code.id).collect();
    for code in [
        "metadata.generator",
        "metadata.editor",
        "c2pa.manifest",
        "file.polyglot",
    ] {
        assert!(found.contains(&code), "{code} not in {found:?}");
    }
}

#[test]
fn damage_neither_panics_nor_hangs() {
    let tiff = b"II*\0\x08\0\0\0\x02\0\x31\x01\x02\0\x20\0\0\0\x30\0\0\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0\x08\0\0\0";
    let encapsulated = {
        let mut file = ct(&[(0x7fe0_0010, b"OW", b"")]);
        file.truncate(file.len() - 12);
        file.extend(b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\0\0\0\0\xfe\xff\0\xe0");
        let stream = jpeg();
        let length = stream.len() as u32 & !1;
        file.extend(length.to_le_bytes());
        file.extend(&stream[..length as usize]);
        file.extend(b"\xfe\xff\xdd\xe0\0\0\0\0");
        file
    };
    let seeds = [ct(&[]), jpeg(), tiff.to_vec(), encapsulated];
    let mut dice = Dice(7);
    let start = Instant::now();
    for round in 0..1200 {
        let mut bytes = seeds[round % seeds.len()].clone();
        for _ in 0..=dice.roll(6) {
            // Headers are where lengths and counts stand.
            let span = if dice.roll(4) == 0 {
                bytes.len()
            } else {
                bytes.len().min(1200)
            };
            let at = dice.roll(span);
            bytes[at] = [0, 1, 0x7f, 0xff, dice.roll(256) as u8][dice.roll(5)];
        }
        if dice.roll(5) == 0 {
            bytes.truncate(dice.roll(bytes.len()));
        }
        let _ = cheap(&bytes);
        if round % 20 == 0 {
            let _ = full(Path::new("x"), bytes, &OpenOptions::default());
        }
    }
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}
