//! Checks of a footer's bytes before the Parquet library parses them.
//!
//! After these checks, what the parser allocates is proportional to the footer's length.

use parquet::errors::{ParquetError, Result};

use super::thrift::{Element, Event, Kind, Scanner, Shape, malformed};

/// The deepest schema that is read. A list or a map takes two levels. The library recurses once a level.
const MOST_LEVELS: usize = 64;

/// How many times the footer's length the paths of all leaf columns may take, with [`PATHS_ALLOWED`].
const PATHS_PER_BYTE: usize = 16;

const PATHS_ALLOWED: usize = 64 << 10;

/// The end of a message about encryption.
pub(super) const NOT_ENCRYPTED: &str = "and encrypted files are not supported; write the file without encryption";

/// The last bytes of a file: the footer's length, and the magic number.
const TAIL: usize = 8;

static FILE: Shape = Shape {
    name: "FileMetaData",
    fields: &[
        (1, Kind::Int),
        (2, Kind::List(&Element { kind: Kind::Struct(&SCHEMA_ELEMENT), least: 4 })),
        (3, Kind::Int),
        (4, Kind::List(&Element { kind: Kind::Struct(&ROW_GROUP), least: 7 })),
        (5, Kind::List(&Element { kind: Kind::Struct(&KEY_VALUE), least: 3 })),
        (6, Kind::Binary),
        (7, Kind::List(&Element { kind: Kind::Struct(&COLUMN_ORDER), least: 3 })),
    ],
};

static SCHEMA_ELEMENT: Shape = Shape {
    name: "SchemaElement",
    fields: &[
        (1, Kind::Int),
        (2, Kind::Int),
        (3, Kind::Int),
        (4, Kind::Binary),
        (5, Kind::Int),
        (6, Kind::Int),
        (7, Kind::Int),
        (8, Kind::Int),
        (9, Kind::Int),
        (10, Kind::Struct(&LOGICAL_TYPE)),
    ],
};

static LOGICAL_TYPE: Shape = Shape {
    name: "LogicalType",
    fields: &[
        (1, Kind::Empty),
        (2, Kind::Empty),
        (3, Kind::Empty),
        (4, Kind::Empty),
        (5, Kind::Struct(&Shape { name: "DecimalType", fields: &[(1, Kind::Int), (2, Kind::Int)] })),
        (6, Kind::Empty),
        (7, Kind::Struct(&TIME_TYPE)),
        (8, Kind::Struct(&TIME_TYPE)),
        (10, Kind::Struct(&Shape { name: "IntType", fields: &[(1, Kind::Byte), (2, Kind::Bool)] })),
        (11, Kind::Empty),
        (12, Kind::Empty),
        (13, Kind::Empty),
        (14, Kind::Empty),
        (15, Kind::Empty),
        (16, Kind::Struct(&Shape { name: "VariantType", fields: &[(1, Kind::Byte)] })),
        (17, Kind::Struct(&Shape { name: "GeometryType", fields: &[(1, Kind::Binary)] })),
        (18, Kind::Struct(&Shape { name: "GeographyType", fields: &[(1, Kind::Binary), (2, Kind::Int)] })),
    ],
};

static TIME_TYPE: Shape = Shape {
    name: "TimeType",
    fields: &[
        (1, Kind::Bool),
        (2, Kind::Struct(&Shape { name: "TimeUnit", fields: &[(1, Kind::Empty), (2, Kind::Empty), (3, Kind::Empty)] })),
    ],
};

static ROW_GROUP: Shape = Shape {
    name: "RowGroup",
    fields: &[
        (1, Kind::List(&Element { kind: Kind::Struct(&COLUMN_CHUNK), least: 3 })),
        (2, Kind::Int),
        (3, Kind::Int),
        (4, Kind::List(&Element { kind: Kind::Struct(&SORTING_COLUMN), least: 4 })),
        (5, Kind::Int),
        (7, Kind::Int),
    ],
};

static SORTING_COLUMN: Shape =
    Shape { name: "SortingColumn", fields: &[(1, Kind::Int), (2, Kind::Bool), (3, Kind::Bool)] };

static COLUMN_CHUNK: Shape = Shape {
    name: "ColumnChunk",
    fields: &[
        (1, Kind::Binary),
        (2, Kind::Int),
        (3, Kind::Struct(&COLUMN_METADATA)),
        (4, Kind::Int),
        (5, Kind::Int),
        (6, Kind::Int),
        (7, Kind::Int),
        (8, Kind::Skipped),
        (9, Kind::Skipped),
    ],
};

static COLUMN_METADATA: Shape = Shape {
    name: "ColumnMetaData",
    fields: &[
        (1, Kind::Int),
        (2, Kind::List(&Element { kind: Kind::Int, least: 1 })),
        (3, Kind::List(&Element { kind: Kind::Binary, least: 1 })),
        (4, Kind::Int),
        (5, Kind::Int),
        (6, Kind::Int),
        (7, Kind::Int),
        (9, Kind::Int),
        (10, Kind::Int),
        (11, Kind::Int),
        (14, Kind::Int),
        (15, Kind::Int),
        (17, Kind::Struct(&GEOSPATIAL)),
    ],
};

static GEOSPATIAL: Shape = Shape {
    name: "GeospatialStatistics",
    fields: &[(1, Kind::Struct(&BOUNDING_BOX)), (2, Kind::List(&Element { kind: Kind::Int, least: 1 }))],
};

static BOUNDING_BOX: Shape = Shape {
    name: "BoundingBox",
    fields: &[
        (1, Kind::Double),
        (2, Kind::Double),
        (3, Kind::Double),
        (4, Kind::Double),
        (5, Kind::Double),
        (6, Kind::Double),
        (7, Kind::Double),
        (8, Kind::Double),
    ],
};

