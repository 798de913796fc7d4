//! Path patterns whose wildcards capture.
//!
//! `*` and `?` match within one path component, `**` across components (and `**/` also matches
//! nothing), `[a-z0-9_]` and `[!…]` one character, `{a,b}` one of several texts. Every wildcard, class
//! and choice captures what it matched; templates name them `{1}`, `{2}`, … from the left. A pattern
//! without a slash is matched against the file name alone. Case matters.

/// Steps after which a match is given up: far beyond any sensible pattern on any path.
const MAX_STEPS: usize = 200_000;

/// Longest pattern, which bounds the depth of matching.
const MAX_LENGTH: usize = 1000;

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    tokens: Vec<Token>,
    name_only: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Literal(char),
    /// `?`
    One,
    /// `*`
    Within,
    /// `**/`: any number of whole components.
    Folders,
    /// `**`
    Across,
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
    Choice(Vec<Vec<char>>),
}

impl Token {
    fn captures(&self) -> bool {
        !matches!(self, Self::Literal(_))
    }
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn new(text: &str) -> Result<Self, String> {
        let chars: Vec<char> = text.chars().collect();
        if chars.is_empty() || chars.len() > MAX_LENGTH {
            return Err("a pattern is empty or longer than 1000 characters".into());
        }
        let mut tokens = Vec::new();
        let mut at = 0;
        let find = |from: usize, wanted: char| {
            chars[from..]
                .iter()
                .position(|&c| c == wanted)
                .map(|offset| from + offset)
                .ok_or_else(|| format!("pattern '{text}': '{wanted}' is missing"))
        };
        while at < chars.len() {
            match chars[at] {
                '*' if chars.get(at + 1) == Some(&'*') => {
                    if chars.get(at + 2) == Some(&'/') && (at == 0 || chars[at - 1] == '/') {
                        tokens.push(Token::Folders);
                        at += 1;
                    } else {
                        tokens.push(Token::Across);
                    }
                    at += 1;
                }
                '*' => tokens.push(Token::Within),
                '?' => tokens.push(Token::One),
                '[' => {
                    let negated = chars.get(at + 1) == Some(&'!');
                    let from = at + 1 + usize::from(negated);
                    let end = find(from, ']')?;
                    tokens.push(Token::Class {
                        negated,
                        ranges: ranges(&chars[from..end]),
                    });
                    at = end;
                }
                '{' => {
                    let end = find(at, '}')?;
                    tokens.push(Token::Choice(
                        chars[at + 1..end]
                            .split(|&c| c == ',')
                            .map(<[char]>::to_vec)
                            .collect(),
                    ));
                    at = end;
                }
                other => tokens.push(Token::Literal(other)),
            }
            at += 1;
        }
        Ok(Self {
            text: text.into(),
            name_only: !text.contains('/'),
            tokens,
        })
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// How many captures a match has.
    #[must_use]
    pub fn captures(&self) -> usize {
        self.tokens.iter().filter(|token| token.captures()).count()
    }

    /// What the wildcards match in a path with `/` between its components, `None` if it does not fit.
    #[must_use]
    pub fn matches(&self, path: &str) -> Option<Vec<String>> {
        let subject = if self.name_only {
            path.rsplit('/').next().unwrap_or(path)
        } else {
            path
        };
        let chars: Vec<char> = subject.chars().collect();
        let mut found = Vec::new();
        let mut steps = 0;
        self.walk(0, &chars, 0, &mut found, &mut steps).then(|| {
            found
                .into_iter()
                .map(|(from, to)| chars[from..to].iter().collect())
                .collect()
        })
    }

    fn walk(
        &self,
        token: usize,
        chars: &[char],
        at: usize,
        found: &mut Vec<(usize, usize)>,
        steps: &mut usize,
    ) -> bool {
        *steps += 1;
        if *steps > MAX_STEPS {
            return false;
        }
        let Some(current) = self.tokens.get(token) else {
            return at == chars.len();
        };
        let mut attempt = |end: usize, steps: &mut usize| {
            found.push((at, end));
            let fits = self.walk(token + 1, chars, end, found, steps);
            if !fits {
                found.pop();
            }
            fits
        };
        match current {
            Token::Literal(c) => {
                chars.get(at) == Some(c) && self.walk(token + 1, chars, at + 1, found, steps)
            }
            Token::One => chars.get(at).is_some_and(|c| *c != '/') && attempt(at + 1, steps),
            Token::Class { negated, ranges } => {
                let fits = |c: &char| {
                    let inside = ranges.iter().any(|(low, high)| (low..=high).contains(&c));
                    *c != '/' && inside != *negated
                };
                chars.get(at).is_some_and(fits) && attempt(at + 1, steps)
            }
            Token::Choice(choices) => choices.iter().any(|choice| {
                let end = at + choice.len();
                chars.get(at..end) == Some(choice) && attempt(end, steps)
            }),
            Token::Within => {
                let length = chars[at..].iter().take_while(|c| **c != '/').count();
                (at..=at + length).any(|end| attempt(end, steps))
            }
            Token::Across => (at..=chars.len()).any(|end| attempt(end, steps)),
            // Nothing, or up to and with a slash.
            Token::Folders => {
                attempt(at, steps)
                    || (at..chars.len())
                        .filter(|&slash| chars[slash] == '/')
                        .any(|slash| attempt(slash + 1, steps))
            }
        }
    }
}

fn ranges(class: &[char]) -> Vec<(char, char)> {
    let mut ranges = Vec::new();
    let mut at = 0;
    while at < class.len() {
        if class.get(at + 1) == Some(&'-') && at + 2 < class.len() {
            ranges.push((class[at], class[at + 2]));
            at += 3;
        } else {
            ranges.push((class[at], class[at]));
            at += 1;
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captures(pattern: &str, path: &str) -> Option<Vec<String>> {
        Pattern::new(pattern).unwrap().matches(path)
    }

    #[test]
    fn a_table_of_patterns() {
        let some = |words: &[&str]| Some(words.iter().map(|w| (*w).to_owned()).collect());
        for (pattern, path, expected) in [
            ("*.png", "a/b/c.png", some(&["c"])),
            ("*_*.png", "x/00000012_003.png", some(&["00000012", "003"])),
            ("a/*.png", "a/b/c.png", None),
            ("a/**/*.png", "a/b/c.png", some(&["b/", "c"])),
            ("a/**/*.png", "a/c.png", some(&["", "c"])),
            ("**/x/*.dcm", "x/1.dcm", some(&["", "1"])),
            ("**/x/*.dcm", "p/q/x/1.dcm", some(&["p/q/", "1"])),
            ("a/**", "a/b/c", some(&["b/c"])),
            ("p[0-9][!x]/f", "p1y/f", some(&["1", "y"])),
            ("p[0-9][!x]/f", "p1x/f", None),
            ("{t1,t1ce}.nii", "t1ce.nii", some(&["t1ce"])),
            ("*_{t1,t2}.nii.gz", "s_1_t2.nii.gz", some(&["s_1", "t2"])),
            ("?.png", "ä.png", some(&["ä"])),
            ("a.png", "a.png", some(&[])),
            ("a.png", "b/a.png", some(&[])),
            ("x/a.png", "b/a.png", None),
        ] {
            assert_eq!(captures(pattern, path), expected, "{pattern} on {path}");
        }
        for wrong in ["", "a[b", "{a,b"] {
            assert!(Pattern::new(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn hostile_patterns_end() {
        let pattern = Pattern::new("**a**a**a**a**a**a**a**a**b").unwrap();
        let path = "a".repeat(4000);
        assert_eq!(pattern.matches(&path), None);
    }

    /// What a pattern is made of, put into a path, always matches and is captured back.
    #[test]
    fn generated_paths_give_their_parts_back() {
        let mut state = 7_u64;
        let mut next = |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        for _ in 0..500 {
            let (mut pattern, mut path, mut parts) = (String::new(), String::new(), Vec::new());
            for index in 0..1 + next(4) {
                if index > 0 {
                    pattern.push('/');
                    path.push('/');
                }
                // A literal that no captured part contains keeps the match unique.
                let part: String = (0..1 + next(5))
                    .map(|_| char::from(b'a' + next(20) as u8))
                    .collect();
                match next(3) {
                    0 => {
                        pattern += &format!("Z{index}_*");
                        path += &format!("Z{index}_{part}");
                        parts.push(part);
                    }
                    1 => {
                        pattern += &format!("Y{{{part},other}}");
                        path += &format!("Y{part}");
                        parts.push(part);
                    }
                    _ => {
                        pattern += &part;
                        path += &part;
                    }
                }
            }
            assert_eq!(
                captures(&pattern, &path),
                Some(parts),
                "{pattern} on {path}"
            );
        }
    }
}
