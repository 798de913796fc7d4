//! What a scan comes to: counts, series, exit status.

use std::time::Duration;

use crate::studies::{Seen, Studies};
use crate::{ExitStatus, Record, Status, Verdict};

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

/// Sums up records.
#[derive(Debug)]
pub(crate) struct Summary {
    counts: Counts,
    /// Records of the interrupted run, which are no part of this run's speed.
    before: u64,
    /// Only where they are wanted: they grow with the images.
    studies: Option<Studies>,
}

impl Summary {
    /// `before` is what an interrupted run had recorded; `studies` asks for studies and series too.
    pub(crate) fn new(before: Counts, studies: bool) -> Self {
        Self {
            counts: before,
            before: before.total(),
            studies: studies.then(Studies::default),
        }
    }

    pub(crate) fn add(&mut self, record: &Record) {
        self.counts.add(record.status, record.verdict);
        let Some(studies) = &mut self.studies else {
            return;
        };
        studies.add(&Seen {
            path: &record.path,
            study: record.study_uid.as_deref(),
            series: record.series_uid.as_deref(),
            modality: record.modality.as_deref(),
            frames: record.frames,
            verdict: record.verdict.filter(|_| record.status == Status::Ok),
            place: record.place,
        });
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

    /// The closing lines, those of studies and series of several images first.
    pub(crate) fn lines(&self, time: Duration) -> Vec<String> {
        let mut lines = self
            .studies
            .as_ref()
            .map(Studies::lines)
            .unwrap_or_default();
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
        let mut summary = Summary::new(Counts::default(), true);
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
        let mut summary = Summary::new(Counts::default(), true);
        for (verdict, series) in [
            (Verdict::Authentic, "1.2"),
            (Verdict::Synthetic, "1.2"),
            (Verdict::Authentic, "1.3"),
        ] {
            summary.add(&record(Some(verdict), Some(series)));
        }
        let lines = summary.lines(Duration::from_secs(2));
        assert_eq!(lines[0], "series 1.2: 2 images, 1 flagged: synthetic (a)");
        assert_eq!(
            lines[1],
            "3 files in 2.0 s (1.5 files/s): 2 authentic, 1 synthetic, 0 tampered, 0 not judged, 0 failed"
        );
    }
}
