//! Putting a data file while it is encoded: as one object if it is small, otherwise in parts.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::super::attempt::FileInParts;
use super::limits::Limits;
use super::rows::PartitionRows;
use crate::codec::{ContentHasher, Encoder, Fast, FileWriter};
use crate::cpu;
use crate::dataset::{Dataset, Part, PartsInFlight};
use crate::error::Result;
use crate::format::ContentDigest;
use crate::record::Description;
use crate::s3::Put;

/// The number of parts after which their size doubles. S3 takes 10,000 parts of up to 5 GiB, and objects of 5 TiB.
const PARTS_OF_A_SIZE: usize = 1_000;

/// How many batches are encoded before the thread takes other work, if they fill no part.
const BATCHES_PER_TURN: usize = 16;

/// A file that is being encoded. It moves between the threads for CPU work and the task of its writer.
pub(super) struct FileInProgress {
    encoder: Arc<Encoder>,
    rows: PartitionRows,
    file: FileWriter,
    content: Option<ContentHasher<Fast>>,
    parts: PartCutter,
}

/// The result of a turn of encoding: the parts that are ready, and what follows.
struct Turn {
    parts: Vec<Part>,
    next: Next,
}

enum Next {
    More(Box<FileInProgress>),
    End { last: Part, content: Option<ContentDigest> },
}

impl FileInProgress {
    pub(super) fn new(
        encoder: &Arc<Encoder>,
        description: &Description,
        rows: PartitionRows,
        records: u64,
        limits: &Limits,
        with_digest: bool,
    ) -> Result<Self> {
        let records = usize::try_from(records).unwrap_or(usize::MAX);
        let file = encoder.file_in_parts(records, limits.group_bytes())?;
        let content = with_digest.then(|| ContentHasher::new(description));
        Ok(Self { encoder: Arc::clone(encoder), rows, file, content, parts: PartCutter::new(limits.part_bytes) })
    }

    /// Encodes until a part is ready, or for one turn.
    fn advance(mut self: Box<Self>) -> Result<Turn> {
        let mut parts = Vec::new();
        for _ in 0..BATCHES_PER_TURN {
            let Some(batch) = self.rows.next_batch()? else {
                self.parts.add(self.file.finish()?, &mut parts);
                let content = self.content.map(|content| self.encoder.digest(content));
                return Ok(Turn { parts, next: Next::End { last: self.parts.rest(), content } });
            };
            if let Some(content) = &mut self.content {
                content.update(batch.columns())?;
            }
            self.file.write(batch.columns())?;
            self.parts.add(self.file.take_written(), &mut parts);
            if !parts.is_empty() {
                break;
            }
        }
        Ok(Turn { parts, next: Next::More(self) })
    }
}

/// Cuts the bytes of a file into parts.
struct PartCutter {
    /// The size of the first parts.
    first_bytes: usize,
    /// The bytes after the last part, and their number.
    held: VecDeque<Bytes>,
    bytes: usize,
    parts: usize,
}

impl PartCutter {
    fn new(first_bytes: usize) -> Self {
        Self { first_bytes, held: VecDeque::new(), bytes: 0, parts: 0 }
    }

    /// Adds bytes, and appends the parts that are complete. The last bytes are never part of them, so a last part remains.
    fn add(&mut self, bytes: Bytes, parts: &mut Vec<Part>) {
        if bytes.is_empty() {
            return;
        }
        self.bytes += bytes.len();
        self.held.push_back(bytes);
        loop {
            let size = part_bytes(self.first_bytes, self.parts);
            if self.bytes <= size {
                return;
            }
            parts.push(self.take(size));
            self.parts += 1;
        }
    }

    /// Returns the bytes that are left.
    fn rest(mut self) -> Part {
        self.take(self.bytes)
    }

    /// Takes the first bytes. Copies them only if they were added in several pieces.
    fn take(&mut self, size: usize) -> Part {
        let body = match self.held.front_mut() {
            Some(first) if first.len() >= size => first.split_to(size),
            _ => {
                let mut body = BytesMut::with_capacity(size);
                while body.len() < size
                    && let Some(mut piece) = self.held.pop_front()
                {
                    let taken = piece.split_to(piece.len().min(size - body.len()));
                    body.extend_from_slice(&taken);
                    if !piece.is_empty() {
                        self.held.push_front(piece);
                    }
                }
                body.freeze()
            }
        };
        self.held.pop_front_if(|piece| piece.is_empty());
        self.bytes -= body.len();
        Part::new(body)
    }
}

/// Returns the size of the part after this number of parts.
fn part_bytes(first: usize, parts: usize) -> usize {
    first << (parts / PARTS_OF_A_SIZE).min(8)
}

/// Encodes a file and puts it.
pub(super) async fn put(dataset: &Dataset, data_key: &str, file: FileInProgress) -> Result<FileInParts> {
    let mut file = Box::new(file);
    let mut parts_in_flight = None;
    loop {
        let Turn { parts, next } = cpu::run(dataset.clock(), move || file.advance()).await?;
        for part in parts {
            started(&mut parts_in_flight, dataset, data_key).await?.add(part).await?;
        }
        match next {
            Next::More(rest) => file = rest,
            Next::End { last, content } => {
                let bytes = match parts_in_flight {
                    Some(parts) => parts.complete(last).await?,
                    None => {
                        let bytes = last.body.len() as u64;
                        dataset.client().put("data file", Put::with_md5(data_key, last.body, last.md5)).await?;
                        bytes
                    }
                };
                return Ok(FileInParts { bytes, content });
            }
        }
    }
}

/// Returns the upload in progress. Starts it before the first part.
async fn started<'p>(
    parts: &'p mut Option<PartsInFlight>,
    dataset: &Dataset,
    data_key: &str,
) -> Result<&'p mut PartsInFlight> {
    match parts {
        Some(parts) => Ok(parts),
        none => Ok(none.insert(PartsInFlight::start(dataset, "data file", data_key).await?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::md5_hex;

    const PART_BYTES: usize = 16 << 20;

    #[test]
    fn parts_contain_all_bytes_in_order_and_a_last_part_remains() {
        for pieces in [vec![PART_BYTES], vec![PART_BYTES + 1], vec![PART_BYTES - 1, 2, 3 * PART_BYTES, 5, 0]] {
            let (mut cutter, mut parts, mut whole) = (PartCutter::new(PART_BYTES), Vec::new(), Vec::new());
            for (number, &length) in pieces.iter().enumerate() {
                let piece: Vec<u8> = (0..length).map(|byte| (byte * 31 + number) as u8).collect();
                whole.extend_from_slice(&piece);
                cutter.add(piece.into(), &mut parts);
            }
            assert!(parts.iter().all(|part| part.body.len() == PART_BYTES));
            parts.push(cutter.rest());
            assert!(parts.iter().all(|part| !part.body.is_empty() && part.md5 == md5_hex(&part.body)));
            let bodies: Vec<u8> = parts.iter().flat_map(|part| part.body.iter().copied()).collect();
            assert!(bodies == whole, "{pieces:?}");
        }
    }

    #[test]
    fn an_object_of_the_greatest_size_has_few_enough_parts() {
        let most: u64 = (0..10_000).map(|parts| part_bytes(PART_BYTES, parts) as u64).sum();
        assert!(most > 5 << 40, "{most}");
        assert!((0..10_000).all(|parts| part_bytes(PART_BYTES, parts) as u64 <= 5 << 30));
    }
}
