//! Dates, times and ages (PS3.5 6.2; PS3.3 C.7.1.1, C.7.2.1, C.7.3.1, C.7.6.1).

use std::time::{SystemTime, UNIX_EPOCH};

use super::super::catalogue::{
    DATE_AGE, DATE_BIRTH, DATE_ERA, DATE_FUTURE, DATE_INVALID, DATE_ORDER, TIME_ORDER,
};
use super::super::set::{Set, Tag};
use super::super::{Found, quote};

/// Days since 1970-01-01.
type Day = i64;

/// The day it is, in UTC.
pub(super) fn today() -> Day {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| (now.as_secs() / 86_400) as Day)
}

/// Days since 1970-01-01 of a civil date (Howard Hinnant, "chrono-compatible low-level date
/// algorithms"). `None` where there is no such date.
fn day(year: i64, month: i64, day: i64) -> Option<Day> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=last).contains(&day) || !(1..=9999).contains(&year) {
        return None;
    }
    let year = year - i64::from(month <= 2);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

/// A DA value, or the first part of a DT value. Also `1997.04.24` of ACR-NEMA.
fn date(text: &str) -> Option<Day> {
    let plain: String = match text.as_bytes() {
        [_, _, _, _, b'.', _, _, b'.', _, _] => text.chars().filter(|&c| c != '.').collect(),
        _ => text.chars().take(8).collect(),
    };
    if plain.len() != 8 || !plain.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number = |range: std::ops::Range<usize>| plain.get(range)?.parse().ok();
    day(number(0..4)?, number(4..6)?, number(6..8)?)
}

/// Seconds of the day in a TM value.
fn time(text: &str) -> Option<f64> {
    let plain: String = text.chars().filter(|&c| c != ':').collect();
    let (whole, _) = plain.split_once('.').unwrap_or((&plain, ""));
    if ![2, 4, 6].contains(&whole.len()) || !whole.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let part = |at: usize| -> f64 {
        let digits = whole.get(at..at + 2).unwrap_or("0");
        digits.parse().unwrap_or(0.0)
    };
    let fits = part(0) < 24.0 && part(2) < 60.0 && part(4) <= 60.0;
    fits.then(|| part(0) * 3600.0 + part(2) * 60.0 + part(4))
}

/// An AS value in years.
fn age(text: &str) -> Option<f64> {
    let number: f64 = text.get(..3)?.parse().ok()?;
    Some(match text.get(3..)? {
        "Y" => number,
        "M" => number / 12.0,
        "W" => number / 52.18,
        "D" => number / 365.25,
        _ => return None,
    })
}

const BIRTH: Tag = 0x0010_0030;
const STUDY: Tag = 0x0008_0020;
/// In the order in which things happen.
const DATES: [(Tag, &str); 4] = [
    (STUDY, "Study Date"),
    (0x0008_0021, "Series Date"),
    (0x0008_0022, "Acquisition Date"),
    (0x0008_0023, "Content Date"),
];
const TIMES: [Tag; 4] = [0x0008_0030, 0x0008_0031, 0x0008_0032, 0x0008_0033];
/// A file that was made for the calendar of a time zone ahead of ours is not from the future.
const ZONE: Day = 2;
/// Days by which dates may run backwards, for series that are filed late.
const SLACK: Day = 2;

pub(super) fn check(set: &Set<'_>, today: Day, found: &mut Found) {
    let mut known: Vec<(usize, Day)> = Vec::new();
    for (index, (tag, name)) in DATES.iter().enumerate() {
        let Some(text) = set.text(*tag) else { continue };
        match date(&text) {
            Some(day) => known.push((index, day)),
            None => found.push(DATE_INVALID.note(format!("{name} is {}", quote(&text)))),
        }
    }
    for (index, tag) in TIMES.iter().enumerate() {
        if let Some(text) = set.text(*tag)
            && time(&text).is_none()
        {
            let name = DATES[index].1.replace("Date", "Time");
            found.push(DATE_INVALID.note(format!("{name} is {}", quote(&text))));
        }
    }
    order(set, &known, found);
    for &(index, day) in &known {
        if day > today + ZONE {
            let (name, days) = (DATES[index].1, day - today);
            found.push(DATE_FUTURE.note(format!("{name} lies {days} days in the future")));
        }
    }
    patient(set, &known, found);
    if let Some(&(index, day)) = known.iter().max_by_key(|(index, _)| *index) {
        era(set, DATES[index].1, day, found);
    }
}

