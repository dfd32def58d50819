//! File: what the database lies in, which goes on from memory where the disk fails.
//!
//! redb answers nothing any more after one failed write. But what is on the disk can still be read, and a node
//! whose disk is full has a lot to tell. So once a write or a flush fails nothing more goes to the disk, as if
//! the power had gone at that moment, and what was to be written is kept here instead. Whoever commits looks at
//! the [`Trouble`] afterwards, and commits nothing more: so it is one commit's worth.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Debug;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use redb::StorageBackend;

/// A disk, or what stands for one.
#[derive(Debug)]
pub(super) struct DataFile {
    disk: Box<dyn StorageBackend>,
    trouble: Arc<Trouble>,
}

/// Whether the disk has failed.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    /// Whether failures are to be borne; before that they are told as they are.
    is_armed: AtomicBool,
    shadow: RwLock<Option<Shadow>>,
}

/// What is not on the disk although it was written.
#[derive(Debug)]
struct Shadow {
    reason: String,
    length: u64,
    blocks: BTreeMap<u64, Vec<u8>>,
}

impl DataFile {
    /// A file on this disk, and where to look whether it has failed.
    pub(super) fn new(disk: Box<dyn StorageBackend>) -> (DataFile, Arc<Trouble>) {
        let trouble = Arc::new(Trouble::default());
        let file = DataFile {
            disk,
            trouble: trouble.clone(),
        };
        (file, trouble)
    }

    /// Does something to the disk, or in memory if the disk has failed or fails at this.
    fn attempt(
        &self,
        real: impl FnOnce(&dyn StorageBackend) -> io::Result<()>,
        shadow: impl FnOnce(&mut Shadow, &dyn StorageBackend) -> io::Result<()>,
    ) -> io::Result<()> {
        let disk = &*self.disk;
        if self.trouble.shadow().is_none() {
            match real(disk) {
                Err(error) if self.trouble.is_armed.load(Ordering::Relaxed) => {
                    self.trouble.begin(&error, disk)?;
                }
                result => return result,
            }
        }
        match &mut *self.trouble.shadow_mut() {
            Some(there) => shadow(there, disk),
            None => Ok(()),
        }
    }
}

impl Trouble {
    /// From now on a failure of the disk is borne.
    pub(super) fn arm(&self) {
        self.is_armed.store(true, Ordering::Relaxed);
    }

    /// Why the disk has failed, if it has.
    pub(super) fn reason(&self) -> Option<String> {
        self.shadow().as_ref().map(|shadow| shadow.reason.clone())
    }

    fn begin(&self, error: &io::Error, disk: &dyn StorageBackend) -> io::Result<()> {
        let length = disk.len()?;
        self.shadow_mut().get_or_insert_with(|| Shadow {
            reason: error.to_string(),
            length,
            blocks: BTreeMap::new(),
        });
        Ok(())
    }

    fn shadow(&self) -> RwLockReadGuard<'_, Option<Shadow>> {
        self.shadow.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn shadow_mut(&self) -> RwLockWriteGuard<'_, Option<Shadow>> {
        self.shadow.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shadow {
    fn write(&mut self, offset: u64, data: &[u8], disk: &dyn StorageBackend) -> io::Result<()> {
        for (start, within, part) in parts(offset, data.len()) {
            let block = match self.blocks.entry(start) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => {
                    let mut block = vec![0; BLOCK];
                    read_what_is_there(disk, start, &mut block)?;
                    entry.insert(block)
                }
            };
            block[within..within + part.len()].copy_from_slice(&data[part]);
        }
        self.length = self.length.max(offset + data.len() as u64);
        Ok(())
    }

    fn read(&self, offset: u64, out: &mut [u8], disk: &dyn StorageBackend) -> io::Result<()> {
        if offset + out.len() as u64 > self.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        read_what_is_there(disk, offset, out)?;
        for (start, within, part) in parts(offset, out.len()) {
            if let Some(block) = self.blocks.get(&start) {
                let length = part.len();
                out[part].copy_from_slice(&block[within..within + length]);
            }
        }
        Ok(())
    }
}

/// Cuts a piece of a file into blocks: where the block begins in the file, where the part begins in the block,
/// and which part of the piece it is.
fn parts(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset + done as u64;
        let within = (at % BLOCK as u64) as usize;
        let part = done..length.min(done + BLOCK - within);
        done = part.end;
        (!part.is_empty()).then_some((at - within as u64, within, part))
    })
}

/// Reads what the disk has; beyond its end there is nothing, which reads as zero.
fn read_what_is_there(disk: &dyn StorageBackend, offset: u64, out: &mut [u8]) -> io::Result<()> {
    let there = disk.len()?.saturating_sub(offset).min(out.len() as u64) as usize;
    let (there, beyond) = out.split_at_mut(there);
    beyond.fill(0);
    if there.is_empty() {
        return Ok(());
    }
    disk.read(offset, there)
}

impl StorageBackend for DataFile {
    fn len(&self) -> io::Result<u64> {
        match &*self.trouble.shadow() {
            Some(shadow) => Ok(shadow.length),
            None => self.disk.len(),
        }
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        match &*self.trouble.shadow() {
            Some(shadow) => shadow.read(offset, out, &*self.disk),
            None => self.disk.read(offset, out),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.attempt(
            |disk| disk.set_len(len),
            |shadow, _| {
                shadow.length = len;
                shadow.blocks.retain(|start, _| *start < len);
                Ok(())
            },
        )
    }

    fn sync_data(&self) -> io::Result<()> {
        self.attempt(|disk| disk.sync_data(), |_, _| Ok(()))
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.attempt(
            |disk| disk.write(offset, data),
            |shadow, disk| shadow.write(offset, data, disk),
        )
    }

    fn close(&self) -> io::Result<()> {
        self.disk.close()
    }
}

/// Piece in which memory stands for the disk, in bytes.
const BLOCK: usize = 4096;
