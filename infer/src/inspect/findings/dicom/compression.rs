//! Lossy compression: what the code stream is and what the header admits (PS3.3 C.7.6.1.1.5).

use super::super::Found;
use super::super::catalogue::{LOSSY_FLAG, LOSSY_PAST, LOSSY_RATIO, META_SYNTAX};
use super::super::set::Set;
use super::pixel_header::{Coding, PixelHeader};

/// Transfer syntaxes whose pixels are always lossy (PS3.5 Annex A, PS3.6 A-1).
const LOSSY: [&str; 3] = [
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.4.81",
];

pub(super) fn check(header: &PixelHeader, set: &Set<'_>, found: &mut Found) {
    let syntax = header.syntax.as_deref().unwrap_or_default();
    agreement(header, syntax, found);
    let flag = set.text(0x0028_2110);
    let coding = header
        .stream
        .map_or(Coding::Lossless, |stream| stream.coding);
    let is_lossy = coding == Coding::Lossy
        || (coding == Coding::Unknown && LOSSY.contains(&syntax) && header.encoded.is_some());
    let name = header.stream.map_or("JPEG", |stream| stream.name);
    if is_lossy && flag.as_deref() != Some("01") {
        let state = match flag.as_deref() {
            None => "absent".to_owned(),
            Some(value) => format!("“{}”", super::super::quote(value)),
        };
        found.push(LOSSY_FLAG.note(format!(
            "the pixels are lossy {name}, Lossy Image Compression (0028,2110) is {state}"
        )));
    }
    if !is_lossy && flag.as_deref() == Some("01") {
        found.push(LOSSY_PAST.note("Lossy Image Compression is 01: compressed at some time"));
    }
    if is_lossy
        && let Some(&stated) = set.numbers(0x0028_2112).last()
        && let Some(encoded) = header.encoded.filter(|&n| n > 0)
        && stated > 0.0
    {
        // Ratios count significant bits, so that 12 of 16 bits allocated weigh less.
        let bits = header.stored.clamp(1, header.allocated.max(1)) as f64;
        let raw = header.uncompressed() as f64 * bits / header.allocated.max(1) as f64;
        let actual = raw / encoded as f64;
        if !(stated / 2.0..=stated * 2.0).contains(&actual) {
            found.push(LOSSY_RATIO.note(format!(
                "Lossy Image Compression Ratio says {stated:.1}, the pixels are compressed {actual:.1} : 1"
            )));
        }
    }
}

/// The code stream against the transfer syntax.
fn agreement(header: &PixelHeader, syntax: &str, found: &mut Found) {
    let Some(number) = syntax.strip_prefix("1.2.840.10008.1.2") else {
        return;
    };
    let due = match number {
        "" | ".1" | ".2" | ".1.99" => "",
        ".4.50" | ".4.51" | ".4.53" | ".4.55" => "JPEG",
        ".4.57" | ".4.70" => "lossless JPEG",
        ".4.80" | ".4.81" => "JPEG-LS",
        ".4.90" | ".4.91" | ".4.92" | ".4.93" | ".4.201" | ".4.202" | ".4.203" => "JPEG 2000",
        _ => return,
    };
    let is = match (header.encoded, header.stream) {
        (None, _) => "",
        (Some(_), Some(stream)) => stream.name,
        (Some(_), None) if due.is_empty() => "encapsulated",
        (Some(_), None) => return,
    };
    if is != due {
        let word = |name: &'static str| {
            if name.is_empty() {
                "uncompressed"
            } else {
                name
            }
        };
        found.push(META_SYNTAX.note(format!(
            "the pixels are {}, the transfer syntax says {}",
            word(is),
            word(due)
        )));
    }
    if syntax.ends_with(".4.80") && header.stream.is_some_and(|s| s.coding == Coding::Lossy) {
        found.push(META_SYNTAX.note("near-lossless JPEG-LS under the lossless transfer syntax"));
    }
    if syntax.ends_with(".4.90") && header.stream.is_some_and(|s| s.coding == Coding::Lossy) {
        found.push(META_SYNTAX.note("an irreversible wavelet under the lossless transfer syntax"));
    }
}
