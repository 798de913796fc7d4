//! PEM blocks of a file (RFC 7468), in order.

/// A block's label and its bytes; broken blocks are left out.
pub(crate) fn blocks(text: &str) -> Vec<(String, Vec<u8>)> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("-----BEGIN ") {
        rest = &rest[start..];
        let Some(end) = rest.find("-----END ") else {
            break;
        };
        let Some(close) = rest[end + 9..].find("-----").map(|n| end + 9 + n + 5) else {
            break;
        };
        if let Ok((label, bytes)) = der::pem::decode_vec(&rest.as_bytes()[..close]) {
            out.push((label.to_owned(), bytes));
        }
        rest = &rest[close..];
    }
    out
}

/// Every value with one of these labels; a file that is not PEM counts as one DER value.
pub(crate) fn values(bytes: &[u8], labels: &[&str]) -> Vec<Vec<u8>> {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.contains("-----BEGIN ") => blocks(text)
            .into_iter()
            .filter_map(|(label, bytes)| labels.contains(&label.as_str()).then_some(bytes))
            .collect(),
        _ => vec![bytes.to_vec()],
    }
}
