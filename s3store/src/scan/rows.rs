//! The rows of one partition that are in memory: its files opened, merged, and passed to the sink.

use std::collections::VecDeque;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;

use super::sink::Sink;
use crate::codec::{MemoryReader, Opener};
use crate::cpu;
use crate::error::{Error, ErrorKind, Result};
use crate::merge::{BatchSource, Border, FileRuns, Keep, Merge, keeps_last_row, merge, merge_runs, remaining_rows};
use crate::record::{ReadLayout, RowError};

/// The rows of one file. Errors name the file.
pub(crate) struct FileRows {
    /// The name in errors.
    label: String,
    reader: MemoryReader,
    /// If set, the batches with the first and the last row are kept.
    ends: Option<Ends>,
}

/// The batches with the first and the last row of a section.
#[derive(Default)]
struct Ends {
    first: Option<RecordBatch>,
    last: Option<RecordBatch>,
}

impl FileRows {
    pub(super) fn new(label: String, reader: MemoryReader) -> Self {
        Self { label, reader, ends: None }
    }

    pub(super) fn label(&self) -> &str {
        &self.label
    }

    /// Divides a file that is large enough into `count` sections at most, to be decoded side by side. Returns one section if it
    /// is not.
    pub(super) fn into_sections(self, count: usize) -> Vec<Self> {
        if count < 2 || self.reader.rows() < LEAST_SECTION_ROWS * 2 {
            return vec![self];
        }
        let sections = self.reader.divided(count.min(self.reader.rows() / LEAST_SECTION_ROWS));
        sections.into_iter().map(|reader| Self::new(self.label.clone(), reader)).collect()
    }

    /// Opens a file that is in memory.
    fn open(label: &str, body: Bytes, opener: &Opener) -> Result<Self> {
        let reader = opener.open(body).map_err(|error| error.context(label))?;
        Ok(Self::new(label.to_owned(), reader))
    }
}

impl Iterator for FileRows {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.reader.next().map(|batch| batch.map_err(|error| error.context(&self.label)));
        if let (Some(ends), Some(Ok(batch))) = (&mut self.ends, &batch) {
            ends.first.get_or_insert_with(|| batch.clone());
            ends.last = Some(batch.clone());
        }
        batch
    }
}

impl BatchSource for FileRows {
    fn schema(&self) -> SchemaRef {
        self.reader.schema()
    }
}

/// A failure to read the rows of a partition.
#[derive(Debug)]
pub(super) enum RowsError {
    /// An error that names the file at fault, and the row if it is about one value.
    Named(Error),
    /// A value does not convert to the sink's form. Rows are converted after they were ordered, so the error knows neither
    /// the value's file nor its row there. [`check_file`] finds both.
    OfValue(Error),
}

impl RowsError {
    pub(super) fn kind(&self) -> ErrorKind {
        let (Self::Named(error) | Self::OfValue(error)) = self;
        error.kind()
    }
}

impl From<Error> for RowsError {
    fn from(error: Error) -> Self {
        Self::Named(error)
    }
}

impl From<RowsError> for Error {
    fn from(error: RowsError) -> Self {
        let (RowsError::Named(error) | RowsError::OfValue(error)) = error;
        error
    }
}

/// How many rows a section has at least. A row group is never divided.
const LEAST_SECTION_ROWS: usize = 65_536;

/// Reads a file as if it were the only one of its partition.
///
/// # Errors
/// The error names the file, and the row if it is about one value.
pub(super) fn check_file<S: Sink>(label: &str, body: &Bytes, opener: &Opener, keep: Keep) -> Result<()> {
    let open = || FileRows::open(label, body.clone(), opener);
    let read = |file| -> Result<(), RowsError> {
        let mut rows = PartitionRows::<S>::of_file(file, opener.layout(), keep, 1)?;
        while rows.next_chunk(opener.layout(), 1)?.is_some() {}
        Ok(())
    };
    match read(open()?) {
        Err(RowsError::OfValue(error)) => {
            // In the order of the file, which counts the rows.
            let mut rows_before = 0;
            for batch in open()? {
                let batch = batch?;
                if let Some(RowError { row, value }) = S::unfit_row(&batch) {
                    // Below a filter, the rows are not those of the file.
                    let row = match opener.layout().filter.below {
                        None => format!("row {}", rows_before + row),
                        Some(_) => "a row that the filter keeps".to_owned(),
                    };
                    return Err(Error::invalid_data(format!("{label}: {row}, {value}")));
                }
                rows_before += batch.num_rows();
            }
            Err(error)
        }
        read => Ok(read?),
    }
}

