//! The rows of one partition: its files opened, merged, and passed to the sink.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;

use super::sink::Sink;
use crate::codec::{MemoryReader, Opener};
use crate::error::{Error, ErrorKind, Result};
use crate::merge::{BatchSource, Keep, Merge, merge};
use crate::record::{ReadLayout, RowError};

/// Parses the footers of downloaded files, given by their keys. Returns their readers and the size of their rows when
/// decoded.
pub(super) fn open_files(bodies: Vec<(String, Bytes)>, opener: &Opener) -> Result<(Vec<FileRows>, u64)> {
    let mut size = 0u64;
    let mut files = Vec::with_capacity(bodies.len());
    for (key, body) in bodies {
        let reader = opener.open(body).map_err(|error| error.context(&key))?;
        size = size.saturating_add(reader.plan().uncompressed_size());
        files.push(FileRows { key, reader });
    }
    Ok((files, size))
}

/// The rows of one file. Errors name the file's key.
pub(super) struct FileRows {
    key: String,
    reader: MemoryReader,
}

impl Iterator for FileRows {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.reader.next().map(|batch| batch.map_err(|error| error.context(&self.key)))
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
pub(super) fn check_file<S: Sink>(key: &str, body: &Bytes, opener: &Opener, keep: Keep) -> Result<()> {
    let open = || open_files(vec![(key.to_owned(), body.clone())], opener).map(|(files, _)| files);
    let read = |files| -> Result<(), RowsError> {
        let mut rows = PartitionRows::<S>::new(files, opener.layout(), keep)?;
        while rows.next_chunk(opener.layout())?.is_some() {}
        Ok(())
    };
    match read(open()?) {
        Err(RowsError::OfValue(error)) => {
            // In the order of the file, which counts the rows.
            let mut rows_before = 0;
            for batch in open()?.into_iter().flatten() {
                let batch = batch?;
                if let Some(RowError { row, value }) = S::unfit_row(&batch) {
                    return Err(Error::invalid_data(format!("{key}: row {}, {value}", rows_before + row)));
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
    /// Decodes the files, which are in key order, unless the layout has no key: then they are decoded as chunks are taken.
    ///
    /// The single file of a partition is passed to the sink while it is decoded, if it is marked as sorted. If its rows
    /// turn out to be out of order, it is decoded again and sorted.
    pub(super) fn new(mut files: Vec<FileRows>, layout: &ReadLayout, keep: Keep) -> Result<Self, RowsError> {
        if let [file] = files.as_mut_slice()
            && file.reader.plan().is_marked_sorted(layout)
        {
            let rows = file.reader.plan().rows();
            let name = file.key.clone();
            // Errors about the file's bytes name it already, errors about a value do not.
            let named = |error: Error| match error.to_string().contains(&name) {
                true => RowsError::Named(error),
                false => RowsError::OfValue(error.context(&name)),
            };
            if let Some(chunk) = S::chunk_of_sorted_file(file, rows, layout, keep).map_err(named)? {
                return Ok(Self::SingleFile(Some(chunk)));
            }
            file.reader.restart();
        }
        let names = match files.as_slice() {
            [file] => file.key.clone(),
            [first, .., last] => format!("one of the {} files {} to {}", files.len(), first.key, last.key),
            [] => String::new(),
        };
        Ok(Self::Merged { rows: merge(layout, files, keep)?, files: names })
    }

    /// Returns whether files are still being decoded.
    pub(super) fn is_decoding(&self) -> bool {
        matches!(self, Self::Merged { rows, .. } if rows.is_decoding())
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
        let file = ("file".to_owned(), writer.into_inner().unwrap().into());
        let (files, _) = open_files(vec![file], &opener).unwrap();
        let mut rows = PartitionRows::<Entities>::new(files, opener.layout(), Keep::Latest).unwrap();
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
