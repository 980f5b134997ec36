//! Sorted rows in local files, for partitions that do not fit into memory.
//!
//! A file has no name: it is removed from its directory while it is still open, so the system frees it when the process ends,
//! however it ends.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use arrow_ipc::CompressionType;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::{IpcWriteOptions, StreamWriter};
use arrow_schema::{ArrowError, SchemaRef};

use crate::error::{Error, ErrorKind, Result};
use crate::merge::compact;

/// Where sorted rows are kept that do not fit into memory.
#[derive(Debug, Clone, Default)]
pub(crate) enum SpillDirectory {
    /// The directory for temporary files of the process.
    #[default]
    Temporary,
    At(PathBuf),
    /// A partition that does not fit fails.
    Forbidden,
}

impl SpillDirectory {
    fn create(&self) -> Result<File> {
        let created = match self {
            Self::Temporary => tempfile::tempfile(),
            Self::At(directory) => tempfile::tempfile_in(directory),
            Self::Forbidden => {
                return Err(Error::invalid_input(
                    "the partition is not sorted and does not fit into the memory of the read, which must not use local \
                     files: set a larger read_ahead_bytes, or allow a spill_directory",
                ));
            }
        };
        created.map_err(|error| {
            let directory = match self {
                Self::At(directory) => directory.clone(),
                Self::Temporary | Self::Forbidden => std::env::temp_dir(),
            };
            Error::new(ErrorKind::Unavailable, format!("create a file in {}: {error}", directory.display()))
                .followed_by("set spill_directory to a directory that can be written")
                .with_source(error)
        })
    }
}

/// Writes runs to one local file, one after the other.
pub(crate) struct SpillWriter {
    directory: SpillDirectory,
    output: Output,
    current: RunInProgress,
    runs: Vec<RunInProgress>,
}

enum Output {
    /// No batch was written yet.
    None,
    /// Between two parts.
    Idle(BufWriter<File>),
    /// Inside a part, whose batches have this schema.
    Part { schema: SchemaRef, writer: Box<StreamWriter<BufWriter<File>>>, start: u64 },
}

/// A run whose file is still being written.
#[derive(Default)]
struct RunInProgress {
    parts: Vec<Range<u64>>,
    first_schema: Option<SchemaRef>,
    largest_batch: u64,
}

impl SpillWriter {
    pub(crate) fn new(directory: SpillDirectory) -> Self {
        Self { directory, output: Output::None, current: RunInProgress::default(), runs: Vec::new() }
    }

    /// Appends a batch to the current run. The batches of a run may differ in units of time; each part of the file holds
    /// batches of one schema.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        // Views are written with all of the buffers that they refer to.
        let batch = compact(batch);
        self.current.largest_batch = self.current.largest_batch.max(batch.get_array_memory_size() as u64);
        self.current.first_schema.get_or_insert_with(|| batch.schema());
        if !matches!(&self.output, Output::Part { schema, .. } if *schema == batch.schema()) {
            self.end_part()?;
            self.begin_part(batch.schema())?;
        }
        match &mut self.output {
            Output::Part { writer, .. } => writer.write(&batch).map_err(|error| failed("write", error)),
            Output::None | Output::Idle(_) => Err(Error::internal("a spill file was not created")),
        }
    }

    fn begin_part(&mut self, schema: SchemaRef) -> Result<()> {
        let mut file = match std::mem::replace(&mut self.output, Output::None) {
            Output::Idle(file) => file,
            Output::None | Output::Part { .. } => BufWriter::new(self.directory.create()?),
        };
        let start = file.stream_position().map_err(|error| failed("write", error.into()))?;
        let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::LZ4_FRAME));
        let writer = options
            .and_then(|options| StreamWriter::try_new_with_options(file, &schema, options))
            .map(Box::new)
            .map_err(|error| failed("write", error))?;
        self.output = Output::Part { schema, writer, start };
        Ok(())
    }

    fn end_part(&mut self) -> Result<()> {
        match std::mem::replace(&mut self.output, Output::None) {
            Output::Part { writer, start, .. } => {
                // Writes the end of the stream.
                let mut file = writer.into_inner().map_err(|error| failed("write", error))?;
                let end = file.stream_position().map_err(|error| failed("write", error.into()))?;
                self.current.parts.push(start..end);
                self.output = Output::Idle(file);
            }
            between => self.output = between,
        }
        Ok(())
    }

    /// Ends the current run, if it has rows.
    pub(crate) fn end_run(&mut self) -> Result<()> {
        self.end_part()?;
        if self.current.first_schema.is_some() {
            self.runs.push(std::mem::take(&mut self.current));
        }
        Ok(())
    }

    /// Ends the current run, and returns all runs that have rows, in order.
    pub(crate) fn finish(mut self) -> Result<Vec<SpilledRun>> {
        self.end_run()?;
        let Output::Idle(file) = self.output else { return Ok(Vec::new()) };
        let file = file.into_inner().map_err(|error| failed("write", error.into_error().into()))?;
        let file = Arc::new(Mutex::new(file));
        let run = |RunInProgress { parts, first_schema, largest_batch }| {
            first_schema.map(|schema| SpilledRun { file: Arc::clone(&file), parts, schema, batch: largest_batch })
        };
        Ok(self.runs.into_iter().filter_map(run).collect())
    }
}

