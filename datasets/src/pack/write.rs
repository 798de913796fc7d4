//! Packs a manifest: several threads decode and compress, one writes, in the manifest's order.
//!
//! Only a few frames per thread are in memory at any time, whatever the length of the manifest. Files
//! appear under their names when they are complete; an interrupted run goes on after the last of them.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use rust_hdf5::H5File;

use super::encode::{Encoded, encode};
use super::read::{ShardFacts, facts};
use super::shard::{ShardWriter, failed, strings};
use super::{INDEX_FORMAT, PackError, VERSION};
use crate::{Entry, Frame, Image, ManifestReader, OpenOptions, Watch, open};

/// Frames of one image that wait for the writer.
const FRAMES_AHEAD: usize = 2;

/// How to pack.
#[derive(Debug, Clone)]
pub struct PackOptions {
    /// The pack: one file, or the index of its shards `NAME-00000.h5` and on.
    pub output: PathBuf,
    /// Images after which a shard is closed.
    pub shard_images: usize,
    /// Bytes of samples after which a shard is closed, before compression.
    pub shard_bytes: u64,
    /// Deflate level, 0 to 9.
    pub level: u32,
    /// Threads that decode.
    pub threads: usize,
    /// Whether files of another pack of this name are replaced.
    pub force: bool,
}

