//! What every page shares: its frame, its style and its tables of figures.

use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = "
:root{color-scheme:light dark;--line:#8884;--soft:#8881;--good:#0a7a4b;--bad:#c0392b}
*{box-sizing:border-box}
body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;max-width:76rem;padding:1.5rem}
h1{font-size:1.5rem;margin:0 0 .3rem}h2{font-size:1.15rem;margin:2.2rem 0 .6rem}
p{max-width:60rem}.meta{opacity:.75;font-size:.9rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.88rem}
caption{text-align:left;padding:.3rem 0;opacity:.8}
th,td{padding:.28rem .6rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}
th:first-child,td:first-child{text-align:left}
thead th{position:sticky;top:0;background:Canvas}
tbody tr:hover{background:var(--soft)}
.low{opacity:.65}.bad{color:var(--bad);font-weight:600}.good{color:var(--good)}
@media(prefers-color-scheme:dark){:root{--good:#4cc38a;--bad:#ff8a7a}}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(20rem,1fr));gap:1.2rem}
figure{margin:0}figcaption{font-weight:600;margin-bottom:.2rem}
svg{max-width:100%;height:auto}
.legend{list-style:none;padding:0;margin:.2rem 0 0;display:flex;flex-wrap:wrap;gap:.2rem 1rem;font-size:.85rem}
.legend svg{vertical-align:middle;margin-right:.35rem}
.gallery{display:grid;grid-template-columns:repeat(auto-fill,minmax(8.5rem,1fr));gap:.8rem;padding:0;list-style:none}
.gallery img{width:100%;display:block;background:#000;image-rendering:auto}
.gallery span{display:block;font-size:.8rem;overflow-wrap:anywhere;line-height:1.3}
footer{margin-top:3rem;border-top:1px solid var(--line);padding-top:.8rem;font-size:.85rem;opacity:.8}
";

/// A self-contained page.
pub(super) fn page(title: &str, body: &Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 { (title) }
                    (body)
                }
                footer {
                    "Research software, not a medical device. Intervals are 95 %, from a bootstrap over "
                    "groups (patients or volumes) unless said otherwise."
                }
            }
        }
    }
    .into_string()
}

/// A table that scrolls by itself when it is wider than the page.
pub(super) fn table(head: &[&str], rows: &[Vec<Markup>]) -> Markup {
    html! {
        div.scroll {
            table {
                thead { tr { @for name in head { th scope="col" { (name) } } } }
                tbody {
                    @for row in rows {
                        tr { @for cell in row { td { (cell) } } }
                    }
                }
            }
        }
    }
}

/// A figure with its interval.
pub(super) fn interval([estimate, low, high]: [f64; 3]) -> Markup {
    html! { (format!("{estimate:.3}")) " " span.low { (format!("({low:.3}–{high:.3})")) } }
}

/// A share in per cent.
pub(super) fn percent(share: f64) -> Markup {
    html! { (format!("{:.1} %", 100.0 * share)) }
}

/// A plain number with three digits.
pub(super) fn number(value: f64) -> Markup {
    html! { (format!("{value:.3}")) }
}

/// A word.
pub(super) fn word(text: &str) -> Markup {
    html! { (text) }
}