/// A sorted run in a local file. Dropping all runs of a file frees it.
#[derive(Debug, Clone)]
pub(crate) struct SpilledRun {
    file: Arc<Mutex<File>>,
    parts: Vec<Range<u64>>,
    schema: SchemaRef,
    /// The size of its largest batch in memory.
    batch: u64,
}

impl SpilledRun {
    /// Returns the schema of the first batch.
    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Returns the memory that the run takes while it is merged.
    pub(crate) fn memory(&self) -> u64 {
        // One batch is read, another waits, and rows are taken from a third. A part is decompressed for the first.
        self.batch.saturating_mul(4)
    }

    /// Reads the run from its start.
    pub(crate) fn read(&self) -> SpillReader {
        SpillReader { file: Arc::clone(&self.file), parts: self.parts.clone().into_iter(), current: None }
    }
}

/// The batches of a spilled run, in order.
#[derive(Debug)]
pub(crate) struct SpillReader {
    file: Arc<Mutex<File>>,
    parts: std::vec::IntoIter<Range<u64>>,
    current: Option<StreamReader<BufReader<Part>>>,
}

impl SpillReader {
    /// Returns the next batch, or `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batches) = &mut self.current
                && let Some(batch) = batches.next()
            {
                return batch.map(Some).map_err(|error| failed("read", error));
            }
            let Some(range) = self.parts.next() else { return Ok(None) };
            let part = BufReader::new(Part { file: Arc::clone(&self.file), range });
            self.current = Some(StreamReader::try_new(part, None).map_err(|error| failed("read", error))?);
        }
    }
}

/// The bytes of a part. Readers of other parts share the file and its position.
#[derive(Debug)]
struct Part {
    file: Arc<Mutex<File>>,
    range: Range<u64>,
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(self.range.end.saturating_sub(self.range.start)).unwrap_or(usize::MAX);
        let length = buffer.len().min(rest);
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(self.range.start))?;
        let read = file.read(&mut buffer[..length])?;
        self.range.start += read as u64;
        Ok(read)
    }
}

/// Groups neighbouring runs so that each group fits the memory, as far as a group of two does. `runs` are their sizes.
///
/// Returns the number of runs in each group. Merging a group makes one run of it, in the same place.
pub(crate) fn merge_groups(runs: &[u64], memory: u64) -> Vec<usize> {
    let (mut groups, mut size) = (Vec::<usize>::new(), 0u64);
    for &run in runs {
        match groups.last_mut() {
            Some(group) if *group < 2 || size.saturating_add(run) <= memory => {
                *group += 1;
                size = size.saturating_add(run);
            }
            _ => {
                groups.push(1);
                size = run;
            }
        }
    }
    groups
}

/// Returns the error of a local file.
fn failed(operation: &str, error: ArrowError) -> Error {
    Error::new(ErrorKind::Unavailable, format!("{operation} a spill file: {error}")).with_source(error)
}

#[cfg(test)]
mod tests {
    use arrow_array::{ArrayRef, StringViewArray, TimestampMicrosecondArray, TimestampMillisecondArray};

    use super::*;

    fn batch(times: ArrayRef, texts: &[&str]) -> RecordBatch {
        let texts: ArrayRef = Arc::new(StringViewArray::from_iter_values(texts));
        RecordBatch::try_from_iter([("at", times), ("text", texts)]).unwrap()
    }