impl PackOptions {
    /// The defaults for an output.
    #[must_use]
    pub fn new(output: PathBuf) -> Self {
        Self {
            output,
            shard_images: 8192,
            shard_bytes: 1 << 30,
            level: 4,
            threads: rayon::current_num_threads(),
            force: false,
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Packed {
    /// Frames in the pack.
    pub images: u64,
    /// Rows of the manifest.
    pub entries: u64,
    /// Of these, rows that an earlier run had packed.
    pub resumed: u64,
    /// Files with images.
    pub shards: usize,
    /// Images that could not be read: path and reason. Those of an earlier run are not repeated.
    pub failed: Vec<(String, String)>,
}

/// One frame, or why there is none.
enum Item {
    Frame {
        frame: u32,
        frames: u32,
        image: Box<Encoded>,
        mask: Option<Box<Encoded>>,
    },
    Failed(String),
}

type Job = (Entry, SyncSender<Item>);

/// Packs the manifest at `manifest`, going on where an interrupted run stopped.
///
/// # Errors
/// [`PackError`] when the manifest cannot be read, the output cannot be written, or files of another
/// pack are in the way. Images that cannot be read are in [`Packed::failed`].
pub fn pack(manifest: &Path, options: &PackOptions, watch: Watch) -> Result<Packed, PackError> {
    let total = ManifestReader::open(manifest)?.try_fold(0_u64, |n, row| row.map(|_| n + 1))?;
    (watch.expect)(total);
    let reader = ManifestReader::open(manifest)?;
    let columns = reader.columns().to_vec();
    let sha256 = reader.sha256().to_owned();
    if total == 0 {
        return Err(PackError::malformed(manifest, "it names no image"));
    }
    let mut shards = existing(options, &sha256, total)?;
    let done: u64 = shards.iter().map(|s| s.entries).sum();
    for _ in 0..done {
        (watch.step)();
    }
    let mut packed = Packed {
        entries: total,
        resumed: done,
        ..Packed::default()
    };
    if done < total {
        let rows = reader.skip(usize::try_from(done).unwrap_or(usize::MAX));
        let output = Output {
            options,
            columns: &columns,
            sha256: &sha256,
            total,
        };
        output.run(rows, done, &mut shards, &mut packed, watch)?;
    }
    packed.images = shards.iter().map(|s| s.images).sum();
    packed.shards = shards.len();
    conclude(options, &shards, &columns, &sha256)?;
    Ok(packed)
}

/// The name of a shard.
fn shard_path(output: &Path, number: usize) -> PathBuf {
    let stem = output
        .file_stem()
        .map_or_else(|| "pack".into(), |stem| stem.to_string_lossy().into_owned());
    output.with_file_name(format!("{stem}-{number:05}.h5"))
}

fn partial(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

/// Complete shards of an earlier run; what was not complete is removed.
fn existing(options: &PackOptions, sha256: &str, total: u64) -> Result<Vec<ShardFacts>, PackError> {
    let output = &options.output;
    let mut found = Vec::new();
    let mut paths = vec![output.clone()];
    let mut number = 0;
    loop {
        let path = shard_path(output, number);
        let rest = partial(&path);
        if rest.exists() {
            std::fs::remove_file(&rest).map_err(PackError::io(&rest))?;
        }
        if !path.exists() {
            break;
        }
        paths.push(path);
        number += 1;
    }
    for path in paths.into_iter().filter(|path| path.exists()) {
        let shard = match facts(&path) {
            Ok(_) if options.force => {
                std::fs::remove_file(&path).map_err(PackError::io(&path))?;
                continue;
            }
            Ok(Some(shard)) => shard,
            // An index says nothing that its shards do not say.
            Ok(None) => continue,
            Err(error) => {
                return Err(PackError::InTheWay {
                    path,
                    message: format!("it is no pack ({error}); name another output"),
                });
            }
        };
        let next: u64 = found.iter().map(|s: &ShardFacts| s.entries).sum();
        if shard.manifest_sha256 != sha256
            || shard.first_entry != next
            || next + shard.entries > total
        {
            return Err(PackError::InTheWay {
                path,
                message: "it was packed from another manifest; give --force to replace it, or \
                          another --output"
                    .into(),
            });
        }
        found.push(shard);
    }
    Ok(found)
}

struct Output<'a> {
    options: &'a PackOptions,
    columns: &'a [String],
    sha256: &'a str,
    /// Rows of the whole manifest.
    total: u64,
}

impl Output<'_> {
    /// Decodes on several threads and writes in order.
    fn run(
        &self,
        mut rows: impl Iterator<Item = Result<(Vec<String>, Entry), crate::ManifestError>>,
        first: u64,
        shards: &mut Vec<ShardFacts>,
        packed: &mut Packed,
        watch: Watch,
    ) -> Result<(), PackError> {
        let threads = self.options.threads.max(1);
        let level = self.options.level;
        let (jobs, todo) = sync_channel::<Job>(2 * threads);
        let todo = Mutex::new(todo);
        thread::scope(|scope| {
            for _ in 0..threads {
                let todo = &todo;
                scope.spawn(move || work(todo, level));
            }
            // Moved in, so that the workers end when this does, whatever it returns.
            let jobs = jobs;
            let mut waiting = std::collections::VecDeque::new();
            let mut writer: Option<ShardWriter> = None;
            let mut entry_number = first;
            let mut shard_first = first;
            loop {
                while waiting.len() < 2 * threads {
                    let Some(row) = rows.next() else {
                        break;
                    };
                    let (cells, entry) = row?;
                    let (send, receive) = sync_channel(FRAMES_AHEAD);
                    let name = entry.name.clone();
                    // A worker only ends before the jobs do by a panic, which the scope passes on.
                    if jobs.send((entry, send)).is_err() {
                        break;
                    }
                    waiting.push_back((name, cells, receive));
                }
                let Some((name, cells, receive)) = waiting.pop_front() else {
                    break;
                };
                if writer.is_none() {
                    let path = partial(&shard_path(&self.options.output, shards.len()));
                    writer = Some(ShardWriter::create(&path, level)?);
                    shard_first = entry_number;
                }
                if let Some(shard) = &mut writer {
                    shard.begin(cells);
                    if let Some(why) = drain(shard, entry_number, &receive)? {
                        shard.fail(name.clone(), why.clone());
                        packed.failed.push((name, why));
                    }
                    entry_number += 1;
                    (watch.step)();
                    if shard.images() >= self.options.shard_images
                        || shard.raw() >= self.options.shard_bytes
                    {
                        self.close(writer.take(), shard_first, shards)?;
                    }
                }
            }
            self.close(writer.take(), shard_first, shards)
        })
    }

    fn close(
        &self,
        writer: Option<ShardWriter>,
        first_entry: u64,
        shards: &mut Vec<ShardFacts>,
    ) -> Result<(), PackError> {
        let Some(writer) = writer else {
            return Ok(());
        };
        let path = shard_path(&self.options.output, shards.len());
        let facts = ShardFacts {
            path: path.clone(),
            manifest_sha256: self.sha256.to_owned(),
            first_entry,
            entries: writer.entries(),
            images: writer.images() as u64,
            total: Some(self.total),
        };
        writer.finish(self.columns, self.sha256, [first_entry, self.total])?;
        std::fs::rename(partial(&path), &path).map_err(PackError::io(&path))?;
        shards.push(facts);
        Ok(())
    }
}

/// Writes the frames of one image; returns why it failed, if it did.
fn drain(
    shard: &mut ShardWriter,
    entry: u64,
    frames: &Receiver<Item>,
) -> Result<Option<String>, PackError> {
    let mark = shard.mark();
    for item in frames {
        match item {
            Item::Frame {
                frame,
                frames,
                image,
                mask,
            } => shard.add((entry, frame, frames), &image, mask.as_deref())?,
            Item::Failed(why) => {
                shard.roll_back(&mark);
                return Ok(Some(why));
            }
        }
    }
    Ok(None)
}

/// Decodes images until there are no more.
fn work(todo: &Mutex<Receiver<Job>>, level: u32) {
    loop {
        let job = match todo.lock() {
            Ok(todo) => todo.recv(),
            Err(_) => return,
        };
        let Ok((entry, send)) = job else {
            return;
        };
        if let Err(why) = decode(&entry, level, &send) {
            // Nobody listens any more when the writer has failed.
            let _ = send.send(Item::Failed(why));
        }
    }
}

fn decode(entry: &Entry, level: u32, send: &SyncSender<Item>) -> Result<(), String> {
    let text = |error: crate::OpenError| error.to_string();
    let mut image = open(&entry.path, &OpenOptions::default()).map_err(text)?;
    let mut mask = match &entry.mask {
        Some(path) => Some(open(path, &OpenOptions::default()).map_err(text)?),
        None => None,
    };
    let (frames, bits) = (image.info().frames, image.info().bits_stored);
    for frame in 0..frames {
        let pixels = image.frame(frame).map_err(text)?;
        let mask = mask
            .as_mut()
            .map(|mask| encode_mask(mask, frame, frames, (pixels.rows, pixels.columns), level))
            .transpose()?;
        let image = encode(&pixels, bits, level).map_err(|error| error.to_string())?;
        let item = Item::Frame {
            frame,
            frames,
            image: Box::new(image),
            mask: mask.map(Box::new),
        };
        if send.send(item).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// The mask of a frame: its own, where the mask has as many, else the only one.
fn encode_mask(
    mask: &mut Image,
    frame: u32,
    frames: u32,
    size: (u32, u32),
    level: u32,
) -> Result<Encoded, String> {
    let (count, bits) = (mask.info().frames, mask.info().bits_stored);
    let frame = match count {
        1 => 0,
        count if count == frames => frame,
        count => return Err(format!("the mask has {count} frames, its image {frames}")),
    };
    let pixels = mask.frame(frame).map_err(|error| error.to_string())?;
    if (pixels.rows, pixels.columns) != size {
        return Err(format!(
            "the mask is {}×{}, its image {}×{}",
            pixels.rows, pixels.columns, size.0, size.1
        ));
    }
    // As grey from black to white, whatever numbers the file has for the two.
    let (top, bits) = if bits <= 8 { (255.0, 8) } else { (65535.0, 16) };
    let gray = pixels.to_gray();
    let mask = Frame {
        channels: 1,
        values: gray.pixels.iter().map(|v| (v * top).round()).collect(),
        ..pixels
    };
    encode(&mask, bits, level).map_err(|error| error.to_string())
}

/// One shard becomes the pack; several get an index.
fn conclude(
    options: &PackOptions,
    shards: &[ShardFacts],
    columns: &[String],
    sha256: &str,
) -> Result<(), PackError> {
    let output = &options.output;
    if let [only] = shards {
        if only.path != *output {
            std::fs::rename(&only.path, output).map_err(PackError::io(output))?;
        }
        return Ok(());
    }
    let path = partial(output);
    let error = |e| failed(&path, &e);
    let file = H5File::create(&path).map_err(error)?;
    file.set_attr_string("format", INDEX_FORMAT)
        .map_err(error)?;
    file.set_attr_numeric("version", &VERSION).map_err(error)?;
    file.set_attr_string("manifest_sha256", sha256)
        .map_err(error)?;
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let root = file.root_group();
    strings(&root, "columns", &columns).map_err(error)?;
    let names: Vec<String> = shards
        .iter()
        .filter_map(|s| Some(s.path.file_name()?.to_string_lossy().into_owned()))
        .collect();
    let refs: Vec<&str> = names.iter().map(String::as_str).collect();
    strings(&root, "files", &refs).map_err(error)?;
    for (name, values) in [
        (
            "first_entry",
            shards.iter().map(|s| s.first_entry).collect(),
        ),
        ("entries", shards.iter().map(|s| s.entries).collect()),
        (
            "images",
            shards.iter().map(|s| s.images).collect::<Vec<u64>>(),
        ),
    ] {
        file.new_dataset::<u64>()
            .shape([values.len()])
            .create(name)
            .and_then(|data| data.write_raw(&values))
            .map_err(error)?;
    }
    let links = file.create_group("shards").map_err(error)?;
    for (number, name) in names.iter().enumerate() {
        links
            .create_external_link(&format!("{number:05}"), name, "/")
            .map_err(error)?;
    }
    file.close().map_err(error)?;
    std::fs::rename(&path, output).map_err(PackError::io(output))
}
