//! Maps with string keys: `BTreeMap<String, V>` and `HashMap<String, V>`.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;
use std::sync::Arc;

use arrow_array::{ArrayRef, MapArray, StructArray};
use arrow_schema::DataType;

use super::list::{ItemRanges, ListSize, OffsetsBuilder};
use super::text::MAX_OFFSET;
use super::{AsList, TextBuilder, TextReader, invalid_array, mismatch};
use crate::record::describe::{entries_field, entry_fields};
use crate::record::{ColumnNode, ColumnType, ElementEncoding, MapRows, Reachable, Shape, Unordered, ValueError};

/// The measure of maps: the bytes of their keys, the number of their entries, and the measure of the values.
#[derive(Debug, Default)]
pub struct MapSize<S> {
    keys: usize,
    values: ListSize<S>,
}

/// Collects maps.
#[derive(Debug)]
pub struct MapBuilder<B> {
    offsets: OffsetsBuilder,
    keys: TextBuilder,
    values: B,
}

/// Reads maps.
#[derive(Debug)]
pub struct MapReader<R> {
    ranges: ItemRanges,
    keys: TextReader,
    values: R,
}

impl<S> MapSize<S> {
    #[inline]
    fn add<'a, V: ColumnType<E, Size = S> + 'a, E>(&mut self, entries: impl Iterator<Item = (&'a String, &'a V)>) {
        for (key, value) in entries {
            self.keys = self.keys.saturating_add(key.len());
            self.values.items = self.values.items.saturating_add(1);
            V::measure(value, &mut self.values.inner);
        }
    }
}

impl<B> MapBuilder<B> {
    fn new<V: ColumnType<E, Builder = B>, E>(rows: usize, size: &MapSize<V::Size>) -> Self {
        let items = size.values.items.min(MAX_OFFSET);
        Self {
            offsets: OffsetsBuilder::new(rows),
            keys: TextBuilder::new(items, size.keys),
            values: V::builder(items, &size.values.inner),
        }
    }

    #[inline]
    fn push<'a, V: ColumnType<E, Builder = B> + 'a, E>(
        &mut self,
        entries: impl ExactSizeIterator<Item = (&'a String, &'a V)>,
    ) -> Result<(), ValueError> {
        self.offsets.push(entries.len())?;
        for (key, value) in entries {
            self.keys.push(key).map_err(|error| error.in_column("key"))?;
            V::push(value, &mut self.values).map_err(|error| error.in_column("value"))?;
        }
        Ok(())
    }

    fn finish<V: ColumnType<E, Builder = B>, E>(self) -> Result<ArrayRef, ValueError> {
        let (offsets, nulls) = self.offsets.finish();
        let values = V::finish(self.values)?;
        let fields = entry_fields(DataType::Utf8, value_node::<V, E>().write_field());
        let entries =
            StructArray::try_new(fields.clone(), vec![self.keys.finish(), values], None).map_err(invalid_array)?;
        let map = MapArray::try_new(entries_field(fields), offsets, entries, nulls, false).map_err(invalid_array)?;
        Ok(Arc::new(map))
    }
}

impl<R> MapReader<R> {
    fn new<V: ColumnType<E, Reader = R>, E>(array: &ArrayRef) -> Result<Self, ValueError> {
        let Some(map) = array.as_any().downcast_ref::<MapArray>() else {
            return Err(mismatch(array, &"a map"));
        };
        Ok(Self {
            ranges: ItemRanges::new(map.offsets(), map),
            keys: TextReader::new(map.keys()).map_err(|error| error.in_column("key"))?,
            values: V::reader(map.values()).map_err(|error| error.in_column("value"))?,
        })
    }

    #[inline]
    fn entry<V: ColumnType<E, Reader = R>, E>(&self, item: usize) -> Result<(String, V), ValueError> {
        let key = self.keys.value(item).map_err(|error| error.in_column("key"))?;
        let value = V::get(&self.values, item).map_err(|error| error.in_column("value"))?;
        Ok((key.to_owned(), value))
    }
}

fn value_node<V: ColumnType<E>, E>() -> ColumnNode {
    ColumnNode::of::<V, E>("value")
}

/// The items that all maps with values `$value` under the encoding `$encoding` have in common.
macro_rules! map_items {
    ($value:ty, $encoding:ty) => {
        type Size = MapSize<<$value as ColumnType<$encoding>>::Size>;
        type Builder = MapBuilder<<$value as ColumnType<$encoding>>::Builder>;
        type Reader = MapReader<<$value as ColumnType<$encoding>>::Reader>;
        type InVec = AsList<$encoding>;
        type InRows = MapRows<<$value as ColumnType<$encoding>>::InRows>;
        type Order = Unordered;

        const LOSSY: bool = <$value as ColumnType<$encoding>>::LOSSY;

        fn shape() -> Shape {
            Shape::Map(Box::new(value_node::<$value, $encoding>()))
        }

        #[inline]
        fn measure(value: &Self, size: &mut Self::Size) {
            size.add::<$value, $encoding>(value.iter());
        }

        fn builder(rows: usize, size: &Self::Size) -> Self::Builder {
            MapBuilder::new::<$value, $encoding>(rows, size)
        }

        #[inline]
        fn push_null(builder: &mut Self::Builder) {
            builder.offsets.push_null();
        }

        fn finish(builder: Self::Builder) -> Result<ArrayRef, ValueError> {
            builder.finish::<$value, $encoding>()
        }

        fn reader(array: &ArrayRef) -> Result<Self::Reader, ValueError> {
            MapReader::new::<$value, $encoding>(array)
        }

        #[inline]
        fn is_null(reader: &Self::Reader, row: usize) -> bool {
            reader.ranges.is_null(row)
        }

        fn hold(array: &ArrayRef, rows: &Reachable) -> Result<Self::InRows, ValueError> {
            MapRows::hold::<$value, $encoding>(array, rows)
        }
    };
}

impl<V: ColumnType<E>, E: ElementEncoding> ColumnType<E> for BTreeMap<String, V> {
    map_items!(V, E);

    #[inline]
    fn push(value: &Self, builder: &mut Self::Builder) -> Result<(), ValueError> {
        builder.push::<V, E>(value.iter())
    }

    fn get(reader: &Self::Reader, row: usize) -> Result<Self, ValueError> {
        reader.ranges.items(row)?.map(|item| reader.entry::<V, E>(item)).collect()
    }
}

impl<V: ColumnType<E>, E: ElementEncoding, S: BuildHasher + Default> ColumnType<E> for HashMap<String, V, S> {
    map_items!(V, E);

    // Sorted by key, so that equal maps make equal files.
    fn push(value: &Self, builder: &mut Self::Builder) -> Result<(), ValueError> {
        let mut entries: Vec<_> = value.iter().collect();
        entries.sort_unstable_by_key(|&(key, _)| key);
        builder.push::<V, E>(entries.into_iter())
    }

    fn get(reader: &Self::Reader, row: usize) -> Result<Self, ValueError> {
        let items = reader.ranges.items(row)?;
        let mut map = Self::with_capacity_and_hasher(items.len(), S::default());
        for item in items {
            let (key, value) = reader.entry::<V, E>(item)?;
            map.insert(key, value);
        }
        Ok(map)
    }
}
