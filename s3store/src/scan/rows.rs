//! The rows of one partition that are in memory: its files opened, merged, and passed to the sink.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;

use super::sink::Sink;
use crate::codec::{MemoryReader, Opener};
use crate::error::{Error, ErrorKind, Result};
use crate::merge::{BatchSource, Keep, Merge, merge};
use crate::record::{ReadLayout, RowError};

/// The rows of one file. Errors name the file.
pub(crate) struct FileRows {
    /// The name in errors.
    label: String,
    reader: MemoryReader,
}

impl FileRows {
    pub(super) fn new(label: String, reader: MemoryReader) -> Self {
        Self { label, reader }
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
        self.reader.next().map(|batch| batch.map_err(|error| error.context(&self.label)))
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

/// Reads a file as if it were the only one of its partition.
///
/// # Errors
/// The error names the file, and the row if it is about one value.
pub(super) fn check_file<S: Sink>(label: &str, body: &Bytes, opener: &Opener, keep: Keep) -> Result<()> {
    let open = || FileRows::open(label, body.clone(), opener);
    let read = |file| -> Result<(), RowsError> {
        let mut rows = PartitionRows::<S>::of_file(file, opener.layout(), keep)?;
        while rows.next_chunk(opener.layout())?.is_some() {}
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
    /// All rows of a single file, until they are returned.
    SingleFile(Option<S::Chunk>),
    Merged {
        rows: Merge,
        /// The files that the rows come from, for errors about a value: a merged row does not know its own.
        files: String,
    },
}

impl<S: Sink> PartitionRows<S> {
    /// Decodes the single file of a partition.
    ///
    /// It is passed to the sink while it is decoded, if it is marked as sorted. If its rows turn out to be out of order, it is
    /// decoded again and sorted.
    pub(super) fn of_file(mut file: FileRows, layout: &ReadLayout, keep: Keep) -> Result<Self, RowsError> {
        let name = file.label.clone();
        if file.reader.plan().is_marked_sorted(layout) {
            // How many rows a filter keeps is not known.
            let rows = if layout.filter.is_empty() { file.reader.plan().rows() } else { 0 };
            // Errors about the file's bytes name it already, errors about a value do not.
            let named = |error: Error| match error.to_string().contains(&name) {
                true => RowsError::Named(error),
                false => RowsError::OfValue(error.context(&name)),
            };
            if let Some(chunk) = S::chunk_of_sorted_file(&mut file, rows, layout, keep).map_err(named)? {
                return Ok(Self::SingleFile(Some(chunk)));
            }
            file.reader.restart();
        }
        Ok(Self::merged(merge(layout, vec![file], keep)?, name))
    }

    /// `files` names the files in errors.
    pub(super) fn merged(rows: Merge, files: String) -> Self {
        Self::Merged { rows, files }
    }

    /// Returns the next rows, or `None` at the end.
    pub(super) fn next_chunk(&mut self, layout: &ReadLayout) -> Result<Option<S::Chunk>, RowsError> {
        match self {
            Self::SingleFile(chunk) => Ok(chunk.take()),
            Self::Merged { rows, files } => {
                let of_value = |error: Error| RowsError::OfValue(error.context(&*files));
                let Some(batch) = rows.next().transpose()? else { return Ok(None) };
                S::chunk_of_batch(layout, batch).map(Some).map_err(of_value)
            }
        }
    }
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
    let mut rows = PartitionRows::<S>::of_file(file, opener.layout(), keep)?;
    let mut chunks = Vec::new();
    while let Some(chunk) = rows.next_chunk(opener.layout())? {
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
    use crate::record::{ColumnNode, Description, Key, Role, Shape};

    fn layout() -> ReadLayout {
        let column = |name| ColumnNode {
            name,
            aliases: &[],
            shape: Shape::Leaf(DataType::Int64),
            nullable: false,
            default: None,
            role: Role::Value,
            bare_list: false,
            dictionary: true,
            values: Vec::new(),
        };
        let (columns, key) = (vec![column("entity"), column("version")], Some(Key { entity: vec![0], version: 1 }));
        let description = Description {
            record: "Row",
            columns,
            partition: &[],
            rendering: &[],
            key,
            inserted_at: None,
            deleted: None,
        };
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

    /// Reads the entities of a file that is marked as sorted. Also returns whether they came as one chunk while the file
    /// was decoded, instead of from a merge.
    fn entities(written: &[i64]) -> (bool, Vec<i64>) {
        let column = || Arc::new(Int64Array::from(written.to_vec())) as ArrayRef;
        let batch = RecordBatch::try_from_iter([("entity", column()), ("version", column())]).unwrap();
        let sorting = |column_idx| SortingColumn { column_idx, descending: false, nulls_first: false };
        let properties = WriterProperties::builder().set_sorting_columns(Some(vec![sorting(0), sorting(1)])).build();
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();

        let opener = Opener::new(layout());
        let file = FileRows::open("file", writer.into_inner().unwrap().into(), &opener).unwrap();
        let mut rows = PartitionRows::<Entities>::of_file(file, opener.layout(), Keep::Latest).unwrap();
        let (single, mut all) = (matches!(rows, PartitionRows::SingleFile(_)), Vec::new());
        while let Some(chunk) = rows.next_chunk(opener.layout()).unwrap() {
            all.extend(chunk);
        }
        (single, all)
    }

    #[test]
    fn a_single_file_is_streamed_only_if_it_is_in_order_to_its_end() {
        let ordered: Vec<i64> = (0..20_000).collect();
        assert_eq!(entities(&ordered), (true, ordered.clone()));
        let mut wrongly_marked = ordered.clone();
        wrongly_marked.swap(0, 19_999);
        assert_eq!(entities(&wrongly_marked), (false, ordered));
    }
}
