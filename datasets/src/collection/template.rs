//! Texts with places to fill in: `{1}` for captures, `{stem}` or `{Patient ID}` for named values.

/// Fills every `{name}` of a template; `{{` stands for a brace.
///
/// # Errors
/// A sentence that names the place for which there is no value.
pub(super) fn fill(
    template: &str,
    value: impl Fn(&str) -> Option<String>,
) -> Result<String, String> {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        out.push_str(&rest[..open]);
        rest = &rest[open + 1..];
        if let Some(after) = rest.strip_prefix('{') {
            out.push('{');
            rest = after;
            continue;
        }
        let Some(close) = rest.find('}') else {
            return Err(format!("'{template}': '}}' is missing"));
        };
        let name = &rest[..close];
        out.push_str(
            &value(name).ok_or_else(|| format!("'{template}': there is no value '{name}'"))?,
        );
        rest = &rest[close + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

/// The names that a template asks for.
pub(super) fn names(template: &str) -> Vec<String> {
    let names = std::cell::RefCell::new(Vec::new());
    let _ = fill(template, |name| {
        names.borrow_mut().push(name.to_owned());
        Some(String::new())
    });
    names.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_and_missing_ones_named() {
        let value = |name: &str| (name == "1" || name == "Patient ID").then(|| "x".to_owned());
        assert_eq!(fill("a-{1}-{Patient ID}", value).unwrap(), "a-x-x");
        assert_eq!(fill("{{1}", value).unwrap(), "{1}");
        assert!(fill("{2}", value).unwrap_err().contains("'2'"));
        assert!(fill("{1", value).unwrap_err().contains("missing"));
        assert_eq!(names("{1}-{b}"), ["1", "b"]);
    }
}