/// The rows of one partition, in the form that the sink takes them in.
pub(super) enum PartitionRows<S: Sink> {
    /// All rows of a single file, in order.
    SingleFile(VecDeque<S::Chunk>),
    /// The rows of a single file of a record without a key, some sections at a time.
    Sections {
        sections: VecDeque<FileRows>,
        ready: VecDeque<S::Chunk>,
        /// The name of the file.
        label: String,
    },
    Merged {
        rows: Merge,
        /// The files that the rows come from, for errors about a value: a merged row does not know its own.
        files: String,
    },
}

impl<S: Sink> PartitionRows<S> {
    /// Decodes the single file of a partition on `threads` threads, if it is large.
    ///
    /// It is passed to the sink while it is decoded, if it is marked as sorted. If its rows turn out to be out of order, it is
    /// decoded again and sorted.
    pub(super) fn of_file(file: FileRows, layout: &ReadLayout, keep: Keep, threads: usize) -> Result<Self, RowsError> {
        let label = file.label.clone();
        if layout.key.is_none() {
            let sections = if threads > 1 { file.into_sections(usize::MAX) } else { vec![file] };
            if sections.len() > 1 {
                return Ok(Self::Sections { sections: sections.into(), ready: VecDeque::new(), label });
            }
            return Ok(Self::merged(merge(layout, sections, keep)?, label));
        }
        if file.reader.plan().is_marked_sorted(layout) {
            let mut sections = file.into_sections(threads);
            let chunks = chunks_of_sorted::<S>(&mut sections, layout, keep).map_err(|error| named(error, &label))?;
            if let Some(chunks) = chunks {
                return Ok(Self::SingleFile(chunks));
            }
            sections.iter_mut().for_each(|section| section.reader.restart());
            let runs = FileRuns::decode_sections(layout, sections, keep)?;
            return Ok(Self::merged(merge_runs(layout, vec![runs], keep)?, label));
        }
        let runs = FileRuns::decode_sections(layout, file.into_sections(threads), keep)?;
        Ok(Self::merged(merge_runs(layout, vec![runs], keep)?, label))
    }

    /// `files` names the files in errors.
    pub(super) fn merged(rows: Merge, files: String) -> Self {
        Self::Merged { rows, files }
    }

    /// Returns the next rows, or `None` at the end. Decodes on `threads` threads at most.
    pub(super) fn next_chunk(&mut self, layout: &ReadLayout, threads: usize) -> Result<Option<S::Chunk>, RowsError> {
        match self {
            Self::SingleFile(chunks) => Ok(chunks.pop_front()),
            Self::Sections { sections, ready, label } => {
                while ready.is_empty() && !sections.is_empty() {
                    let next = sections.drain(..threads.clamp(1, sections.len())).collect();
                    for chunks in cpu::each(next, |section| chunks_of_section::<S>(section, layout)) {
                        ready.extend(chunks.map_err(|error| named(error, label))?);
                    }
                }
                Ok(ready.pop_front())
            }
            Self::Merged { rows, files } => {
                let of_value = |error: Error| RowsError::OfValue(error.context(&*files));
                let Some(batch) = rows.next().transpose()? else { return Ok(None) };
                S::chunk_of_batch(layout, batch).map(Some).map_err(of_value)
            }
        }
    }
}

/// Names the file in an error about a value. Errors about the file's bytes name it already.
fn named(error: Error, label: &str) -> RowsError {
    match error.to_string().contains(label) {
        true => RowsError::Named(error),
        false => RowsError::OfValue(error.context(label)),
    }
}

