//! Digests of records: of their columns, in the order of the file.
//!
//! A digest depends on the names and values of the columns, and on the order of the rows. It does not depend on how the
//! rows are split into batches, on the order of the columns, on the insertion time, or on anything about Parquet. A column
//! in which every row is null does not count, so an optional column can be added without a change.

use std::borrow::Cow;
use std::hash::Hasher as _;
use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::DataType;
use sha2::{Digest as _, Sha256};
use twox_hash::{XxHash3_64, XxHash3_128};

use crate::error::{Error, Result};
use crate::record::{ColumnNode, Description, Shape};

/// A hash function over a stream of bytes.
pub(crate) trait HashFunction: Default + Send + 'static {
    type Hash: AsRef<[u8]>;

    fn update(&mut self, bytes: &[u8]);

    fn finish(self) -> Self::Hash;
}

/// A fast hash, for a comparison that guards against mistakes.
#[derive(Default)]
pub(crate) struct Fast(XxHash3_128);

impl HashFunction for Fast {
    type Hash = [u8; 16];

    fn update(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    fn finish(self) -> [u8; 16] {
        self.0.finish_128().to_be_bytes()
    }
}

/// A hash of which nobody can make two equal ones, for names.
#[derive(Default)]
pub(crate) struct Secure(Sha256);

impl HashFunction for Secure {
    type Hash = [u8; 32];

    fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// Computes the digest of rows that arrive in batches.
pub(crate) struct ContentHasher<H> {
    rows: u64,
    /// The columns in the description's order. `None` for the insertion time.
    columns: Vec<Option<Node<H>>>,
}

impl<H: HashFunction> ContentHasher<H> {
    pub(crate) fn new(description: &Description) -> Self {
        let counts = |index: usize| Some(index) != description.inserted_at;
        let columns = description.columns.iter().enumerate();
        let columns = columns.map(|(index, column)| counts(index).then(|| Node::new(column))).collect();
        Self { rows: 0, columns }
    }

    /// Adds rows, given by all their columns in the write types.
    pub(crate) fn update(&mut self, batch: &[ArrayRef]) -> Result<()> {
        self.rows += batch.first().map_or(0, |column| column.len() as u64);
        self.columns.iter_mut().zip(batch).filter_map(|(node, array)| Some((node.as_mut()?, array))).try_for_each(
            |(node, array)| {
                node.update(array).ok_or_else(|| Error::internal("a column has another type than its node"))
            },
        )
    }

    pub(crate) fn finish(self) -> H::Hash {
        let mut columns: Vec<Node<H>> = self.columns.into_iter().flatten().collect();
        columns.sort_by(|one, other| one.name.cmp(&other.name));
        let mut all = H::default();
        all.update(&self.rows.to_le_bytes());
        for column in columns {
            column.finish(&mut all);
        }
        all.finish()
    }
}

/// Returns a number that is equal for descriptions whose records have comparable digests: with the same columns, and sorted
/// by the same key.
pub(crate) fn columns_of(description: &Description) -> u64 {
    let mut hash = XxHash3_64::new();
    let mut add = |text: String| {
        hash.write(&(text.len() as u64).to_le_bytes());
        hash.write(text.as_bytes());
    };
    let mut columns: Vec<_> = description.columns.iter().enumerate().collect();
    columns.sort_by(|(_, one), (_, other)| one.name.cmp(&other.name));
    for (index, column) in columns {
        if Some(index) != description.inserted_at {
            add(format!("{} {:?} {}", column.name, column.write_type(), column.nullable));
        }
    }
    for column in
        description.key.iter().flat_map(|key| key.columns()).filter_map(|index| description.columns.get(index))
    {
        add(column.name.clone().into_owned());
    }
    hash.finish()
}

/// The hashes of a column, or of a node below one.
struct Node<H> {
    name: Cow<'static, str>,
    rows: u64,
    /// `true` if any value is not null.
    has_values: bool,
    nulls: NullRuns<H>,
    values: Values<H>,
}

/// The hashes of a node's values.
enum Values<H> {
    /// Values of a fixed size.
    Fixed(H),
    /// Text or bytes, and their lengths.
    Bytes {
        lengths: H,
        bytes: H,
    },
    /// The lengths of lists or maps, and their elements.
    List {
        lengths: H,
        element: Box<Node<H>>,
    },
    Struct(Vec<Node<H>>),
}

/// The rows at which values change from not null to null, and back.
struct NullRuns<H> {
    hash: Option<H>,
    is_null: bool,
}

impl<H: HashFunction> Node<H> {
    fn new(column: &ColumnNode) -> Self {
        let values = match &column.shape {
            Shape::Leaf(DataType::Utf8 | DataType::Binary) => {
                Values::Bytes { lengths: H::default(), bytes: H::default() }
            }
            Shape::Leaf(_) | Shape::Uuid => Values::Fixed(H::default()),
            Shape::List(element) => Values::List { lengths: H::default(), element: Box::new(Self::new(element)) },
            Shape::Map(value) => {
                let key = Self::named("key", Values::Bytes { lengths: H::default(), bytes: H::default() });
                let entries = Self::named("key_value", Values::Struct(vec![key, Self::new(value)]));
                Values::List { lengths: H::default(), element: Box::new(entries) }
            }
            Shape::Struct(fields) => Values::Struct(fields.iter().map(Self::new).collect()),
        };
        Self::named(column.name.clone(), values)
    }