static KEY_VALUE: Shape = Shape { name: "KeyValue", fields: &[(1, Kind::Binary), (2, Kind::Binary)] };

static COLUMN_ORDER: Shape = Shape { name: "ColumnOrder", fields: &[(1, Kind::Empty)] };

/// Checks the footer at the end of `file_end`, the last bytes of a file. Does nothing if it is not complete, because the
/// library finds that. Returns the paths of the encrypted columns.
///
/// # Errors
/// If the footer is encrypted, or if parsing it could take more memory or stack than its length justifies.
pub(super) fn check_file_end(file_end: &[u8]) -> Result<Vec<String>> {
    let Some((before, tail)) = file_end.split_last_chunk::<TAIL>() else {
        return Ok(Vec::new());
    };
    let [a, b, c, d, magic @ ..] = *tail;
    if magic == *b"PARE" {
        return Err(malformed(format_args!("the footer is encrypted, {NOT_ENCRYPTED}")));
    }
    let length = usize::try_from(u32::from_le_bytes([a, b, c, d]))?;
    match before.len().checked_sub(length).and_then(|start| before.get(start..)) {
        Some(footer) if magic == *b"PAR1" => check_footer(footer),
        _ => Ok(Vec::new()),
    }
}

/// One element of a schema, as far as its place in the tree matters.
#[derive(Debug, Default)]
struct Node {
    name: usize,
    children: usize,
}

fn check_footer(footer: &[u8]) -> Result<Vec<String>> {
    let mut encrypted = Vec::new();
    let mut lists = Vec::new();
    let (mut nodes, mut node) = (Vec::new(), Node::default());
    let mut chunk = Chunk::default();
    Scanner::new(footer).scan(&FILE, &mut |shape, id, found| {
        match (shape, id, found) {
            ("FileMetaData", id, Event::List) if lists.contains(&id) => {
                return Err(malformed(format_args!("the footer has the list {id} twice")));
            }
            ("FileMetaData", id, Event::List) => lists.push(id),
            ("SchemaElement", 4, Event::Binary(name)) => node.name = name.len(),
            ("SchemaElement", 5, Event::Int(children)) => node.children = usize::try_from(children)?,
            ("SchemaElement", _, Event::End) => nodes.push(std::mem::take(&mut node)),
            ("ColumnMetaData", 3, Event::Binary(part)) => chunk.path.push(part),
            ("ColumnMetaData", 2, Event::Int(encoding)) => chunk.encodings.push(encoding),
            ("ColumnMetaData", 4, Event::Int(codec)) => chunk.codec = codec,
            ("ColumnMetaData", 1, Event::Int(_)) => chunk.has_type = true,
            ("ColumnChunk", 8, _) => chunk.encrypted = true,
            ("ColumnChunk", _, Event::End) => encrypted.extend(std::mem::take(&mut chunk).check()?),
            _ => {}
        }
        Ok(())
    })?;
    check_tree(&nodes, footer.len())?;
    Ok(encrypted)
}

/// Parts of a column chunk's metadata that the library refuses without the column's name.
#[derive(Debug, Default)]
struct Chunk<'a> {
    path: Vec<&'a [u8]>,
    encodings: Vec<i64>,
    codec: i64,
    has_type: bool,
    encrypted: bool,
}

impl Chunk<'_> {
    /// Returns the column's path if it is encrypted.
    fn check(&self) -> Result<Option<String>> {
        if self.encrypted && !self.has_type {
            return Err(malformed(format_args!("a column with its metadata is encrypted, {NOT_ENCRYPTED}")));
        }
        if !(0..=7).contains(&self.codec) {
            return Err(malformed(format_args!("column {}: unknown compression codec {}", self.name(), self.codec)));
        }
        if let Some(unknown) = self.encodings.iter().find(|encoding| !matches!(encoding, 0 | 2..=9)) {
            return Err(malformed(format_args!("column {}: unknown encoding {unknown}", self.name())));
        }
        Ok(self.encrypted.then(|| self.name()))
    }

    fn name(&self) -> String {
        let parts: Vec<_> = self.path.iter().map(|part| String::from_utf8_lossy(part)).collect();
        parts.join(".")
    }
}

/// Checks that the elements of a schema form one tree, in depth-first order, that is not too deep.
fn check_tree(nodes: &[Node], footer: usize) -> Result<()> {
    // The groups that are open: how many children of each are still to come, and the length of its path.
    let mut open: Vec<(usize, usize)> = Vec::new();
    let mut paths = 0usize;
    for (index, node) in nodes.iter().enumerate() {
        while open.last().is_some_and(|&(children, _)| children == 0) {
            open.pop();
        }
        if open.len() > MOST_LEVELS {
            return Err(malformed(format_args!("the schema is nested more than {MOST_LEVELS} deep")));
        }
        let path = match open.last_mut() {
            Some((children, path)) => {
                *children -= 1;
                path.saturating_add(node.name).saturating_add(1)
            }
            None if index == 0 => 0,
            None => return Err(malformed(format_args!("the schema has elements that belong to no group"))),
        };
        if node.children > nodes.len() - index {
            return Err(malformed(format_args!("a group of the schema has more children than there are elements")));
        }
        match node.children {
            0 => paths = paths.saturating_add(path),
            children => open.push((children, path)),
        }
    }
    let most = PATHS_ALLOWED.saturating_add(footer.saturating_mul(PATHS_PER_BYTE));
    if paths > most {
        return Err(ParquetError::General(format!("the paths of the columns take {paths} bytes, more than {most}")));
    }
    Ok(())
}