/// Passes the sections of a file that is marked as sorted to the sink while they are decoded, side by side. Returns `None` if
/// rows are out of order, or if the sink takes no file as a whole.
fn chunks_of_sorted<S: Sink>(
    sections: &mut [FileRows],
    layout: &ReadLayout,
    keep: Keep,
) -> Result<Option<VecDeque<S::Chunk>>> {
    let Some(key) = &layout.key else { return Ok(None) };
    let has_borders = sections.len() > 1;
    let decode = |section: &mut FileRows| {
        section.ends = has_borders.then(Ends::default);
        // How many rows a filter keeps is not known.
        let rows = if layout.filter.is_empty() { section.reader.rows() } else { 0 };
        let chunk = S::chunk_of_sorted_file(section, rows, layout, keep)?;
        Ok((chunk, section.ends.take().unwrap_or_default()))
    };
    let decoded = cpu::each(sections.iter_mut().collect(), decode).into_iter().collect::<Result<Vec<_>>>()?;
    let mut chunks: VecDeque<S::Chunk> = VecDeque::with_capacity(decoded.len());
    let mut before: Option<RecordBatch> = None;
    for (chunk, ends) in decoded {
        let Some(chunk) = chunk else { return Ok(None) };
        if let (Some(before), Some(first)) = (&before, &ends.first) {
            match Border::between(before, first, key, keep)? {
                Border::OutOfOrder => return Ok(None),
                Border::InOrder => {}
                Border::Superseded => {
                    if keeps_last_row(layout, before, keep)?
                        && let Some(last) = chunks.pop_back()
                    {
                        let rows = S::row_count(&last).saturating_sub(1);
                        chunks.push_back(S::truncate(last, rows));
                    }
                }
            }
        }
        if has_borders && ends.last.is_none() {
            // A filter dropped all rows of the section.
            continue;
        }
        before = ends.last;
        chunks.push_back(chunk);
    }
    Ok(Some(chunks))
}

/// Converts the rows of a section of a record without a key.
fn chunks_of_section<S: Sink>(section: FileRows, layout: &ReadLayout) -> Result<Vec<S::Chunk>> {
    let chunk = |batch: Result<RecordBatch>| S::chunk_of_batch(layout, remaining_rows(layout, batch?)?);
    section.map(chunk).collect()
}

/// Names the files of a partition, for errors about a value: a merged row does not know its file.
pub(super) fn names<'a>(labels: impl ExactSizeIterator<Item = &'a str>) -> String {
    let (count, mut first, mut last) = (labels.len(), "", "");
    for (index, label) in labels.enumerate() {
        if index == 0 {
            first = label;
        }
        last = label;
    }
    if count > 1 { format!("one of the {count} files {first} to {last}") } else { first.to_owned() }
}