    #[test]
    fn batches_come_back_in_order_although_their_units_differ() {
        let long = "a text that does not fit into a view, ".repeat(100);
        let micros = |times: Vec<i64>| Arc::new(TimestampMicrosecondArray::from(times)) as ArrayRef;
        let millis = |times: Vec<i64>| Arc::new(TimestampMillisecondArray::from(times)) as ArrayRef;
        let batches = [
            batch(micros(vec![1, 2]), &["a", &long]),
            batch(micros(vec![3]), &["b"]),
            batch(millis(vec![4, 5]), &[&long, ""]),
            batch(micros(vec![6]), &["c"]),
        ];
        let mut writer = SpillWriter::new(SpillDirectory::Temporary);
        batches.iter().for_each(|batch| writer.write(batch).unwrap());
        let run = writer.finish().unwrap().pop().unwrap();
        assert_eq!(run.parts.len(), 3);
        assert_eq!(all(&run), batches);
    }

    /// Returns all batches of a run.
    fn all(run: &SpilledRun) -> Vec<RecordBatch> {
        let mut reader = run.read();
        std::iter::from_fn(|| reader.next().unwrap()).collect()
    }

    #[test]
    fn runs_of_one_file_are_read_at_the_same_time_and_again() {
        let numbers = |run: usize, number: usize| {
            let rows = (0..100).map(|row| (run * 1_000 + number * 100 + row) as i64).collect::<Vec<_>>();
            batch(Arc::new(TimestampMicrosecondArray::from(rows)), &["a text of some length"; 100])
        };
        let runs: Vec<Vec<_>> = (0..5).map(|run| (0..=run).map(|number| numbers(run, number)).collect()).collect();
        let mut writer = SpillWriter::new(SpillDirectory::Temporary);
        for run in &runs {
            run.iter().for_each(|batch| writer.write(batch).unwrap());
            writer.end_run().unwrap();
            // A run without rows is none.
            writer.end_run().unwrap();
        }
        let spilled = writer.finish().unwrap();
        assert_eq!(spilled.len(), runs.len());
        let mut readers: Vec<_> = spilled.iter().map(SpilledRun::read).collect();
        for number in 0..=runs.len() {
            for (run, reader) in runs.iter().zip(&mut readers) {
                assert_eq!(reader.next().unwrap().as_ref(), run.get(number));
            }
        }
        for (run, spilled) in runs.iter().zip(&spilled) {
            assert_eq!(&all(spilled), run);
        }
    }

    #[test]
    fn a_slice_is_written_without_the_rest_of_its_buffers() {
        let texts: Vec<String> =
            (0..8_192).map(|row| format!("{row:08} is the number of this row").repeat(4)).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let times = Arc::new(TimestampMicrosecondArray::from(vec![0; texts.len()]));
        let whole = batch(times, &texts);
        let mut writer = SpillWriter::new(SpillDirectory::Temporary);
        writer.write(&whole.slice(100, 3)).unwrap();
        let run = writer.finish().unwrap().pop().unwrap();
        let size = run.file.lock().unwrap().metadata().unwrap().len();
        assert!(size < 4_096, "{size}");
        assert_eq!(run.read().next().unwrap().unwrap(), whole.slice(100, 3));
    }

    #[test]
    fn the_directory_has_no_file_left_while_the_run_is_open() {
        let directory = tempfile::tempdir().unwrap();
        let mut writer = SpillWriter::new(SpillDirectory::At(directory.path().to_owned()));
        writer.write(&batch(Arc::new(TimestampMicrosecondArray::from(vec![1])), &["a"])).unwrap();
        let run = writer.finish().unwrap().pop().unwrap();
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        drop(run);
    }

    #[test]
    fn errors_name_the_setting() {
        let one = batch(Arc::new(TimestampMicrosecondArray::from(vec![1])), &["a"]);
        let missing = SpillDirectory::At("/does/not/exist".into());
        let error = SpillWriter::new(missing).write(&one).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("create a file in /does/not/exist: "), "{error}");
        assert!(error.to_string().ends_with("set spill_directory to a directory that can be written"), "{error}");
        let error = SpillWriter::new(SpillDirectory::Forbidden).write(&one).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}
