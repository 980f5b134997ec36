//! The actions of a Delta log, and their lines of JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The writer feature that no other program knows, so that none vacuums, optimises or appends.
pub(crate) const FENCE: &str = "s3store";

/// An action of a version. Actions that a publisher never writes, such as `remove`, are not among them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Action {
    Protocol(Protocol),
    MetaData(MetaData),
    Add(Add),
    Txn(Txn),
    DomainMetadata(DomainMetadata),
    CommitInfo(CommitInfo),
}

/// What a program must know to read the table, and to write to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Protocol {
    pub(crate) min_reader_version: u32,
    pub(crate) min_writer_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reader_features: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) writer_features: Option<Vec<String>>,
}

/// The table's id, schema and properties.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MetaData {
    pub(crate) id: String,
    pub(crate) format: Format,
    /// The schema as JSON.
    pub(crate) schema_string: String,
    pub(crate) partition_columns: Vec<String>,
    pub(crate) configuration: BTreeMap<String, String>,
    /// Milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) created_time: Option<i64>,
}

/// The format of the files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Format {
    pub(crate) provider: String,
    #[serde(default)]
    pub(crate) options: BTreeMap<String, String>,
}

/// A file of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Add {
    /// The encoded path, relative to the table.
    pub(crate) path: String,
    pub(crate) partition_values: BTreeMap<String, Option<String>>,
    pub(crate) size: u64,
    /// Milliseconds since 1970.
    pub(crate) modification_time: i64,
    pub(crate) data_change: bool,
    /// The statistics as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stats: Option<String>,
}

/// The progress of an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Txn {
    pub(crate) app_id: String,
    pub(crate) version: i64,
}

/// A text that the log keeps for a domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DomainMetadata {
    pub(crate) domain: String,
    pub(crate) configuration: String,
    pub(crate) removed: bool,
}

/// Who wrote a version. Checkpoints do not keep it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CommitInfo {
    pub(crate) timestamp: i64,
    pub(crate) operation: String,
    /// The UUID that tells after an ambiguous answer whose version it is.
    pub(crate) txn_id: String,
}

impl Protocol {
    /// Returns the protocol of a published table. Only a column of times without a zone needs a reader feature.
    pub(crate) fn fenced(has_local_times: bool) -> Self {
        let local_times = has_local_times.then(|| "timestampNtz".to_owned());
        let writer = ["appendOnly", "domainMetadata", FENCE].map(str::to_owned);
        Self {
            min_reader_version: if has_local_times { 3 } else { 1 },
            min_writer_version: 7,
            reader_features: local_times.clone().map(|feature| vec![feature]),
            writer_features: Some(writer.into_iter().chain(local_times).collect()),
        }
    }

    /// Returns whether the table has no features but those of [`fenced`](Self::fenced).
    pub(crate) fn is_known(&self) -> bool {
        let most = Self::fenced(true);
        let within = |features: &Option<Vec<String>>, most: &Option<Vec<String>>| {
            features.iter().flatten().all(|feature| most.iter().flatten().any(|known| known == feature))
        };
        within(&self.reader_features, &most.reader_features) && within(&self.writer_features, &most.writer_features)
    }

    /// Returns whether only a publisher may write to the table.
    pub(crate) fn is_fenced(&self) -> bool {
        self.min_writer_version >= 7 && self.writer_features.iter().flatten().any(|feature| feature == FENCE)
    }
}

/// Returns the body of a version: one action in each line.
pub(crate) fn render(actions: &[Action]) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    for action in actions {
        serde_json::to_writer(&mut body, action).map_err(Error::internal)?;
        body.push(b'\n');
    }
    Ok(body)
}

/// Parses the body of a version.
///
/// # Errors
/// `InvalidData` with the number of the line, if it is not an action that a publisher writes. A file that another program
/// has removed must not be taken for one that is there.
pub(crate) fn parse(body: &[u8]) -> Result<Vec<Action>> {
    let lines = body.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.trim_ascii().is_empty());
    lines
        .map(|(at, line)| {
            serde_json::from_slice(line).map_err(|error| {
                Error::invalid_data(format!("line {} is not an action of a publisher: {error}", at.saturating_add(1)))
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_parsed_as_rendered() {
        let path = "data/day=1/a.parquet".to_owned();
        let actions = [
            Action::Protocol(Protocol::fenced(true)),
            Action::MetaData(MetaData {
                id: "id".to_owned(),
                format: Format { provider: "parquet".to_owned(), options: BTreeMap::new() },
                schema_string: "{}".to_owned(),
                partition_columns: Vec::new(),
                configuration: BTreeMap::from([("delta.appendOnly".to_owned(), "true".to_owned())]),
                created_time: Some(7),
            }),
            Action::Add(Add {
                path,
                partition_values: BTreeMap::new(),
                size: 3,
                modification_time: 5,
                data_change: true,
                stats: None,
            }),
            Action::Txn(Txn { app_id: FENCE.to_owned(), version: 9 }),
            Action::DomainMetadata(DomainMetadata {
                domain: FENCE.to_owned(),
                configuration: "{}".to_owned(),
                removed: false,
            }),
            Action::CommitInfo(CommitInfo { timestamp: 1, operation: "WRITE".to_owned(), txn_id: "u".to_owned() }),
        ];
        let body = render(&actions).unwrap();
        assert_eq!(parse(&body).unwrap(), actions);
        let text = String::from_utf8(body).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[2],
            r#"{"add":{"path":"data/day=1/a.parquet","partitionValues":{},"size":3,"modificationTime":5,"dataChange":true}}"#
        );
        assert_eq!(lines[3], r#"{"txn":{"appId":"s3store","version":9}}"#);
    }

    #[test]
    fn protocols_are_fenced() {
        let plain = serde_json::to_string(&Protocol::fenced(false)).unwrap();
        let features = r#""writerFeatures":["appendOnly","domainMetadata","s3store"]"#;
        assert_eq!(plain, format!(r#"{{"minReaderVersion":1,"minWriterVersion":7,{features}}}"#));
        let local = Protocol::fenced(true);
        assert_eq!((local.min_reader_version, local.is_fenced()), (3, true));
        assert_eq!(local.reader_features.unwrap(), ["timestampNtz"]);
        let foreign: Protocol = serde_json::from_str(r#"{"minReaderVersion":1,"minWriterVersion":2}"#).unwrap();
        assert!(!foreign.is_fenced());
        let mut newer = Protocol::fenced(false);
        assert!(newer.is_known());
        newer.writer_features.iter_mut().for_each(|features| features.push("deletionVectors".to_owned()));
        assert!(!newer.is_known());
    }

    #[test]
    fn actions_of_other_programs_are_refused() {
        let body = b"{\"txn\":{\"appId\":\"a\",\"version\":1}}\n\n{\"remove\":{\"path\":\"a\"}}\n";
        let error = parse(body).unwrap_err().to_string();
        assert!(error.contains("line 3 is not an action of a publisher"), "{error}");
    }
}
