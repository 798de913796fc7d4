//! One input in, one record out, whatever happens in between.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use veraray_datasets::{Image, ImageInfo, OpenOptions};
use veraray_model::InputSpec;

use crate::forward::Forward;
use crate::frames::{FrameError, FrameScorer, Outcome};
use crate::inspect;
use crate::judge::Rules;
use crate::log::pixels;
use crate::reencode::HARMLESS;
use crate::report::{Previews, Sitting};
use crate::signature::Evidence;
use crate::source::{IN_MEMORY, open_digested, open_fetched};
use crate::walk::Found;
use crate::witness::Witness;
use crate::{Finding, Milliseconds, ModelId, Record, Verdict, wording};

/// Most decoding notes that one record repeats.
const MOST_NOTES: usize = 16;

/// Everything that the records of one scan have in common.
#[derive(Debug, Clone)]
pub(crate) struct Examiner {
    pub(crate) limits: OpenOptions,
    pub(crate) spec: InputSpec,
    pub(crate) rules: Rules,
    pub(crate) model: ModelId,
    pub(crate) device: String,
    pub(crate) evidence: Evidence,
    /// Whether verdicts must hold when the image is stored anew.
    pub(crate) stability: bool,
    /// Whether records need the digest of the pixels.
    pub(crate) digest_pixels: bool,
    /// Where previews go, when a report is wanted.
    pub(crate) previews: Option<Arc<Previews>>,
}

impl Examiner {
    /// The record of one input, and its preview where previews are kept.
    pub(crate) fn examine(&self, found: &Found, forward: &mut dyn Forward) -> Record {
        let Some(previews) = &self.previews else {
            return self.observe(found, forward, &mut ());
        };
        let mut sitting = Sitting::new(self.rules.pooling);
        let record = self.observe(found, forward, &mut sitting);
        previews.save(&sitting, &record);
        record
    }

    /// The record of one input. A panic on the way is an error of that input alone.
    pub(crate) fn observe(
        &self,
        found: &Found,
        forward: &mut dyn Forward,
        witness: &mut dyn Witness,
    ) -> Record {
        let path = found.path().to_string_lossy().into_owned();
        let blank = Record::blank(path, &self.model, &self.device);
        let start = Instant::now();
        let (mut record, forward_time) = match found {
            Found::Fault { kind, message, .. } => {
                (blank.failed(kind, message.clone()), Duration::ZERO)
            }
            Found::Broken { message, .. } => {
                (blank.failed("storage", message.clone()), Duration::ZERO)
            }
            Found::File(_) | Found::Object(_) => {
                let mut spent = Duration::ZERO;
                let judged = catch_unwind(AssertUnwindSafe(|| {
                    self.input(found, blank.clone(), forward, witness, &mut spent)
                }));
                let record = judged.unwrap_or_else(|panic| {
                    let name = found.path().display();
                    let message = format!("{name}: {}", panic_text(panic.as_ref()));
                    blank.failed("internal", message)
                });
                (record, spent)
            }
        };
        let total = start.elapsed();
        record.ms = Milliseconds {
            decode: milliseconds(total.saturating_sub(forward_time)),
            forward: milliseconds(forward_time),
            total: milliseconds(total),
        };
        record
    }

    fn input(
        &self,
        found: &Found,
        mut record: Record,
        forward: &mut dyn Forward,
        witness: &mut dyn Witness,
        spent: &mut Duration,
    ) -> Record {
        let mut signature = None;
        let mut look = |path: &Path, bytes: Option<&[u8]>| {
            signature = Some(self.evidence.look(path, bytes));
            // Findings stand beside a verdict: whatever goes wrong here must not fail the record.
            if let Some(bytes) = bytes {
                record.findings = catch_unwind(|| inspect::cheap(bytes)).unwrap_or_default();
            }
        };
        // Lives as long as the image, which may read from it.
        let mut contents;
        let (digest, image) = match found {
            Found::Object(object) => {
                contents = match object.fetch(self.limits.max_file_bytes, IN_MEMORY) {
                    Ok(contents) => contents,
                    Err(error) => return record.failed(error.kind(), error.to_string()),
                };
                open_fetched(object.url(), &mut contents, &self.limits, &mut look)
            }
            _ => open_digested(found.path(), &self.limits, &mut look),
        };
        record.sha256 = digest;
        let format = image.as_ref().ok().map(|image| image.info().format);
        record.signature = signature.and_then(|found| found.of(format));
        let mut image = match image {
            Ok(image) => image,
            Err(error) => return record.failed(error.kind(), error.to_string()),
        };
        describe(&mut record, image.info());
        let mut notes = image.info().notes.clone();
        let mut scorer = FrameScorer {
            spec: &self.spec,
            rules: &self.rules,
            change: None,
            forward: &mut *forward,
            witness,
            spent: Duration::ZERO,
            notes: Vec::new(),
        };
        let outcome = scorer.score(&mut image);
        *spent = scorer.spent;
        notes.append(&mut scorer.notes);
        let notes = notes.into_iter().take(MOST_NOTES).map(note);
        record.findings.splice(..0, notes);
        if self.digest_pixels {
            record.pixels = pixels(&mut image);
        }
        let judged = match outcome {
            Ok(outcome) => self.judge(record, &image, outcome),
            Err(error) => return record.failed(error.kind(), error.to_string()),
        };
        if !self.stability {
            return judged;
        }
        match self.contradiction(&judged, &mut image, forward, spent) {
            Ok(Some(reason)) => self.unsettled(judged, reason),
            Ok(None) => judged,
            Err(error) => judged.failed(error.kind(), error.to_string()),
        }
    }

