//! Batches of rows that borrow.

use std::fmt;

use arrow_array::RecordBatch;

use crate::record::{Indexed, Iter, Reachable, RowStruct, ValueError};

/// A row of [`Rows<T>`](Rows), or of a nested struct `T` in it: a struct with the fields of `T` in borrowed form. It is `Copy`.
///
/// The derive of `T` generates the struct. Its fields have the names and the visibility of the record's. Fields marked
/// `skip` are left out.
///
/// | field of the record | field of the row |
/// |---|---|
/// | `String`, `Box<str>`, `Arc<str>`, `Cow<'static, str>` | `&str` |
/// | `Vec<u8>`, `Bytes` | `&[u8]` |
/// | `[u8; N]` | `&[u8; N]` |
/// | numbers, `bool`, dates and times, `Decimal`, `Uuid` | the value |
/// | `Vec` of one of these values, or of numbers | a slice, `&[i64]` |
/// | any other `Vec` | a [`List`](crate::column::List) |
/// | `HashMap<String, V>`, `BTreeMap<String, V>` | a [`Map`](crate::column::Map) |
/// | a nested struct `S` | its row, `Row<'_, S>` |
/// | `Option<V>` | an `Option` of the form of `V` |
/// | anything else: an enum, a newtype, a type with a conversion | a reference, `&Currency`, to a value that was decoded with the batch |
///
/// The row implements `Debug`, and prints as the record does. A field whose type has no `Debug` prints as `_`.
///
/// # Example
/// ```
/// use s3store::Record;
/// use s3store::read::Row;
///
/// #[derive(Record)]
/// #[record(partition_by(day))]
/// struct Sale {
///     day: String,
///     sku: Option<String>,
///     prices: Vec<i64>,
/// }
///
/// fn total(sale: Row<'_, Sale>) -> i64 {
///     if sale.sku == Some("SKU-1") { sale.prices.iter().sum() } else { 0 }
/// }
/// ```
pub type Row<'a, T> = <T as RowStruct>::Row<'a>;

/// A batch of records whose rows borrow from it, returned by [`Read::rows`](super::Read::rows).
///
/// A batch owns its values and borrows nothing. It is `Send`, and `Sync` if the fields of `T` are. All of its rows are in one
/// partition. Its values were checked when it was made, so rows have no errors. It is never empty.
///
/// # Example
/// ```
/// # #[derive(s3store::Record)]
/// # #[record(partition_by(period))]
/// # struct Cost { period: String, sku: String, amount: i64 }
/// # async fn example(store: s3store::Store<Cost>) -> s3store::Result<()> {
/// let mut batches = store.read("period=2026-03-*").rows();
/// while let Some(batch) = batches.try_next().await? {
///     for row in &batch {
///         println!("{} {}", row.sku, row.amount);
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct Rows<T: RowStruct> {
    columns: T::Held,
    len: usize,
}

impl<T: RowStruct> Rows<T> {
    /// Takes the columns of a batch and checks their values.
    pub(crate) fn of(batch: &RecordBatch) -> Result<Self, ValueError> {
        Ok(Self { columns: T::hold(batch.columns(), &Reachable::all())?, len: batch.num_rows() })
    }

    /// Returns at most `rows` rows.
    pub(crate) fn first(self, rows: usize) -> Self {
        Self { len: self.len.min(rows), ..self }
    }

    /// Returns the number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns `true` if there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns a row, counted from 0.
    #[must_use]
    #[inline]
    pub fn get(&self, index: usize) -> Option<Row<'_, T>> {
        if index < self.len { T::row(&self.columns, index) } else { None }
    }

    /// Iterates over the rows, in the order of the read.
    #[must_use]
    pub fn iter(&self) -> Iter<&Self> {
        Iter::new(self, self.len)
    }
}

impl<'a, T: RowStruct> Indexed for &'a Rows<T> {
    type Item = Row<'a, T>;

    #[inline]
    fn at(&self, index: usize) -> Option<Row<'a, T>> {
        self.get(index)
    }
}

impl<'a, T: RowStruct> IntoIterator for &'a Rows<T> {
    type Item = Row<'a, T>;
    type IntoIter = Iter<Self>;

    fn into_iter(self) -> Iter<Self> {
        self.iter()
    }
}

impl<T: RowStruct> fmt::Debug for Rows<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let record = std::any::type_name::<T>();
        f.debug_struct("Rows").field("record", &record).field("len", &self.len).finish_non_exhaustive()
    }
}
