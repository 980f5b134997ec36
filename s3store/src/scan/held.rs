//! Partitions that fit into memory: all files are decoded side by side, and then merged.

use std::pin::pin;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::fetch::{fetch_step, vanished};
use super::files::{FileSize, StoredFile};
use super::partition::{OpenFile, PartitionScan, PartitionWork};
use super::rows::{FileRows, PartitionRows, RowsError, names};
use super::sink::Sink;
use crate::codec::{MemoryReader, RangeReader};
use crate::cpu;
use crate::error::{Error, Result};
use crate::merge::{FileRuns, merge_runs};

/// How many files of a partition may be decoded, or wait for it, at once.
const FILES_DECODING: usize = 64;

impl<S: Sink> PartitionScan<S> {
    /// Reads groups of files, one after the other, which are fetched side by side, and decoded as far ahead as there are
    /// cores. Returns `false` if the receiver was dropped.
    pub(super) async fn read_held(&mut self, groups: Vec<Vec<OpenFile>>) -> Result<bool, RowsError> {
        let work = self.work.clone();
        let fetch = |files: Vec<OpenFile>| async {
            let fetch = |file: OpenFile| async {
                let OpenFile { label, file, reader, .. } = file;
                let reader = work.fetch_steps(&file.key, reader).await?;
                Ok::<_, Error>(FileRows::new(label, MemoryReader::of_ranges(reader)))
            };
            let fetched = stream::iter(files.into_iter().map(fetch)).buffered(FILES_DECODING);
            fetched.try_collect::<Vec<FileRows>>().await
        };
        let decode = |fetched: Result<Vec<FileRows>>| async { work.decode_held::<S>(fetched?).await };
        let mut left = groups.len();
        let fetched = stream::iter(groups.into_iter().map(fetch)).buffered(FILES_DECODING);
        let mut decoded = pin!(fetched.map(decode).buffered(cpu::cores()));
        while let Some(rows) = decoded.next().await {
            let rows = rows?;
            left -= 1;
            if left == 0 {
                self.release_downloads();
            }
            if !self.push_all(rows).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Sends the rows of files that were decoded. Returns `false` if the receiver was dropped.
    async fn push_all(&mut self, mut rows: PartitionRows<S>) -> Result<bool, RowsError> {
        loop {
            let opener = Arc::clone(&self.work.opener);
            let threads = self.work.context.threads();
            let (rest, chunk) = self
                .work
                .decode(move || {
                    let chunk = rows.next_chunk(opener.layout(), threads.count());
                    Ok((rows, chunk))
                })
                .await?;
            rows = rest;
            let Some(chunk) = chunk? else { return Ok(true) };
            if !self.output.push(chunk).await {
                return Ok(false);
            }
        }
    }
}

impl PartitionWork {
    /// Fetches all ranges that a reader needs, side by side.
    async fn fetch_steps(&self, key: &str, mut reader: RangeReader) -> Result<RangeReader> {
        let scan = &self.context.scan;
        let steps = reader.all_needs()?;
        let fetch = |needs| fetch_step(&scan.dataset, key, needs, &scan.tally);
        let mut steps = stream::iter(steps.into_iter().map(fetch)).buffered(scan.dataset.client().permits());
        while let Some(fetched) = steps.try_next().await? {
            let (needs, bodies) = fetched.ok_or_else(|| gone(key))?;
            reader.push(needs, bodies)?;
            self.context.watch.moved();
        }
        Ok(reader)
    }

    /// Decodes files side by side.
    async fn decode_held<S: Sink>(&self, mut files: Vec<FileRows>) -> Result<PartitionRows<S>, RowsError> {
        let names = names(files.iter().map(FileRows::label));
        let (opener, keep) = (Arc::clone(&self.opener), self.context.scan.keep);
        if files.len() == 1
            && let Some(file) = files.pop()
        {
            let threads = self.context.threads();
            let decode = move || Ok(PartitionRows::of_file(file, opener.layout(), keep, threads.count()));
            return self.decode(decode).await?;
        }
        let decode = |file: FileRows| {
            let (opener, threads) = (Arc::clone(&opener), self.context.threads());
            let decode = move || {
                let sections = file.into_sections(threads.count());
                FileRuns::decode_sections(opener.layout(), sections, keep)
            };
            self.decode(decode)
        };
        let runs: Vec<FileRuns> =
            stream::iter(files.into_iter().map(decode)).buffered(FILES_DECODING).try_collect().await?;
        let merged = self.decode(move || merge_runs(opener.layout(), runs, keep)).await?;
        Ok(PartitionRows::merged(merged, names))
    }
}

/// Returns the error for a file that was deleted after its footer was fetched.
pub(super) fn gone(key: &str) -> Error {
    vanished(&StoredFile { key: key.to_owned(), size: FileSize::Bytes(0), version: None, offset: None })
}