    /// The first harmless change, in words, that turns the verdict of a decided image round. A change
    /// that leaves nothing to score says nothing.
    fn contradiction(
        &self,
        record: &Record,
        image: &mut Image,
        forward: &mut dyn Forward,
        spent: &mut Duration,
    ) -> Result<Option<String>, FrameError> {
        let (Some(verdict), Some(score)) = (record.verdict, record.score) else {
            return Ok(None);
        };
        if verdict == Verdict::Abstain {
            return Ok(None);
        }
        let (count, modality) = (image.info().frames, image.info().modality.clone());
        let threshold = self.rules.operating.threshold;
        for change in HARMLESS {
            let mut scorer = FrameScorer {
                spec: &self.spec,
                rules: &self.rules,
                change: Some(change),
                forward: &mut *forward,
                witness: &mut (),
                spent: Duration::ZERO,
                notes: Vec::new(),
            };
            let outcome = scorer.score(image);
            *spent += scorer.spent;
            let Outcome::Scored(frames) = outcome? else {
                continue;
            };
            let changed = self.rules.judge(&frames, count, modality.as_deref());
            let Some(changed) = changed.map(|judgement| judgement.score) else {
                continue;
            };
            if (changed >= threshold) != (score >= threshold) {
                let scores = [score, changed];
                return Ok(Some(wording::unstable(change.name, scores, threshold)));
            }
        }
        Ok(None)
    }

    /// Withholds a verdict that does not hold, unless none may be withheld; the reason stands first.
    fn unsettled(&self, mut record: Record, reason: String) -> Record {
        if self.rules.abstain {
            record.verdict = Some(Verdict::Abstain);
            // As in every image without a verdict.
            record.regions.clear();
        }
        record.reasons.insert(0, reason);
        record
    }

    fn judge(&self, mut record: Record, image: &Image, outcome: Outcome) -> Record {
        let info = image.info();
        record.threshold = Some(self.rules.operating.threshold);
        match outcome {
            Outcome::Unsuitable(reason) => {
                record.verdict = Some(Verdict::Abstain);
                record.reasons.push(reason);
                record
            }
            Outcome::Scored(frames) => {
                let modality = info.modality.as_deref();
                let Some(judgement) = self.rules.judge(&frames, info.frames, modality) else {
                    record.threshold = None;
                    let path = &record.path;
                    let message = format!("{path}: the detector gave no finite number");
                    return record.failed("forward", message);
                };
                record.verdict = Some(judgement.verdict);
                record.score = Some(judgement.score);
                record.logit = Some(judgement.logit);
                record.reasons = judgement.reasons;
                record.regions = judgement.regions;
                record
            }
        }
    }
}

/// Copies what the headers say.
fn describe(record: &mut Record, info: &ImageInfo) {
    record.format = Some(info.format.to_string());
    record.modality.clone_from(&info.modality);
    record.body_part.clone_from(&info.body_part);
    record.rows = Some(info.rows);
    record.columns = Some(info.columns);
    record.frames = Some(info.frames);
    record.bits_stored = Some(info.bits_stored);
    record.sop_instance_uid.clone_from(&info.sop_instance_uid);
    record.study_uid.clone_from(&info.study_uid);
    record.series_uid.clone_from(&info.series_uid);
    record.place = info.slice_place;
}

fn note(message: String) -> Finding {
    Finding {
        code: "decode_note",
        severity: "info",
        message,
    }
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    format!("internal error: {}", text.unwrap_or("no reason given"))
}