    fn named(name: impl Into<Cow<'static, str>>, values: Values<H>) -> Self {
        Self { name: name.into(), rows: 0, has_values: false, nulls: NullRuns { hash: None, is_null: false }, values }
    }

    /// Adds an array. Returns `None` if it is not of the node's type.
    fn update(&mut self, array: &dyn Array) -> Option<()> {
        self.nulls.update(self.rows, array.len(), array.nulls());
        self.rows += array.len() as u64;
        self.has_values |= array.null_count() < array.len();
        match &mut self.values {
            Values::Fixed(hash) => update_fixed(hash, array),
            Values::Bytes { lengths, bytes } => {
                let (offsets, values) = match array.data_type() {
                    DataType::Utf8 => {
                        let array = array.as_string_opt::<i32>()?;
                        (array.offsets(), array.values())
                    }
                    _ => {
                        let array = array.as_binary_opt::<i32>()?;
                        (array.offsets(), array.values())
                    }
                };
                let range = update_lengths(lengths, offsets);
                bytes.update(values.get(range)?);
                Some(())
            }
            Values::List { lengths, element } => match array.data_type() {
                DataType::Map(..) => {
                    let array = array.as_map_opt()?;
                    let range = update_lengths(lengths, array.offsets());
                    element.update(&array.entries().slice(range.start, range.len()))
                }
                _ => {
                    let array = array.as_list_opt::<i32>()?;
                    let range = update_lengths(lengths, array.offsets());
                    element.update(&array.values().slice(range.start, range.len()))
                }
            },
            Values::Struct(fields) => {
                let array = array.as_struct_opt()?;
                let columns = array.columns();
                (fields.len() == columns.len()).then_some(())?;
                fields.iter_mut().zip(columns).try_for_each(|(field, column)| field.update(column))
            }
        }
    }

    /// Adds the node's name and hashes to another hash, unless it has no value.
    fn finish(self, all: &mut H) {
        if !self.has_values {
            return;
        }
        let mut add = |bytes: &[u8]| {
            all.update(&(bytes.len() as u64).to_le_bytes());
            all.update(bytes);
        };
        add(self.name.as_bytes());
        add(self.nulls.hash.map(H::finish).as_ref().map_or(&[], AsRef::as_ref));
        match self.values {
            Values::Fixed(hash) => add(hash.finish().as_ref()),
            Values::Bytes { lengths, bytes } => {
                add(lengths.finish().as_ref());
                add(bytes.finish().as_ref());
            }
            Values::List { lengths, element } => {
                add(lengths.finish().as_ref());
                element.finish(all);
            }
            Values::Struct(mut fields) => {
                fields.sort_by(|one, other| one.name.cmp(&other.name));
                for field in fields {
                    field.finish(all);
                }
                // Marks the end, so that a field is not taken for the struct's neighbour.
                all.update(&u64::MAX.to_le_bytes());
            }
        }
    }
}

impl<H: HashFunction> NullRuns<H> {
    fn update(&mut self, rows_before: u64, length: usize, nulls: Option<&NullBuffer>) {
        let Some(nulls) = nulls.filter(|nulls| nulls.null_count() > 0) else {
            if length > 0 {
                self.become_null(false, rows_before);
            }
            return;
        };
        let mut end = 0;
        for (from, to) in nulls.valid_slices() {
            if from > end {
                self.become_null(true, rows_before + end as u64);
            }
            self.become_null(false, rows_before + from as u64);
            end = to;
        }
        if end < length {
            self.become_null(true, rows_before + end as u64);
        }
    }

    fn become_null(&mut self, is_null: bool, row: u64) {
        if self.is_null != is_null {
            self.is_null = is_null;
            self.hash.get_or_insert_default().update(&row.to_le_bytes());
        }
    }
}

/// Adds values of a fixed size. Booleans are a byte each.
fn update_fixed<H: HashFunction>(hash: &mut H, array: &dyn Array) -> Option<()> {
    if let Some(values) = array.as_boolean_opt() {
        let bytes: Vec<u8> = values.values().iter().map(u8::from).collect();
        hash.update(&bytes);
        return Some(());
    }
    if let Some(values) = array.as_fixed_size_binary_opt() {
        let width = usize::try_from(values.value_length()).ok()?;
        let start = values.offset() * width;
        hash.update(values.value_data().get(start..start + values.len() * width)?);
        return Some(());
    }
    let data = array.to_data();
    let width = data.data_type().primitive_width()?;
    let start = data.offset() * width;
    hash.update(data.buffers().first()?.as_slice().get(start..start + data.len() * width)?);
    Some(())
}

/// Adds the lengths of the values between offsets. Returns the range of the values.
fn update_lengths<H: HashFunction>(hash: &mut H, offsets: &OffsetBuffer<i32>) -> Range<usize> {
    // Offsets never decrease.
    let lengths: Vec<[u8; 4]> = offsets.windows(2).map(|pair| (pair[1] - pair[0]).to_le_bytes()).collect();
    hash.update(lengths.as_flattened());
    let at = |offset: Option<&i32>| offset.and_then(|&offset| usize::try_from(offset).ok()).unwrap_or_default();
    at(offsets.first())..at(offsets.last())
}
