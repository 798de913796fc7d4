//! What all pages have in common: head, style, footer. Nothing in them comes from a network.

use maud::{DOCTYPE, Markup, PreEscaped, html};

/// The style of every page.
const STYLE: &str = include_str!("style.css");

/// Nothing may be loaded but pictures beside the page or inside it, and what stands in the page.
const POLICY: &str = "default-src 'none'; img-src 'self' file: data:; style-src 'unsafe-inline'; \
                      script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// A whole page. `style` and `script` are added to what every page has.
pub(crate) fn page(title: &str, style: &str, body: &Markup, script: &str) -> String {
    let (head, foot) = halves(title, style, script);
    format!("{head}{}{foot}", body.0)
}

/// A page before and after its body, for those that are written piece by piece.
pub(crate) fn halves(title: &str, style: &str, script: &str) -> (String, String) {
    let head = html! {
        (DOCTYPE)
        (PreEscaped("<html lang=\"en\">"))
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta http-equiv="Content-Security-Policy" content=(POLICY);
            meta name="referrer" content="no-referrer";
            // A page without an icon makes browsers ask for one.
            link rel="icon" href="data:,";
            title { (title) }
            style { (PreEscaped(STYLE)) (PreEscaped(style)) }
        }
        (PreEscaped("<body>"))
    };
    let foot = html! {
        footer {
            p {
                "Made by veraray " (env!("CARGO_PKG_VERSION")) ". Research software, not a medical "
                "device. A score is no proof: look at the image, its source and its history."
            }
        }
        @if !script.is_empty() {
            script { (PreEscaped(script)) }
        }
        (PreEscaped("</body></html>\n"))
    };
    (head.0, foot.0)
}
