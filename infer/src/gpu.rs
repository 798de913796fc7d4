//! One thread owns the GPU. Workers send it tiles and wait; it batches across their files.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use burn::tensor::Device;
use veraray_model::{Detector, Tile};

use crate::forward::{Forward, ForwardError, TileScore, run};

/// Batch sizes that are run. Every new shape compiles and tunes kernels, so there are few.
const SIZES: [usize; 3] = [1, 8, 32];

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
        SIZES[2]
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

/// Answers requests until no worker is left.
pub(crate) fn serve(requests: &Receiver<Request>, detector: &Detector, device: &Device) {
    while let Ok(first) = requests.recv() {
        let mut waiting = vec![first];
        let mut count = waiting[0].tiles.len();
        while count < SIZES[2] {
            match requests.recv_timeout(PATIENCE) {
                Ok(request) => {
                    count += request.tiles.len();
                    waiting.push(request);
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        answer(waiting, detector, device);
    }
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
        run(detector, device, &tiles, &SIZES, true)
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
