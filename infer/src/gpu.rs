//! The GPU's threads. Workers send them tiles and wait; they batch across the workers' files, and while
//! one reads back what the GPU found the other gives it more.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use burn::tensor::Device;
use veraray_model::{Detector, Tile};

use crate::forward::{Forward, ForwardError, TileScore, run};

/// Tiles per pass, filled up where there are fewer: a second size would compile and tune every kernel
/// anew, which takes longer than thousands of such passes.
const BATCH: usize = 32;

/// Threads that run passes.
pub(crate) const THREADS: usize = 2;

/// Workers per core where a GPU runs the passes: they mostly wait for it, and two batches must be under way.
pub(crate) const WORKERS_PER_CORE: usize = 4;

/// How long a batch waits for more tiles: far below one decode, so that nobody notices.
const PATIENCE: Duration = Duration::from_millis(2);

/// Tiles of one worker, and where their scores go.
pub(crate) struct Request {
    tiles: Vec<Tile>,
    reply: SyncSender<Result<Vec<TileScore>, ForwardError>>,
}

/// A worker's way to the GPU.
pub(crate) struct Remote {
    requests: SyncSender<Request>,
}

impl Remote {
    pub(crate) fn new(requests: SyncSender<Request>) -> Self {
        Self { requests }
    }
}

impl Forward for Remote {
    fn batch(&self) -> usize {
        BATCH
    }

    fn forward(&mut self, tiles: Vec<Tile>) -> Result<Vec<TileScore>, ForwardError> {
        let gone = || ForwardError("the GPU's thread has ended".into());
        let (reply, scores) = sync_channel(1);
        self.requests
            .send(Request { tiles, reply })
            .map_err(|_| gone())?;
        scores.recv().map_err(|_| gone())?
    }
}

/// Answers requests until no worker is left. Several threads may share the requests.
pub(crate) fn serve(requests: &Mutex<Receiver<Request>>, detector: &Detector, device: &Device) {
    while let Some(waiting) = collect(requests) {
        answer(waiting, detector, device);
    }
}

/// The next requests that go into one pass; `None` when no worker is left.
fn collect(requests: &Mutex<Receiver<Request>>) -> Option<Vec<Request>> {
    // Nothing panics while the lock is held, and a poisoned receiver would still be whole.
    let requests = requests.lock().unwrap_or_else(PoisonError::into_inner);
    let first = requests.recv().ok()?;
    let mut count = first.tiles.len();
    let mut waiting = vec![first];
    while count < BATCH {
        match requests.recv_timeout(PATIENCE) {
            Ok(request) => {
                count += request.tiles.len();
                waiting.push(request);
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
        }
    }
    Some(waiting)
}

fn answer(waiting: Vec<Request>, detector: &Detector, device: &Device) {
    let mut tiles = Vec::new();
    let mut replies = Vec::new();
    for request in waiting {
        replies.push((request.tiles.len(), request.reply));
        tiles.extend(request.tiles);
    }
    // A lost device panics inside Burn; that must fail these files, not the scan.
    let scores = catch_unwind(AssertUnwindSafe(|| {
        run(detector, device, &tiles, &[BATCH], true)
    }))
    .unwrap_or_else(|_| Err(ForwardError("the device gave up".into())));
    let mut rest = scores.map(Vec::into_iter);
    for (count, reply) in replies {
        let part = match &mut rest {
            Ok(scores) => Ok(scores.take(count).collect()),
            Err(error) => Err(error.clone()),
        };
        // A worker that no longer listens has nothing to lose.
        let _ = reply.send(part);
    }
}