/// Decodes a file on the calling thread, as a scan does with the only file of a partition.
#[cfg(feature = "testing")]
pub(crate) fn decode_file<S: Sink>(body: Bytes, opener: &Opener, keep: Keep) -> Result<Vec<S::Chunk>> {
    let file = FileRows::open("file", body, opener)?;
    let mut rows = PartitionRows::<S>::of_file(file, opener.layout(), keep, 1)?;
    let mut chunks = Vec::new();
    while let Some(chunk) = rows.next_chunk(opener.layout(), 1)? {
        chunks.push(chunk);
    }
    Ok(chunks)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use arrow_array::{ArrayRef, Int64Array};
    use arrow_schema::DataType;
    use parquet::arrow::ArrowWriter;
    use parquet::file::metadata::SortingColumn;
    use parquet::file::properties::WriterProperties;

    use super::*;
    use crate::merge::stream_single_file;
    use crate::record::{ColumnNode, Description, Key, Shape};

    fn layout() -> ReadLayout {
        let column = |name| ColumnNode::plain(name, Shape::Leaf(DataType::Int64));
        let (columns, key) = (vec![column("entity"), column("version")], Some(Key { entity: vec![0], version: 1 }));
        let description = Description::plain("Row", columns, key);
        ReadLayout::new(&description, &description)
    }

    /// A sink that takes the entity column.
    struct Entities;

    impl Sink for Entities {
        type Chunk = Vec<i64>;

        fn chunk_of_batch(_layout: &ReadLayout, batch: RecordBatch) -> Result<Vec<i64>> {
            Ok(batch.column(0).as_primitive::<Int64Type>().values().to_vec())
        }

        fn chunk_of_sorted_file(
            file: &mut FileRows,
            rows: usize,
            layout: &ReadLayout,
            keep: Keep,
        ) -> Result<Option<Vec<i64>>> {
            let mut entities = Vec::with_capacity(rows);
            let in_order = stream_single_file(file, layout, keep, |batch| {
                entities.extend(batch.column(0).as_primitive::<Int64Type>().values());
                Ok(())
            })?;
            Ok(in_order.then_some(entities))
        }

        fn row_count(chunk: &Vec<i64>) -> usize {
            chunk.len()
        }

        fn truncate(mut chunk: Vec<i64>, rows: usize) -> Vec<i64> {
            chunk.truncate(rows);
            chunk
        }
    }

    /// Reads the entities of a file that is marked as sorted, in row groups of `group_rows` rows. Also returns in how many
    /// chunks they came while the file was decoded, or 0 if they came from a merge.
    fn entities(written: &[i64], group_rows: usize, threads: usize) -> (usize, Vec<i64>) {
        let versions = Int64Array::from_iter_values(0..written.len() as i64);
        let columns: [(&str, ArrayRef); 2] =
            [("entity", Arc::new(Int64Array::from(written.to_vec()))), ("version", Arc::new(versions))];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let sorting = |column_idx| SortingColumn { column_idx, descending: false, nulls_first: false };
        let properties = WriterProperties::builder()
            .set_sorting_columns(Some(vec![sorting(0), sorting(1)]))
            .set_max_row_group_row_count(Some(group_rows))
            .build();
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();

        let opener = Opener::new(layout());
        let file = FileRows::open("file", writer.into_inner().unwrap().into(), &opener).unwrap();
        let mut rows = PartitionRows::<Entities>::of_file(file, opener.layout(), Keep::Latest, threads).unwrap();
        let chunks = if let PartitionRows::SingleFile(chunks) = &rows { chunks.len() } else { 0 };
        let mut all = Vec::new();
        while let Some(chunk) = rows.next_chunk(opener.layout(), threads).unwrap() {
            all.extend(chunk);
        }
        (chunks, all)
    }

    #[test]
    fn a_single_file_is_streamed_only_if_it_is_in_order_to_its_end() {
        let ordered: Vec<i64> = (0..20_000).collect();
        assert_eq!(entities(&ordered, 20_000, 2), (1, ordered.clone()));
        let mut wrongly_marked = ordered.clone();
        wrongly_marked.swap(0, 19_999);
        assert_eq!(entities(&wrongly_marked, 20_000, 2), (0, ordered));
    }

    /// An entity may have versions in two sections, and the order may break between them.
    #[test]
    fn sections_of_a_file_are_one_file() {
        const ROWS: usize = LEAST_SECTION_ROWS * 4;
        let sorted: Vec<i64> = (0..ROWS as i64).map(|row| row / 3).collect();
        let expected: Vec<i64> = (0..=sorted[ROWS - 1]).collect();
        for (group_rows, threads, chunks) in
            [(ROWS, 4, 1), (ROWS / 4, 1, 1), (ROWS / 4, 4, 4), (ROWS / 4, 2, 2), (ROWS / 4 + 1, 4, 4), (1_000, 3, 3)]
        {
            let (found, rows) = entities(&sorted, group_rows, threads);
            assert!(rows == expected, "{group_rows}, {threads}");
            assert_eq!(found, chunks, "{group_rows}, {threads}");
        }
        // Each section is in order.
        let mut turned = sorted[ROWS / 2..].to_vec();
        turned.extend(&sorted[..ROWS / 2]);
        assert!(entities(&turned, ROWS / 4, 4) == (0, expected.clone()));
        // One is not.
        let mut swapped = sorted;
        swapped.swap(ROWS / 2 + 10, ROWS / 2 + 40);
        assert!(entities(&swapped, ROWS / 4, 4) == (0, expected));
    }
}
