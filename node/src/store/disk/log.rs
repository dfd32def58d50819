//! Log: what was performed since the file last took it in, step by step, so that a flush is one append.
//!
//! A frame holds the steps of a whole number of commands: its length (4 bytes), the SHA-1 of its steps, and
//! the steps. What a crash tears is the last frame at most, and nobody was told that it is durable. A frame that
//! is not whole although others follow it has rotted: what it held was acknowledged, so a node that went on
//! without it would vote for what it has forgotten. Logs are numbered; the file says which is the first one that it
//! does not hold yet, and those before it are nothing any more.
//!
//! | step | what follows it |
//! |---|---|
//! | 0: no record | identifier |
//! | 1: a record | identifier, length (4), the record as in the file |
//! | 2: no note | length (4), name |
//! | 3: a note | length (4), name, length (4), bytes |

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dht::Id;
use dht::record::Record;
use dht::store::{Note, Store as _};
use redb::StorageBackend;
use redb::backends::FileBackend;

use super::error::Cause;
use super::layers::Layers;
use super::table::{decode, encode};

/// What may stand between a store and its files.
pub(super) type Disk =
    Arc<dyn Fn(Box<dyn StorageBackend>) -> Box<dyn StorageBackend> + Send + Sync>;

/// The logs of one folder; the last one is written.
pub(super) struct Log {
    folder: PathBuf,
    disk: Disk,
    number: u64,
    file: Box<dyn StorageBackend>,
    /// Bytes in the last one.
    pub(super) length: u64,
}

impl Log {
    /// Performs what the logs from number `first` on hold, and goes on with the last one of them.
    ///
    /// Errors, and which file it is: one is missing, one before the last is torn, or the last one amid its
    /// frames; nothing was changed.
    pub(super) fn open(
        folder: &Path,
        first: u64,
        disk: Disk,
        layers: &mut Layers,
    ) -> Result<Log, (Cause, PathBuf)> {
        let there = numbers(folder).map_err(|cause| (cause.into(), folder.to_owned()))?;
        let there: Vec<u64> = there
            .into_iter()
            .filter(|number| *number >= first)
            .collect();
        // The file names a log only once it is there.
        if first > 0 && there.is_empty() {
            return Err((
                Cause::Damaged("it is missing".to_owned()),
                path(folder, first),
            ));
        }
        let mut last = None;
        for (number, expected) in there.iter().copied().zip(first..) {
            let path = path(folder, expected);
            if number != expected {
                return Err((Cause::Damaged("it is missing".to_owned()), path));
            }
            let is_last = there.last() == Some(&number);
            let replayed = replay(&path, is_last, &disk, layers);
            last = Some(replayed.map_err(|cause| (cause, path))?);
        }
        let number = first + there.len().saturating_sub(1) as u64;
        let (file, length) = match last {
            Some(last) => last,
            None => {
                let file = create(folder, number, &disk);
                (file.map_err(|cause| (cause, path(folder, number)))?, 0)
            }
        };
        forget(folder, first);
        // What was replayed is in a log already.
        layers.steps.clear();
        Ok(Log {
            folder: folder.to_owned(),
            disk,
            number,
            file,
            length,
        })
    }

    /// Appends steps as one, and waits until they are on the disk. After an error nothing may be appended.
    pub(super) fn append(&mut self, steps: &[u8]) -> Result<(), Cause> {
        let too_long = |_| Cause::Damaged("a frame of 4 GiB".to_owned());
        let length = u32::try_from(steps.len()).map_err(too_long)?;
        let mut frame = Vec::with_capacity(HEAD + steps.len());
        frame.extend(length.to_be_bytes());
        frame.extend(Id::of(steps).as_bytes());
        frame.extend_from_slice(steps);
        self.file.write(self.length, &frame)?;
        self.file.sync_data()?;
        self.length += frame.len() as u64;
        Ok(())
    }

    /// Begins the next one. Returns its number: once the file says it, all before may be forgotten.
    pub(super) fn turn(&mut self) -> Result<u64, Cause> {
        self.file = create(&self.folder, self.number + 1, &self.disk)?;
        self.number += 1;
        self.length = 0;
        Ok(self.number)
    }

    /// Where the logs lie.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Log({}, {} bytes)", self.number, self.length)
    }
}

/// Forgets all logs before this one. One that stays is ignored.
pub(super) fn forget(folder: &Path, first: u64) {
    for number in numbers(folder).into_iter().flatten() {
        if number < first {
            let _ = fs::remove_file(path(folder, number));
        }
    }
}

/// A step: this record is there from now on, or none.
pub(super) fn record(steps: &mut Vec<u8>, key: Id, record: Option<&Record>) {
    steps.push(u8::from(record.is_some()));
    steps.extend(key.as_bytes());
    if let Some(record) = record {
        let at = steps.len();
        steps.extend([0; 4]);
        encode(record, steps);
        let length = (steps.len() - at - 4) as u32;
        steps[at..at + 4].copy_from_slice(&length.to_be_bytes());
    }
}

