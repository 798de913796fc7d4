//! Which rules fit which files.

use super::super::{Collection, CollectionError, Pattern, Rule, template};

/// A rule whose pattern was read.
pub(super) struct Compiled<'a> {
    rule: &'a Rule,
    pattern: Pattern,
}

/// Reads the patterns of all rules and checks what they set.
///
/// # Errors
/// [`CollectionError::Rule`], with what is wrong.
pub(super) fn compile(collection: &Collection) -> Result<Vec<Compiled<'_>>, CollectionError> {
    collection
        .rules
        .iter()
        .map(|rule| {
            let pattern = Pattern::new(&rule.glob).map_err(CollectionError::Rule)?;
            for (column, text) in &rule.columns {
                let fits = column
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
                if !fits || matches!(column.as_str(), "" | "path" | "sha256") {
                    return Err(CollectionError::Rule(format!(
                        "rule '{}': '{column}' is no column that can be set",
                        rule.glob
                    )));
                }
                for name in template::names(text) {
                    let capture = name.parse::<usize>();
                    let known = match capture {
                        Ok(number) => (1..=pattern.captures()).contains(&number),
                        Err(_) => VALUES.contains(&name.as_str()),
                    };
                    if !known {
                        return Err(CollectionError::Rule(format!(
                            "rule '{}': {column} asks for {{{name}}}; there are {} captures and {}",
                            rule.glob,
                            pattern.captures(),
                            VALUES.join(", ")
                        )));
                    }
                }
            }
            Ok(Compiled { rule, pattern })
        })
        .collect()
}

/// Names that every template may use.
const VALUES: [&str; 11] = [
    "path",
    "name",
    "stem",
    "folder",
    "modality",
    "body_part",
    "patient",
    "study",
    "series",
    "sop",
    "slice",
];

/// Rules that fit a path, with their captures.
pub(super) type Fits<'a> = Vec<(&'a Rule, Vec<String>)>;

/// What the rules make of a file.
pub(super) enum Claim<'a> {
    Image(Fits<'a>),
    Skip,
    Unknown,
}

/// What becomes of the file of this name.
pub(super) fn claims<'a>(rules: &[Compiled<'a>], name: &str) -> Claim<'a> {
    let mut fits = Vec::new();
    for Compiled { rule, pattern } in rules {
        if let Some(captures) = pattern.matches(name) {
            if rule.skip {
                return Claim::Skip;
            }
            fits.push((*rule, captures));
        }
    }
    if fits.is_empty() {
        Claim::Unknown
    } else {
        Claim::Image(fits)
    }
}
