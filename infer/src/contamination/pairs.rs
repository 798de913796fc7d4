//! Near-duplicates on the page of an audit, side by side.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use maud::{Markup, html};
use veraray_datasets::{OpenOptions, open};

use super::findings::Findings;
use super::survey::Pair;
use crate::report::raster::{Picture, data_uri, reduced};

/// Pairs with pictures; the rest is listed.
const SHOWN: usize = 24;

/// Longer side of a picture in pixels.
const SIDE: usize = 160;

/// Pairs of images, the gravest with pictures. Nothing where they were not looked for.
pub(super) fn section(findings: &Findings) -> Markup {
    let Some(found) = &findings.near_duplicates else {
        return match &findings.near_duplicates_missing {
            Some(reason) => html! {
                section { h2 { "Near-duplicates across patients" } p { "Not known: " (reason) "." } }
            },
            None => html! {},
        };
    };
    let (first, rest) = found.listed.split_at(found.listed.len().min(SHOWN));
    html! {
        section #near-duplicates {
            h2 { "Near-duplicates across patients" }
            p {
                (found.tally()) ", "
                (found.pairs_of_known_patients) " of them of patients known to differ."
                @if found.not_compared > 0 {
                    " " (found.not_compared) " images could not be compared."
                }
            }
            p.small.soft {
                "A perceptual hash proposes pairs, and the correlation of fine detail decides; it is \
                 negative where one image is inverted. Of a volume the middle slice is compared. Crops \
                 of more than about one percent escape."
            }
            @if !first.is_empty() { ul.pairs { @for pair in first { (shown(pair)) } } }
            @if !rest.is_empty() {
                details { summary { (rest.len()) " more" }
                    ul { @for pair in rest { li {
                        (format!("{:+.3} ", pair.correlation)) code { (pair.first) } " = "
                        code { (pair.second) }
                    } } }
                }
            }
            @if found.pairs > found.listed.len() as u64 {
                p { (found.pairs - found.listed.len() as u64) " more are not listed." }
            }
        }
    }
}

fn shown(pair: &Pair) -> Markup {
    html! { li {
        div.two {
            @for path in [&pair.first, &pair.second] {
                @match picture(path) {
                    Some(uri) => img src=(uri) alt=(format!("Thumbnail of {path}"));,
                    None => span.soft { "no picture" },
                }
            }
        }
        (format!("{:+.3}", pair.correlation))
        @for remark in pair.remarks() { ", " (remark) }
        br;
        code { (pair.first) } br;
        code { (pair.second) }
    } }
}

/// What was compared: the image, or the middle slice of a volume. A decoder's panic costs the picture.
fn picture(path: &str) -> Option<String> {
    let bytes = catch_unwind(AssertUnwindSafe(|| {
        let mut image = open(Path::new(path), &OpenOptions::default()).ok()?;
        let middle = image.info().frames / 2;
        let gray = image.frame(middle).ok()?.to_gray();
        Picture::gray(&reduced(&gray, SIDE)).jpeg().ok()
    }));
    Some(data_uri("image/jpeg", &bytes.ok()??))
}