fn order(set: &Set<'_>, known: &[(usize, Day)], found: &mut Found) {
    for pair in known.windows(2) {
        let [(a, before), (b, after)] = *pair else {
            continue;
        };
        let (first, second) = (DATES[a].1, DATES[b].1);
        let days = before - after;
        if days >= SLACK {
            found.push(DATE_ORDER.note(format!("{second} is {days} days before {first}")));
        } else if days == 0 {
            let at = |index: usize| set.text(TIMES[index]).as_deref().and_then(time);
            if let (Some(x), Some(y)) = (at(a), at(b))
                && x > y + 60.0
            {
                let minutes = (x - y) / 60.0;
                found.push(TIME_ORDER.note(format!(
                    "the time of {second} is {minutes:.0} minutes before that of {first}"
                )));
            }
        }
    }
    // The ends of the chain, where the middle is missing or hides it.
    if let (Some(&(0, study)), Some(&(last @ 2.., day))) = (known.first(), known.last())
        && known.len() > 2
        && study - day >= SLACK
        && known.windows(2).all(|p| p[0].1 - p[1].1 < SLACK)
    {
        let (name, days) = (DATES[last].1, study - day);
        found.push(DATE_ORDER.note(format!("{name} is {days} days before Study Date")));
    }
}

fn patient(set: &Set<'_>, known: &[(usize, Day)], found: &mut Found) {
    let birth = set.text(BIRTH);
    let stated = set.text(0x0010_1010).as_deref().and_then(age);
    if let Some(years) = stated.filter(|&years| years > 120.0) {
        found.push(DATE_AGE.note(format!("Patient's Age is {years:.0} years")));
    }
    let Some(text) = birth else { return };
    let Some(birth) = date(&text) else {
        found.push(DATE_INVALID.note("Patient's Birth Date is no date"));
        return;
    };
    if let Some(&(index, day)) = known.iter().find(|(_, day)| day + 1 < birth) {
        let (name, days) = (DATES[index].1, birth - day);
        found.push(DATE_BIRTH.note(format!("{name} is {days} days before Patient's Birth Date")));
        return;
    }
    let Some(&(_, study)) = known.first() else {
        return;
    };
    let years = (study - birth) as f64 / 365.25;
    if years > 120.0 {
        found.push(DATE_AGE.note(format!(
            "by birth and study date the patient is {years:.0} years old"
        )));
    } else if let Some(stated) = stated
        && (stated - years).abs() > 2.0
    {
        found.push(DATE_AGE.note(format!(
            "Patient's Age is {stated:.0} years, by birth and study date it is {years:.0}"
        )));
    }
}

/// The year in which a modality first made images of patients.
fn first_year(modality: &str) -> Option<i64> {
    Some(match modality {
        "CT" => 1971,
        "MR" => 1977,
        "CR" => 1981,
        "DX" | "MG" => 1986,
        "PT" => 1973,
        _ => return None,
    })
}

fn era(set: &Set<'_>, name: &str, when: Day, found: &mut Found) {
    let modality = set.text(0x0008_0060).unwrap_or_default();
    let Some(year) = first_year(&modality) else {
        return;
    };
    // 1900-01-01 and the like stand for nothing and are common after de-identification.
    let is_filler = [day(1900, 1, 1), day(1901, 1, 1), day(1, 1, 1)].contains(&Some(when));
    if !is_filler && day(year, 1, 1).is_some_and(|first| when < first) {
        found.push(DATE_ERA.note(format!(
            "{name} lies before {year}, when {modality} images were first made"
        )));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_count_from_1970() {
        assert_eq!(date("19700101"), Some(0));
        assert_eq!(date("20000301"), Some(11_017));
        assert_eq!(date("1997.04.24"), date("19970424"));
        assert_eq!(date("20230229"), None);
        assert_eq!(date("2023"), None);
        assert_eq!(date("äöüß"), None);
    }

    #[test]
    fn times_and_ages() {
        assert_eq!(time("235960.5"), Some(86_400.0));
        assert_eq!(time("07"), Some(25_200.0));
        assert_eq!(time("2400"), None);
        assert_eq!(age("006M"), Some(0.5));
        assert_eq!(age("ä6M"), None);
    }
}
