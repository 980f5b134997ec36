//! The Parquet files of a checkpoint: one row for each action.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_json::reader::{Decoder, ReaderBuilder};
use arrow_json::writer::LineDelimitedWriter;
use arrow_schema::{ArrowError, DataType, Field, Fields, Schema, SchemaRef};
use arrow_select::filter::filter_record_batch;
use bytes::Bytes;

use super::action::{self, Action};
use crate::codec::{PlainReader, PlainWriter};
use crate::error::{Error, Result};

/// The columns that a publisher reads of a checkpoint. One with a removed file has rows that no publisher writes.
const COLUMNS: [&str; 6] = ["protocol", "metaData", "add", "txn", "domainMetadata", "remove.path"];

/// Rows of JSON that are turned into a batch at once.
const ROWS: usize = 8_192;

/// The columns of a checkpoint, as the protocol of Delta tables names them.
static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let features = |name: &str| list(name);
    let protocol = vec![
        field("minReaderVersion", DataType::Int32),
        field("minWriterVersion", DataType::Int32),
        features("readerFeatures"),
        features("writerFeatures"),
    ];
    let format = vec![field("provider", DataType::Utf8), map("options")];
    let metadata = vec![
        field("id", DataType::Utf8),
        field("name", DataType::Utf8),
        field("description", DataType::Utf8),
        field("format", structure(format)),
        field("schemaString", DataType::Utf8),
        list("partitionColumns"),
        map("configuration"),
        field("createdTime", DataType::Int64),
    ];
    let add = vec![
        field("path", DataType::Utf8),
        map("partitionValues"),
        field("size", DataType::Int64),
        field("modificationTime", DataType::Int64),
        field("dataChange", DataType::Boolean),
        field("stats", DataType::Utf8),
    ];
    let remove = vec![
        field("path", DataType::Utf8),
        field("deletionTimestamp", DataType::Int64),
        field("dataChange", DataType::Boolean),
    ];
    let txn = vec![field("appId", DataType::Utf8), field("version", DataType::Int64)];
    let domain = vec![
        field("domain", DataType::Utf8),
        field("configuration", DataType::Utf8),
        field("removed", DataType::Boolean),
    ];
    let columns = [
        ("protocol", protocol),
        ("metaData", metadata),
        ("add", add),
        ("remove", remove),
        ("txn", txn),
        ("domainMetadata", domain),
    ];
    Arc::new(Schema::new(columns.map(|(name, fields)| field(name, structure(fields))).to_vec()))
});

fn field(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, true)
}

fn structure(fields: Vec<Field>) -> DataType {
    DataType::Struct(Fields::from(fields))
}

fn list(name: &str) -> Field {
    field(name, DataType::List(Arc::new(field("element", DataType::Utf8))))
}

fn map(name: &str) -> Field {
    let entries = structure(vec![Field::new("key", DataType::Utf8, false), field("value", DataType::Utf8)]);
    field(name, DataType::Map(Arc::new(Field::new("key_value", entries, false)), false))
}

/// A file of a checkpoint that is being written.
pub(crate) struct CheckpointWriter {
    rows: Decoder,
    file: PlainWriter,
}

impl CheckpointWriter {
    pub(crate) fn new() -> Result<Self> {
        let schema = Arc::clone(&SCHEMA);
        let rows = ReaderBuilder::new(Arc::clone(&schema)).with_batch_size(ROWS).build_decoder();
        Ok(Self { rows: rows.map_err(Error::internal)?, file: PlainWriter::new(schema)? })
    }

