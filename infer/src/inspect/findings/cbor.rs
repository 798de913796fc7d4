//! A walk over CBOR (RFC 8949) that keeps texts and the keys they stand under.

/// Nesting that is followed.
const MAX_DEPTH: usize = 16;
/// Items that are looked at.
const MAX_ITEMS: usize = 20_000;
/// Texts that are kept.
const MAX_TEXTS: usize = 512;

/// Every text in `bytes` with the key of the map entry it belongs to. Stops silently at damage: what
/// was read before still counts.
pub(super) fn texts(bytes: &[u8]) -> Vec<(String, String)> {
    let mut walker = Walker {
        bytes,
        at: 0,
        items: 0,
        texts: Vec::new(),
    };
    let _ = walker.item("", 0);
    walker.texts
}

struct Walker<'a> {
    bytes: &'a [u8],
    at: usize,
    items: usize,
    texts: Vec<(String, String)>,
}

/// What an item was.
enum Item {
    Text(String),
    Break,
    Other,
}

impl Walker<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    /// The argument of an initial byte; `None` inside means an indefinite length.
    fn argument(&mut self, low: u8) -> Option<Option<u64>> {
        let size = match low {
            0..=23 => return Some(Some(low.into())),
            24..=27 => 1 << (low - 24),
            31 => return Some(None),
            _ => return None,
        };
        let bytes = self.bytes.get(self.at..self.at + size)?;
        self.at += size;
        Some(Some(bytes.iter().fold(0, |n, &b| n << 8 | u64::from(b))))
    }

    fn string(&mut self, length: u64) -> Option<String> {
        let end = self.at.checked_add(usize::try_from(length).ok()?)?;
        let text = String::from_utf8_lossy(
            self.bytes
                .get(self.at..end)?
                .get(..1024)
                .unwrap_or(self.bytes.get(self.at..end)?),
        )
        .into_owned();
        self.at = end;
        Some(text)
    }

    fn item(&mut self, key: &str, depth: usize) -> Option<Item> {
        self.items += 1;
        if depth > MAX_DEPTH || self.items > MAX_ITEMS {
            return None;
        }
        let initial = self.byte()?;
        let argument = self.argument(initial & 31)?;
        match (initial >> 5, argument) {
            (0 | 1, Some(_)) => Some(Item::Other),
            (2 | 3, None) => {
                while !matches!(self.item("", depth + 1)?, Item::Break) {}
                Some(Item::Other)
            }
            (2, Some(length)) => {
                self.string(length)?;
                Some(Item::Other)
            }
            (3, Some(length)) => {
                let text = self.string(length)?;
                if !key.is_empty() && self.texts.len() < MAX_TEXTS {
                    self.texts.push((key.to_owned(), text.clone()));
                }
                Some(Item::Text(text))
            }
            (4, count) => {
                self.repeat(count, |walker| walker.item(key, depth + 1))?;
                Some(Item::Other)
            }
            (5, count) => {
                self.repeat(count, |walker| {
                    let inner = match walker.item("", depth + 1)? {
                        Item::Break => return Some(Item::Break),
                        Item::Text(text) => text,
                        Item::Other => String::new(),
                    };
                    walker.item(&inner, depth + 1)
                })?;
                Some(Item::Other)
            }
            (6, Some(_)) => self.item(key, depth + 1),
            (7, None) => Some(Item::Break),
            (7, Some(_)) => Some(Item::Other),
            _ => None,
        }
    }

    fn repeat(
        &mut self,
        count: Option<u64>,
        mut each: impl FnMut(&mut Self) -> Option<Item>,
    ) -> Option<()> {
        let mut done = 0;
        while count.is_none_or(|count| done < count) {
            if matches!(each(self)?, Item::Break) {
                break;
            }
            done += 1;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_with_their_keys() {
        // {"a": ["x", {"b": "y"}], "c": 1}
        let bytes = b"\xa2\x61a\x82\x61x\xa1\x61b\x61y\x61c\x01";
        let expected = [("a", "x"), ("b", "y")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(texts(bytes), expected);
        // The same with indefinite lengths.
        let bytes = b"\xbf\x61a\x9f\x61x\xff\xff";
        assert_eq!(texts(bytes), [("a".to_owned(), "x".to_owned())]);
    }

    #[test]
    fn damage_and_depth_end_the_walk() {
        assert!(texts(&[0x81; 10_000]).is_empty());
        assert!(texts(&[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).is_empty());
        for length in 0..12 {
            let _ = texts(&b"\xa2\x61a\x82\x61x\xa1\x61b\x61y"[..length]);
        }
    }
}
