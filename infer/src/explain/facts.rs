//! The last sections of an explanation's page: the file, and the detector's limits.

use maud::{Markup, html};

use crate::explain::explanation::Explanation;
use crate::text::printable;

/// What is known of the file, and who judged it.
pub(super) fn file(explanation: &Explanation) -> Markup {
    let record = &explanation.record;
    let context = &explanation.context;
    let size = match (record.columns, record.rows) {
        (Some(columns), Some(rows)) => Some(format!("{columns}×{rows} pixels")),
        _ => None,
    };
    let spacing = explanation
        .pixel_spacing
        .map(|[rows, columns]| format!("{rows} × {columns} mm"));
    let facts = [
        ("Path", Some(record.path.clone())),
        ("SHA-256", record.sha256.clone()),
        ("Format", record.format.clone()),
        ("Modality", record.modality.clone()),
        ("Body part", record.body_part.clone()),
        ("Size", size),
        ("Pixel spacing", spacing),
        (
            "Frames",
            record
                .frames
                .filter(|frames| *frames > 1)
                .map(|frames| frames.to_string()),
        ),
        (
            "Bits stored",
            record.bits_stored.map(|bits| bits.to_string()),
        ),
        ("SOP instance UID", record.sop_instance_uid.clone()),
        ("Series UID", record.series_uid.clone()),
        ("Model", Some(context.model.clone())),
        ("Model hash", Some(context.sha256.clone())),
        ("Device", Some(context.device.clone())),
    ];
    html! {
        section {
            h2 { "The file" }
            dl.facts {
                @for (name, value) in facts {
                    @if let Some(value) = value { dt { (name) } dd { (printable(&value)) } }
                }
            }
            @if !record.findings.is_empty() {
                h3 { "Noticed beside the pixels" }
                ul {
                    @for finding in &record.findings {
                        li { (finding.severity) ": " (printable(&finding.message)) " " code { (finding.code) } }
                    }
                }
                p.small.soft { "Findings are reported beside the score and do not change it." }
            }
        }
    }
}

/// What the detector cannot do.
pub(super) fn limits(explanation: &Explanation) -> Markup {
    let context = &explanation.context;
    html! {
        section {
            h2 { "Limits" }
            ul {
                li {
                    "The detector learned from the modalities " (context.modalities.join(", "))
                    " and the generator families " (context.families.join(", "))
                    "; whatever else it sees, it guesses."
                }
                @for limit in &context.limits { li { (limit) } }
                li {
                    "A heat map shows where this network responds, which need not be where an image was \
                     changed."
                }
            }
        }
    }
}