    /// Adds a row for each action.
    pub(crate) fn write(&mut self, actions: &[Action]) -> Result<()> {
        for actions in actions.chunks(ROWS) {
            self.rows.serialize(actions).map_err(Error::internal)?;
            if let Some(batch) = self.rows.flush().map_err(Error::internal)? {
                self.file.write(&batch)?;
            }
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<Bytes> {
        self.file.finish()
    }
}

/// The actions of a file of a checkpoint, some thousand at a time.
pub(crate) struct CheckpointReader(PlainReader);

impl CheckpointReader {
    pub(crate) fn open(file: Bytes) -> Result<Self> {
        PlainReader::open(file, &COLUMNS).map(Self)
    }

    /// Returns the next actions, or `None` after the last ones.
    ///
    /// # Errors
    /// `InvalidData` if a row is not an action that a publisher writes.
    pub(crate) fn next(&mut self) -> Result<Option<Vec<Action>>> {
        self.0.next()?.map(|batch| actions(&batch)).transpose()
    }
}

/// Returns the paths of the files in a part of a checkpoint, and its other actions. It takes less time than to read all actions.
pub(crate) fn paths(file: Bytes) -> Result<(HashSet<String>, Vec<Action>)> {
    let columns = COLUMNS.map(|name| if name == "add" { "add.path" } else { name });
    let mut reader = PlainReader::open(file, &columns)?;
    let (mut paths, mut others) = (HashSet::new(), Vec::new());
    while let Some(mut batch) = reader.next()? {
        if let Ok(at) = batch.schema().index_of("add") {
            let adds = batch.remove_column(at);
            let is_other = arrow_array::BooleanArray::from_iter((0..adds.len()).map(|row| Some(adds.is_null(row))));
            batch = filter_record_batch(&batch, &is_other).map_err(unreadable)?;
            paths.extend(paths_of(&adds)?);
        }
        others.extend(actions(&batch)?);
    }
    Ok((paths, others))
}

fn paths_of(adds: &ArrayRef) -> Result<Vec<String>> {
    let paths = adds.as_struct_opt().and_then(|adds| adds.column_by_name("path"));
    let paths = paths.ok_or_else(|| Error::invalid_data("the checkpoint has no paths"))?;
    let paths = arrow_cast::cast(paths, &DataType::Utf8).map_err(unreadable)?;
    let texts = paths.as_string_opt::<i32>().ok_or_else(|| Error::invalid_data("the checkpoint has no paths"))?;
    let rows = (0..adds.len()).filter(|row| adds.is_valid(*row));
    rows.map(|row| match texts.is_valid(row) {
        true => Ok(texts.value(row).to_owned()),
        false => Err(Error::invalid_data("a file in the checkpoint has no path")),
    })
    .collect()
}

fn actions(batch: &RecordBatch) -> Result<Vec<Action>> {
    let mut lines = LineDelimitedWriter::new(Vec::new());
    lines.write(batch).and_then(|()| lines.finish()).map_err(unreadable)?;
    action::parse(&lines.into_inner())
}

fn unreadable(error: ArrowError) -> Error {
    Error::invalid_data("the checkpoint is not readable").with_source(error)
}

#[cfg(test)]
mod tests {
    use super::super::action::{Add, DomainMetadata, FENCE, Format, MetaData, Protocol, Txn};
    use super::*;

    fn add(number: usize) -> Action {
        Action::Add(Add {
            path: format!("data/day={number}/ü.parquet"),
            partition_values: Default::default(),
            size: 1 << 40,
            modification_time: -5,
            data_change: false,
            stats: number.is_multiple_of(2).then(|| format!("{{\"numRecords\":{number}}}")),
        })
    }

    fn all(files: usize) -> Vec<Action> {
        let mut actions = vec![
            Action::Protocol(Protocol::fenced(true)),
            Action::MetaData(MetaData {
                id: "id".to_owned(),
                format: Format { provider: "parquet".to_owned(), options: Default::default() },
                schema_string: "{\"type\":\"struct\"}".to_owned(),
                partition_columns: Vec::new(),
                configuration: [("delta.appendOnly".to_owned(), "true".to_owned())].into(),
                created_time: Some(7),
            }),
            Action::Txn(Txn { app_id: FENCE.to_owned(), version: i64::MAX }),
            Action::DomainMetadata(DomainMetadata {
                domain: FENCE.to_owned(),
                configuration: "{}".to_owned(),
                removed: false,
            }),
        ];
        actions.extend((0..files).map(add));
        actions
    }

    #[test]
    fn actions_are_read_as_written() {
        let actions = all(20_000);
        let mut writer = CheckpointWriter::new().unwrap();
        writer.write(&actions[..3]).unwrap();
        writer.write(&[]).unwrap();
        writer.write(&actions[3..]).unwrap();
        let file = writer.finish().unwrap();
        let mut reader = CheckpointReader::open(file.clone()).unwrap();
        let mut read = Vec::new();
        while let Some(some) = reader.next().unwrap() {
            read.extend(some);
        }
        assert!(read == actions);
        let (paths, others) = paths(file).unwrap();
        assert_eq!(others, actions[..4]);
        let is_there = |action: &Action| matches!(action, Action::Add(add) if paths.contains(&add.path));
        assert!(paths.len() == 20_000 && actions[4..].iter().all(is_there));
    }

    #[test]
    fn a_removed_file_is_an_error() {
        let mut decoder = ReaderBuilder::new(Arc::clone(&SCHEMA)).build_decoder().unwrap();
        decoder.decode(br#"{"remove":{"path":"data/a.parquet","dataChange":true}}"#).unwrap();
        let mut writer = PlainWriter::new(Arc::clone(&SCHEMA)).unwrap();
        writer.write(&decoder.flush().unwrap().unwrap()).unwrap();
        let file = writer.finish().unwrap();
        assert!(paths(file.clone()).unwrap_err().to_string().contains("not an action of a publisher"));
        assert!(CheckpointReader::open(file).unwrap().next().is_err());
        assert!(paths(Bytes::from_static(b"PAR1")).is_err());
    }
}
