//! What a scan comes to: counts, series, exit status.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::text::printable;
use crate::{ExitStatus, Record, Status, Verdict};

/// Most series that are listed.
const MOST_SERIES: usize = 20;

/// Numbers of records by what they say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) authentic: u64,
    pub(crate) synthetic: u64,
    pub(crate) tampered: u64,
    pub(crate) abstain: u64,
    pub(crate) errors: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, status: Status, verdict: Option<Verdict>) {
        let field = match (status, verdict) {
            (Status::Error, _) | (Status::Ok, None) => &mut self.errors,
            (Status::Ok, Some(Verdict::Authentic)) => &mut self.authentic,
            (Status::Ok, Some(Verdict::Synthetic)) => &mut self.synthetic,
            (Status::Ok, Some(Verdict::Tampered)) => &mut self.tampered,
            (Status::Ok, Some(Verdict::Abstain)) => &mut self.abstain,
        };
        *field += 1;
    }

    pub(crate) fn total(&self) -> u64 {
        self.authentic + self.synthetic + self.tampered + self.abstain + self.errors
    }
}

#[derive(Debug, Default)]
struct Series {
    images: u64,
    flagged: u64,
}

/// Sums up records.
#[derive(Debug)]
pub(crate) struct Summary {
    counts: Counts,
    /// Records of the interrupted run, which are no part of this run's speed.
    before: u64,
    series: BTreeMap<String, Series>,
}

impl Summary {
    /// `before` is what an interrupted run had recorded.
    pub(crate) fn new(before: Counts) -> Self {
        Self {
            counts: before,
            before: before.total(),
            series: BTreeMap::new(),
        }
    }

    pub(crate) fn add(&mut self, record: &Record) {
        self.counts.add(record.status, record.verdict);
        if let Some(uid) = &record.series_uid {
            let series = self.series.entry(uid.clone()).or_default();
            series.images += 1;
            series.flagged += u64::from(record.verdict.is_some_and(Verdict::is_flagged));
        }
    }

    pub(crate) fn status(&self) -> ExitStatus {
        if self.counts.errors > 0 {
            ExitStatus::Failed
        } else if self.counts.synthetic + self.counts.tampered > 0 {
            ExitStatus::Flagged
        } else {
            ExitStatus::Clean
        }
    }

    /// The closing lines; with `series` also one for every series of more than one image.
    pub(crate) fn lines(&self, time: Duration, series: bool) -> Vec<String> {
        let mut lines = if series {
            self.series_lines()
        } else {
            Vec::new()
        };
        let Counts {
            authentic,
            synthetic,
            tampered,
            abstain,
            errors,
        } = self.counts;
        let seconds = time.as_secs_f64();
        let now = self.counts.total() - self.before;
        let speed = now as f64 / seconds.max(1e-9);
        let resumed = match self.before {
            0 => String::new(),
            before => format!(" after {before} recorded before"),
        };
        let files = if now == 1 { "file" } else { "files" };
        lines.push(format!(
            "{now} {files} in {seconds:.1} s ({speed:.1} files/s){resumed}: {authentic} authentic, \
             {synthetic} synthetic, {tampered} tampered, {abstain} not judged, {errors} failed"
        ));
        lines
    }

    fn series_lines(&self) -> Vec<String> {
        let mut list: Vec<_> = self
            .series
            .iter()
            .filter(|(_, series)| series.images > 1)
            .collect();
        list.sort_by_key(|(_, series)| std::cmp::Reverse(series.flagged));
        let mut lines: Vec<String> = list
            .iter()
            .take(MOST_SERIES)
            .map(|(uid, Series { images, flagged })| {
                format!(
                    "series {}: {images} images, {flagged} flagged",
                    printable(uid)
                )
            })
            .collect();
        if list.len() > MOST_SERIES {
            lines.push(format!("and {} more series", list.len() - MOST_SERIES));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ModelId;

    fn record(verdict: Option<Verdict>, series: Option<&str>) -> Record {
        let model = ModelId {
            name: "m".into(),
            version: "1".into(),
            sha256: String::new(),
        };
        let mut record = Record::blank("a".into(), &model, "cpu");
        record.verdict = verdict;
        record.series_uid = series.map(str::to_owned);
        record
    }

    #[test]
    fn failure_wins_over_a_flag_and_a_flag_over_nothing() {
        let mut summary = Summary::new(Counts::default());
        assert_eq!(summary.status(), ExitStatus::Clean);
        summary.add(&record(Some(Verdict::Abstain), None));
        assert_eq!(summary.status(), ExitStatus::Clean);
        summary.add(&record(Some(Verdict::Tampered), None));
        assert_eq!(summary.status(), ExitStatus::Flagged);
        summary.add(&record(None, None).failed("io", String::new()));
        assert_eq!(summary.status(), ExitStatus::Failed);
    }

    #[test]
    fn series_of_several_images_are_listed() {
        let mut summary = Summary::new(Counts::default());
        for (verdict, series) in [
            (Verdict::Authentic, "1.2"),
            (Verdict::Synthetic, "1.2"),
            (Verdict::Authentic, "1.3"),
        ] {
            summary.add(&record(Some(verdict), Some(series)));
        }
        let lines = summary.lines(Duration::from_secs(2), true);
        assert_eq!(lines[0], "series 1.2: 2 images, 1 flagged");
        assert_eq!(
            lines[1],
            "3 files in 2.0 s (1.5 files/s): 2 authentic, 1 synthetic, 0 tampered, 0 not judged, 0 failed"
        );
    }
}
