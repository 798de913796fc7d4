//! DICOM date and time to Unix time and back (PS3.5, 6.2: DT).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Unix time of a DT value, and whether it states its offset from UTC. Without one, `offset` (in
/// minutes, from Timezone Offset From UTC) counts. Missing parts are the earliest possible.
pub(crate) fn parse(text: &str, offset: Option<i64>) -> Option<(i64, bool)> {
    let text = text.trim_matches([' ', '\0']);
    let (stamp, zone) = match text.find(['+', '-']) {
        Some(at) => (&text[..at], Some(minutes(&text[at..])?)),
        None => (text, None),
    };
    let digits = stamp.split('.').next()?;
    if !digits.is_ascii()
        || !digits.bytes().all(|b| b.is_ascii_digit())
        || digits.len() < 4
        || digits.len() > 14
    {
        return None;
    }
    let part = |from: usize, to: usize, default: u8| match digits.get(from..to) {
        Some(text) => text.parse().ok(),
        None if digits.len() > from => None,
        None => Some(default),
    };
    let year: u16 = digits[..4].parse().ok()?;
    // A leap second has no Unix time of its own.
    let second: u8 = part(12, 14, 0)?.min(59);
    let date = der::DateTime::new(
        year,
        part(4, 6, 1)?,
        part(6, 8, 1)?,
        part(8, 10, 0)?,
        part(10, 12, 0)?,
        second,
    )
    .ok()?;
    let seconds = i64::try_from(date.unix_duration().as_secs()).ok()?;
    Some((seconds - zone.or(offset).unwrap_or(0) * 60, zone.is_some()))
}

/// Minutes of an offset such as `+0130`.
pub(crate) fn minutes(text: &str) -> Option<i64> {
    let text = text.trim_matches([' ', '\0']);
    if !text.is_ascii() || text.len() != 5 {
        return None;
    }
    let sign = match &text[..1] {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let (hours, minutes): (i64, i64) = (text[1..3].parse().ok()?, text[3..5].parse().ok()?);
    Some(sign * (hours * 60 + minutes))
}

/// This moment as Unix time.
pub(crate) fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|d| i64::try_from(d.as_secs()).ok())
        .unwrap_or(0)
}

/// A Unix time as DT in UTC.
pub(crate) fn format(seconds: i64) -> Option<String> {
    let date = der::DateTime::from_unix_duration(Duration::from_secs(u64::try_from(seconds).ok()?))
        .ok()?;
    Some(format!(
        "{:04}{:02}{:02}{:02}{:02}{:02}.000000+0000",
        date.year(),
        date.month(),
        date.day(),
        date.hour(),
        date.minutes(),
        date.seconds()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_standard_allows() {
        assert_eq!(
            parse("20240102030405.123456+0100", None),
            Some((1_704_161_045, true))
        );
        assert_eq!(
            parse("20240102030405", Some(60)),
            Some((1_704_161_045, false))
        );
        assert_eq!(parse("2024", None), Some((1_704_067_200, false)));
        for bad in [
            "",
            "20241",
            "2024131",
            "20240199",
            "2024010203040x",
            "20240102030405+1",
            "+0100",
        ] {
            assert_eq!(parse(bad, None), None, "{bad}");
        }
        assert_eq!(
            format(1_704_161_045).as_deref(),
            Some("20240102020405.000000+0000")
        );
    }
}
