//! Sorted rows in local files, for partitions that do not fit into memory.
//!
//! A file has no name: it is removed from its directory while it is still open, so the system frees it when the process ends,
//! however it ends.

use std::fs::File;
use std::io::{BufReader, BufWriter, Seek};
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_ipc::CompressionType;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::{IpcWriteOptions, StreamWriter};
use arrow_schema::{ArrowError, SchemaRef};

use crate::error::{Error, ErrorKind, Result};
use crate::merge::compact;

/// Where a scan keeps sorted rows that do not fit into memory.
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

/// Writes a run.
pub(super) struct SpillWriter {
    directory: SpillDirectory,
    finished: Vec<File>,
    current: Option<(SchemaRef, StreamWriter<BufWriter<File>>)>,
    first_schema: Option<SchemaRef>,
    largest_batch: u64,
}

impl SpillWriter {
    pub(super) fn new(directory: SpillDirectory) -> Self {
        Self { directory, finished: Vec::new(), current: None, first_schema: None, largest_batch: 0 }
    }

    /// Appends a batch. Batches may differ in units of time; a file holds batches of one schema.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        // Views are written with all of the buffers that they refer to.
        let batch = compact(batch);
        self.largest_batch = self.largest_batch.max(batch.get_array_memory_size() as u64);
        if self.current.as_ref().is_none_or(|(schema, _)| *schema != batch.schema()) {
            self.finish_current()?;
            let file = BufWriter::new(self.directory.create()?);
            let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::LZ4_FRAME));
            let writer = options
                .and_then(|options| StreamWriter::try_new_with_options(file, &batch.schema(), options))
                .map_err(|error| failed("write", error))?;
            self.first_schema.get_or_insert_with(|| batch.schema());
            self.current = Some((batch.schema(), writer));
        }
        match &mut self.current {
            Some((_, writer)) => writer.write(&batch).map_err(|error| failed("write", error)),
            None => Err(Error::internal("a spill file was not created")),
        }
    }

    fn finish_current(&mut self) -> Result<()> {
        let Some((_, writer)) = self.current.take() else { return Ok(()) };
        // Writes the end of the stream.
        let mut file = writer.into_inner().map_err(|error| failed("write", error))?;
        file.rewind().map_err(|error| failed("write", error.into()))?;
        let file = file.into_inner().map_err(|error| failed("write", error.into_error().into()))?;
        self.finished.push(file);
        Ok(())
    }

    /// Returns the run, or `None` if it has no rows.
    pub(super) fn finish(mut self) -> Result<Option<SpilledRun>> {
        self.finish_current()?;
        let Self { finished: files, first_schema, largest_batch, .. } = self;
        Ok(first_schema.map(|schema| SpilledRun { files, schema, batch: largest_batch }))
    }
}

/// A sorted run in local files. Dropping it frees them.
#[derive(Debug)]
pub(super) struct SpilledRun {
    files: Vec<File>,
    schema: SchemaRef,
    /// The size of its largest batch in memory.
    pub(super) batch: u64,
}

impl SpilledRun {
    /// Returns the schema of the first batch.
    pub(super) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    pub(super) fn read(self) -> SpillReader {
        SpillReader { files: self.files.into_iter(), current: None }
    }
}

/// The batches of a spilled run, in order.
#[derive(Debug)]
pub(super) struct SpillReader {
    files: std::vec::IntoIter<File>,
    current: Option<StreamReader<BufReader<File>>>,
}

impl SpillReader {
    /// Returns the next batch, or `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batches) = &mut self.current
                && let Some(batch) = batches.next()
            {
                return batch.map(Some).map_err(|error| failed("read", error));
            }
            let Some(file) = self.files.next() else { return Ok(None) };
            let reader = StreamReader::try_new(BufReader::new(file), None).map_err(|error| failed("read", error))?;
            self.current = Some(reader);
        }
    }
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
        let run = writer.finish().unwrap().unwrap();
        assert_eq!(run.files.len(), 3);
        let mut reader = run.read();
        let read: Vec<RecordBatch> = std::iter::from_fn(|| reader.next().unwrap()).collect();
        assert_eq!(read, batches);
    }

    #[test]
    fn a_slice_is_written_without_the_rest_of_its_buffers() {
        let texts: Vec<String> =
            (0..8_192).map(|row| format!("{row:08} is the number of this row").repeat(4)).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let times = Arc::new(TimestampMicrosecondArray::from(vec![0; texts.len()]));
        let all = batch(times, &texts);
        let mut writer = SpillWriter::new(SpillDirectory::Temporary);
        writer.write(&all.slice(100, 3)).unwrap();
        let run = writer.finish().unwrap().unwrap();
        let size: u64 = run.files.iter().map(|file| file.metadata().unwrap().len()).sum();
        assert!(size < 4_096, "{size}");
        assert_eq!(run.read().next().unwrap().unwrap(), all.slice(100, 3));
    }

    #[test]
    fn the_directory_has_no_file_left_while_the_run_is_open() {
        let directory = tempfile::tempdir().unwrap();
        let mut writer = SpillWriter::new(SpillDirectory::At(directory.path().to_owned()));
        writer.write(&batch(Arc::new(TimestampMicrosecondArray::from(vec![1])), &["a"])).unwrap();
        let run = writer.finish().unwrap().unwrap();
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
