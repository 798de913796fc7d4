//! The time of an entry: RFC 3339, UTC, whole seconds, so that one instant has one spelling.

use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::error::LogError;

/// Seconds since 1970-01-01T00:00:00Z, written `YYYY-MM-DDTHH:MM:SSZ`; years 1970 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(u64);

/// 9999-12-31T23:59:59Z, the last instant that four digits of year can write.
const LAST: u64 = 253_402_300_799;

impl Timestamp {
    /// The present, by this machine's clock.
    #[must_use]
    pub fn now() -> Self {
        let seconds = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| d.as_secs());
        Self(seconds.min(LAST))
    }

    /// From seconds since the epoch; none after the year 9999.
    #[must_use]
    pub fn from_unix(seconds: u64) -> Option<Self> {
        (seconds <= LAST).then_some(Self(seconds))
    }

    /// Seconds since the epoch.
    #[must_use]
    pub fn unix(self) -> u64 {
        self.0
    }
}

/// Days from the epoch to a date of the Gregorian calendar; years start in March so that the leap
/// day is the last of its year.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y / 400;
    let of_era = y % 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn date(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let era = z / 146_097;
    let doe = z % 146_097;
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + u64::from(month <= 2);
    (year, month, doy - (153 * mp + 2) / 5 + 1)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = date(self.0 / 86_400);
        let s = self.0 % 86_400;
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
            s / 3600,
            s / 60 % 60,
            s % 60
        )
    }
}

impl FromStr for Timestamp {
    type Err = LogError;

    fn from_str(text: &str) -> Result<Self, LogError> {
        let bad = || LogError::Entry("time is not RFC 3339 UTC in whole seconds".into());
        let field = |from: usize, to: usize| -> Result<u64, LogError> {
            let part = text
                .get(from..to)
                .filter(|p| p.bytes().all(|b| b.is_ascii_digit()));
            part.and_then(|p| p.parse().ok()).ok_or_else(bad)
        };
        if text.len() != 20 {
            return Err(bad());
        }
        let (year, month, day) = (field(0, 4)?, field(5, 7)?, field(8, 10)?);
        let (hour, minute, second) = (field(11, 13)?, field(14, 16)?, field(17, 19)?);
        if year < 1970 || !(1..=12).contains(&month) || day == 0 {
            return Err(bad());
        }
        let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
        // Writing it again refuses 30 February, hour 24, second 60 and wrong separators at once.
        let time = Self::from_unix(seconds).ok_or_else(bad)?;
        if time.to_string() == text {
            Ok(time)
        } else {
            Err(bad())
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_instants_and_round_trips() {
        assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Timestamp(951_782_400).to_string(), "2000-02-29T00:00:00Z");
        assert_eq!(Timestamp(1_700_000_000).to_string(), "2023-11-14T22:13:20Z");
        assert_eq!(Timestamp(LAST).to_string(), "9999-12-31T23:59:59Z");
        for s in (0..LAST).step_by(86_399 * 37) {
            assert_eq!(
                Timestamp(s).to_string().parse::<Timestamp>().unwrap(),
                Timestamp(s)
            );
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in [
            "",
            "2023-02-29T00:00:00Z",
            "2023-11-14T24:00:00Z",
            "2023-11-14T22:13:60Z",
            "2023-11-14t22:13:20Z",
            "2023-11-14T22:13:20+00:00",
            "2023-11-14 22:13:20Z",
            "1969-12-31T23:59:59Z",
            "+023-11-14T22:13:20Z",
            "2023-11-14T22:13:2éZ",
            "2023-13-01T00:00:00Z",
            "2023-00-01T00:00:00Z",
            "2023-01-00T00:00:00Z",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }
}
