//! Workers over a walk: both ends bounded, records in the order of the walk.
//!
//! On the CPU every worker decodes a file and runs the forward pass on a pool of one thread of its
//! own: two single-threaded passes side by side are faster than one on two threads. With a GPU the
//! workers decode and further threads run the passes.

use std::collections::BTreeMap;
use std::io::{self, BufReader};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use burn::tensor::Device;
use rayon::{ThreadPool, ThreadPoolBuilder};
use veraray_model::Detector;

use crate::examine::Examiner;
use crate::forward::{Forward, Local};
use crate::gpu::{self, Remote};
use crate::select::Selection;
use crate::walk::{Found, walk};
use crate::{Record, ScanError, object};

/// Records that may wait for a slower one before them, per worker. Bounds memory when one file takes
/// as long as a hundred others.
const AHEAD: usize = 64;

/// How often a worker without input looks whether the scan is over, and how long without a record counts
/// as idle.
const GLANCE: Duration = Duration::from_millis(100);

/// The network, where it runs, and how many files are worked on at a time.
pub(crate) struct Engine {
    pub(crate) detector: Detector,
    pub(crate) device: Device,
    pub(crate) on_gpu: bool,
    pub(crate) jobs: usize,
}

/// What a scan tells while it runs.
pub(crate) enum Event<'r> {
    /// The next record, in the order of the walk.
    Record(&'r Record),
    /// There was no record for a moment.
    Idle,
}

/// A position in the walk, with what is there.
type Numbered<T> = (u64, T);

impl Engine {
    /// Examines everything under `roots` that `selection` takes, and hands the records to `sink` in
    /// the order of the walk until it fails; also tells when there is none for a moment.
    ///
    /// # Errors
    /// [`ScanError::Workers`] when threads cannot be had, what `sink` returned, or
    /// [`ScanError::Listing`] when all that could be listed was examined and some could not.
    pub(crate) fn scan_events(
        &self,
        roots: Vec<PathBuf>,
        selection: Selection,
        examiner: &Examiner,
        sink: &mut dyn FnMut(Event<'_>) -> Result<(), ScanError>,
    ) -> Result<(), ScanError> {
        let jobs = self.jobs;
        let pools = self.pools()?;
        let (permit, permits) = sync_channel::<()>(jobs * AHEAD);
        let (found, inputs) = sync_channel(jobs.max(object::AHEAD));
        let (done, records) = sync_channel::<Numbered<Record>>(jobs);
        let inputs = Mutex::new(inputs);
        let stop = AtomicBool::new(false);
        let broken = Arc::new(Mutex::new(Vec::new()));
        let feeder = Feeder {
            selection,
            limit: examiner.limits.max_file_bytes,
            permit,
            inputs: found,
            broken: Arc::clone(&broken),
        };
        // Not scoped: it may hang on a list that never ends, and must not keep the process.
        thread::spawn(move || feeder.feed(&roots));
        thread::scope(|scope| {
            let (requests, served) = sync_channel(jobs);
            if self.on_gpu {
                let served = Arc::new(Mutex::new(served));
                for _ in 0..gpu::THREADS {
                    let (served, detector) = (Arc::clone(&served), self.detector.clone());
                    scope.spawn(move || gpu::serve(&served, &detector, &self.device));
                }
            }
            for pool in pools {
                let forward: Box<dyn Forward + Send> = if self.on_gpu {
                    Box::new(Remote::new(requests.clone()))
                } else {
                    Box::new(Local::new(self.detector.clone(), self.device.clone()))
                };
                let (inputs, stop, done) = (&inputs, &stop, done.clone());
                scope.spawn(move || {
                    pool.install(move || work(inputs, stop, examiner, forward, &done));
                });
            }
            drop((requests, done));
            let emitted = emit(records, &permits, sink);
            // A failed sink stops everyone: the walk, which may wait for a permit, and the workers,
            // which may wait for the walk.
            drop(permits);
            stop.store(true, Ordering::Relaxed);
            emitted
        })?;
        // The walk has ended: otherwise the workers would not have.
        let broken = broken.lock().unwrap_or_else(PoisonError::into_inner);
        match broken.is_empty() {
            true => Ok(()),
            false => Err(ScanError::Listing(broken.join("; "))),
        }
    }

    fn pools(&self) -> Result<Vec<ThreadPool>, ScanError> {
        (0..self.jobs)
            .map(|_| ThreadPoolBuilder::new().num_threads(1).build())
            .collect::<Result<_, _>>()
            .map_err(|error| ScanError::Workers {
                jobs: self.jobs,
                reason: error.to_string(),
            })
    }
}

/// Walks and numbers what is to be examined.
struct Feeder {
    selection: Selection,
    /// Largest object that is fetched, in bytes.
    limit: u64,
    permit: SyncSender<()>,
    inputs: SyncSender<Numbered<Found>>,
    /// Listings that broke off. No record stands for them: a record belongs to one shard, and every
    /// shard that did not see the whole must fail.
    broken: Arc<Mutex<Vec<String>>>,
}

impl Feeder {
    fn feed(mut self, roots: &[PathBuf]) {
        let mut number = 0;
        let _ = walk(roots, BufReader::new(io::stdin()), &mut |found| {
            if let Found::Broken { message, .. } = found {
                let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
                broken.push(message);
                return ControlFlow::Continue(());
            }
            if !self.selection.takes(found.path()) {
                return ControlFlow::Continue(());
            }
            if self.permit.send(()).is_err() {
                return ControlFlow::Break(());
            }
            // The channel's length bounds how many are under way.
            if let Found::Object(object) = &found {
                object.begin(self.limit);
            }
            let sent = self.inputs.send((number, found)).is_ok();
            number += 1;
            if sent {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
    }
}

/// Examines inputs until there are none left or nobody wants their records.
fn work(
    inputs: &Mutex<Receiver<Numbered<Found>>>,
    stop: &AtomicBool,
    examiner: &Examiner,
    mut forward: Box<dyn Forward + Send>,
    done: &SyncSender<Numbered<Record>>,
) {
    while !stop.load(Ordering::Relaxed) {
        // Nothing panics while the lock is held, and a poisoned receiver would still be whole.
        let next = inputs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv_timeout(GLANCE);
        let (number, found) = match next {
            Ok(next) => next,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let record = examiner.examine(&found, forward.as_mut());
        if done.send((number, record)).is_err() {
            return;
        }
    }
}

/// Puts records back into the order of the walk.
#[expect(
    clippy::needless_pass_by_value,
    reason = "dropping the receiver lets workers go that wait to send"
)]
fn emit(
    records: Receiver<Numbered<Record>>,
    permits: &Receiver<()>,
    sink: &mut dyn FnMut(Event<'_>) -> Result<(), ScanError>,
) -> Result<(), ScanError> {
    let mut early = BTreeMap::new();
    let mut next = 0;
    loop {
        let (number, record) = match records.recv_timeout(GLANCE) {
            Ok(done) => done,
            Err(RecvTimeoutError::Timeout) => {
                sink(Event::Idle)?;
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        early.insert(number, record);
        while let Some(record) = early.remove(&next) {
            next += 1;
            // Every record had a permit; it is given back once the record is out.
            let _ = permits.try_recv();
            sink(Event::Record(&record))?;
        }
    }
}