/// A step: this note is there from now on, or none of its name.
pub(super) fn note(steps: &mut Vec<u8>, note: &Note) {
    steps.push(2 + u8::from(note.bytes.is_some()));
    for bytes in [Some(&note.name), note.bytes.as_ref()]
        .into_iter()
        .flatten()
    {
        steps.extend((bytes.len() as u32).to_be_bytes());
        steps.extend(bytes);
    }
}

/// Performs what a log holds. Returns it, and its length without what is torn, which the last one loses.
fn replay(
    path: &Path,
    is_last: bool,
    disk: &Disk,
    layers: &mut Layers,
) -> Result<(Box<dyn StorageBackend>, u64), Cause> {
    let bytes = fs::read(path)?;
    let mut rest = &bytes[..];
    while let Some((steps, after)) = frame(rest) {
        perform(steps, layers).ok_or_else(|| Cause::Damaged("a step makes no sense".to_owned()))?;
        rest = after;
    }
    let length = (bytes.len() - rest.len()) as u64;
    if !rest.is_empty() && !is_last {
        return Err(Cause::Damaged(format!("it is torn at byte {length}")));
    }
    if let Some(whole) = whole_after(rest) {
        return Err(Cause::Damaged(format!(
            "what begins at byte {length} has rotted, and {} bytes of what was acknowledged follow it",
            rest.len() - whole
        )));
    }
    let file = disk(Box::new(FileBackend::new(
        OpenOptions::new().read(true).write(true).open(path)?,
    )?));
    if !rest.is_empty() {
        let bytes = rest.len();
        tracing::warn!(
            ?path,
            bytes,
            "the last write was torn, and is left out: nobody was told of it"
        );
        file.set_len(length)?;
        file.sync_data()?;
    }
    Ok((file, length))
}

/// The steps of the first frame, and what follows it; nothing if it is not whole.
fn frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (digest, rest) = rest.split_first_chunk()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (steps, after) = rest.split_at_checked(length)?;
    (Id::of(steps) == Id::from_bytes(*digest)).then_some((steps, after))
}

/// Where behind a frame that is not whole there are whole ones up to the end; nothing where there are none, as
/// where a crash has torn the last one.
fn whole_after(bytes: &[u8]) -> Option<usize> {
    let mut hops = HOPS_MAX;
    // Its length may be good still, and if not any place will do.
    let by_length = length_at(bytes, 0).map(|length| HEAD + length);
    let places = by_length.into_iter().chain(1..bytes.len());
    for place in places {
        if hops == 0 {
            return None;
        }
        if leads_to_end(bytes, place, &mut hops) && frame(&bytes[place..]).is_some() {
            return Some(place);
        }
    }
    None
}

/// Whether frames follow each other from here to the very end, by their lengths.
fn leads_to_end(bytes: &[u8], mut at: usize, hops: &mut usize) -> bool {
    let start = at;
    while at < bytes.len() && *hops > 0 {
        *hops -= 1;
        match length_at(bytes, at) {
            // Nobody appends nothing.
            None | Some(0) => return false,
            Some(length) => at += HEAD + length,
        }
    }
    at == bytes.len() && at > start
}

/// The length that a frame at this place says it has.
fn length_at(bytes: &[u8], at: usize) -> Option<usize> {
    let length = bytes.get(at..)?.first_chunk()?;
    usize::try_from(u32::from_be_bytes(*length)).ok()
}

/// Performs steps; nothing if they are none.
fn perform(mut rest: &[u8], layers: &mut Layers) -> Option<()> {
    while let Some((kind, after)) = rest.split_first() {
        rest = after;
        match kind {
            0 | 1 => {
                let key = Id::from_bytes(*take(&mut rest, Id::BYTES)?.first_chunk()?);
                match kind {
                    0 => layers.forget(key),
                    _ => layers.put(key, decode(counted(&mut rest)?)?),
                }
            }
            2 | 3 => {
                let name = counted(&mut rest)?.to_vec();
                let bytes = match kind {
                    2 => None,
                    _ => Some(counted(&mut rest)?.to_vec()),
                };
                layers.note(Note { name, bytes });
            }
            _ => return None,
        }
    }
    Some(())
}

fn counted<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = take(rest, 4)?.first_chunk()?;
    take(rest, usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(taken)
}

fn create(folder: &Path, number: u64, disk: &Disk) -> Result<Box<dyn StorageBackend>, Cause> {
    let mut options = OpenOptions::new();
    let options = options.create(true).truncate(true).read(true).write(true);
    let file = options.open(path(folder, number))?;
    // What is in it counts only if it is found.
    File::open(folder)?.sync_all()?;
    Ok(disk(Box::new(FileBackend::new(file)?)))
}

/// Which logs there are, in their order.
fn numbers(folder: &Path) -> std::io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
        numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number}{SUFFIX}"))
}

const SUFFIX: &str = ".log";

/// Places that are looked at for whole frames behind one that is not: some more than the bytes of a log.
const HOPS_MAX: usize = 64 * 1024 * 1024;

/// Length and digest of a frame.
const HEAD: usize = 4 + Id::BYTES;
