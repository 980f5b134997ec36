//! Sorting rows by packed keys.
//!
//! As much of each row's key as fits is packed into a number that compares as the key does, with the row's number in the
//! lowest bits. Sorting these numbers is faster than comparing columns. Rows that tie are then compared column by column.

use std::cmp::Ordering;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Int8Type, Int16Type, Int32Type, Int64Type, Time32MillisecondType,
    Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_ord::ord::{DynComparator, make_comparator};
use arrow_schema::{DataType, SortOptions, TimeUnit};

use super::neighbours::incomparable;
use super::ranks::ranks;
use crate::error::Result;

/// How many bytes of a text are packed at most, after the prefix that all rows share.
const SPAN: usize = 32;

/// Returns the rows' numbers in ascending order of their keys. The sort is stable.
pub(super) fn sorted_rows(keys: &[ArrayRef], rows: u32) -> Result<Vec<u32>> {
    let mut packed = PackedKeys::new(rows);
    let mut complete = packed.add_all(keys, false);
    if complete < keys.len() {
        // If a column has few distinct texts, their ranks may leave room for the columns after it.
        let mut ranked = PackedKeys::new(rows);
        let more = ranked.add_all(keys, true);
        if more > complete {
            (packed, complete) = (ranked, more);
        }
    }
    let comparators = keys.get(complete..).unwrap_or_default().iter();
    let comparators = comparators.map(|key| make_comparator(key, key, SortOptions::default()).map_err(incomparable));
    Ok(packed.sorted(&comparators.collect::<Result<Vec<_>>>()?))
}

/// One number per row, which compares like the row's key, or like the part of the key that fits.
struct PackedKeys {
    numbers: Vec<u128>,
    /// Bits reserved for the row's number.
    row_bits: u32,
    /// Bits that the keys use.
    bits: u32,
}

impl PackedKeys {
    fn new(rows: u32) -> Self {
        Self { numbers: vec![0; rows as usize], row_bits: u32::BITS - rows.leading_zeros(), bits: 0 }
    }

    /// Packs columns until one does not fit completely. Returns how many did.
    fn add_all(&mut self, keys: &[ArrayRef], ranked: bool) -> usize {
        keys.iter().take_while(|key| self.add(key, ranked)).count()
    }

    /// Returns the number of unused bits.
    fn room(&self) -> u32 {
        u128::BITS - self.row_bits - self.bits
    }

    /// Packs a column, or as much of it as fits. Returns whether all of it did.
    fn add(&mut self, key: &ArrayRef, ranked: bool) -> bool {
        match key.data_type() {
            DataType::Boolean => {
                let values = key.as_boolean();
                self.add_numbers((0..values.len()).map(|row| i128::from(values.value(row))))
            }
            DataType::Int8 => self.add_primitive::<Int8Type>(key),
            DataType::Int16 => self.add_primitive::<Int16Type>(key),
            DataType::Int32 => self.add_primitive::<Int32Type>(key),
            DataType::Int64 => self.add_primitive::<Int64Type>(key),
            DataType::UInt8 => self.add_primitive::<UInt8Type>(key),
            DataType::UInt16 => self.add_primitive::<UInt16Type>(key),
            DataType::UInt32 => self.add_primitive::<UInt32Type>(key),
            DataType::UInt64 => self.add_primitive::<UInt64Type>(key),
            DataType::Date32 => self.add_primitive::<Date32Type>(key),
            DataType::Time32(TimeUnit::Second) => self.add_primitive::<Time32SecondType>(key),
            DataType::Time32(_) => self.add_primitive::<Time32MillisecondType>(key),
            DataType::Time64(TimeUnit::Microsecond) => self.add_primitive::<Time64MicrosecondType>(key),
            DataType::Time64(_) => self.add_primitive::<Time64NanosecondType>(key),
            DataType::Timestamp(TimeUnit::Second, _) => self.add_primitive::<TimestampSecondType>(key),
            DataType::Timestamp(TimeUnit::Millisecond, _) => self.add_primitive::<TimestampMillisecondType>(key),
            DataType::Timestamp(TimeUnit::Microsecond, _) => self.add_primitive::<TimestampMicrosecondType>(key),
            DataType::Timestamp(TimeUnit::Nanosecond, _) => self.add_primitive::<TimestampNanosecondType>(key),
            DataType::Decimal128(..) => self.add_primitive::<Decimal128Type>(key),
            DataType::Utf8 => {
                let texts = key.as_string::<i32>();
                self.add_texts(|row| texts.value(row).as_bytes(), ranked)
            }
            DataType::Utf8View => {
                let texts = key.as_string_view();
                self.add_texts(|row| texts.value(row).as_bytes(), ranked)
            }
            DataType::Binary => {
                let bytes = key.as_binary::<i32>();
                self.add_texts(|row| bytes.value(row), ranked)
            }
            DataType::BinaryView => {
                let bytes = key.as_binary_view();
                self.add_texts(|row| bytes.value(row), ranked)
            }
            DataType::FixedSizeBinary(_) => {
                let bytes = key.as_fixed_size_binary();
                self.add_texts(|row| bytes.value(row), ranked)
            }
            _ => false,
        }
    }

    fn add_primitive<T: ArrowPrimitiveType>(&mut self, key: &ArrayRef) -> bool
    where
        T::Native: Into<i128>,
    {
        self.add_numbers(key.as_primitive::<T>().values().iter().map(|&value| value.into()))
    }

    fn add_numbers(&mut self, values: impl Iterator<Item = i128> + Clone) -> bool {
        let (min, max) =
            values.clone().fold((i128::MAX, i128::MIN), |(min, max), value| (min.min(value), max.max(value)));
        let width = u128::BITS - max.abs_diff(min).leading_zeros();
        let (packed, dropped) = (width.min(self.room()), width.saturating_sub(self.room()));
        for (number, value) in self.numbers.iter_mut().zip(values) {
            *number = *number << packed | value.abs_diff(min).checked_shr(dropped).unwrap_or(0);
        }
        self.bits += packed;
        dropped == 0
    }

    fn add_texts<'k>(&mut self, text: impl Fn(usize) -> &'k [u8], ranked: bool) -> bool {
        let rows = self.numbers.len();
        if ranked && let Some(ranks) = ranks((0..rows).map(&text)) {
            return self.add_numbers(ranks.into_iter().map(i128::from));
        }
        let TextPositions { positions, prefix, complete } = TextPositions::find(rows, &text);
        let (mut width, room) = (0, self.room().min(u64::BITS));
        let fitting = positions.iter().take_while(|position| {
            let fits = width + position.width <= room;
            width += if fits { position.width } else { 0 };
            fits
        });
        let fitting = &positions[..fitting.count()];
        for (row, number) in self.numbers.iter_mut().enumerate() {
            let rest = text(row).get(prefix..).unwrap_or_default();
            let code = |code: u64, (position, at): (&Position, usize)| {
                code << position.width | rest.get(at).map_or(0, |&byte| u64::from(byte).wrapping_sub(position.offset))
            };
            *number = *number << width | u128::from(fitting.iter().zip(0..).fold(0, code));
        }
        self.bits += width;
        complete && fitting.len() == positions.len()
    }

    /// Sorts by the packed numbers, and rows that tie by the comparators. Returns the rows' numbers.
    fn sorted(self, comparators: &[DynComparator]) -> Vec<u32> {
        let Self { numbers, row_bits, bits } = self;
        let with_row = numbers.into_iter().zip(0u128..).map(|(number, row)| number << row_bits | row);
        #[expect(clippy::cast_possible_truncation, reason = "the condition checks that 64 bits hold them")]
        if bits + row_bits <= u64::BITS {
            let mut numbers: Vec<u64> = with_row.map(|number| number as u64).collect();
            numbers.sort_unstable();
            rows_of(&numbers, row_bits, comparators, u128::from)
        } else {
            let mut numbers: Vec<u128> = with_row.collect();
            numbers.sort_unstable();
            rows_of(&numbers, row_bits, comparators, |number| number)
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the lowest bits are the row's number")]
fn rows_of<N: Copy>(numbers: &[N], row_bits: u32, comparators: &[DynComparator], wide: fn(N) -> u128) -> Vec<u32> {
    let row = |number: N| (wide(number) & ((1 << row_bits) - 1)) as u32;
    let mut order: Vec<u32> = numbers.iter().map(|&number| row(number)).collect();
    if comparators.is_empty() {
        return order;
    }
    let mut rows = order.as_mut_slice();
    for tied in numbers.chunk_by(|&a, &b| wide(a) >> row_bits == wide(b) >> row_bits) {
        let (group, rest) = std::mem::take(&mut rows).split_at_mut(tied.len());
        if group.len() > 1 {
            group.sort_by(|&a, &b| {
                let orderings = comparators.iter().map(|compare| compare(a as usize, b as usize));
                orderings.fold(Ordering::Equal, Ordering::then)
            });
        }
        rows = rest;
    }
    order
}

/// The packed form of the bytes at one position of a column's texts.
struct Position {
    /// Bits per packed byte.
    width: u32,
    /// The difference between a byte and its packed number.
    offset: u64,
}

/// The positions to pack of a column's texts.
struct TextPositions {
    /// The positions after the prefix, [`SPAN`] at most.
    positions: Vec<Position>,
    /// The length of the prefix that all texts share.
    prefix: usize,
    /// True if the positions cover every text to its end.
    complete: bool,
}

impl TextPositions {
    fn find<'k>(rows: usize, text: impl Fn(usize) -> &'k [u8]) -> Self {
        let first = if rows == 0 { &[][..] } else { text(0) };
        let (mut prefix, mut shortest, mut longest) = (first.len(), first.len(), first.len());
        for row in 1..rows {
            let text = text(row);
            if !text.starts_with(&first[..prefix]) {
                prefix = first.iter().zip(text).take_while(|(a, b)| a == b).count();
            }
            (shortest, longest) = (shortest.min(text.len()), longest.max(text.len()));
        }
        let mut ranges = [(u8::MAX, u8::MIN); SPAN];
        for row in 0..rows {
            for ((min, max), &byte) in ranges.iter_mut().zip(text(row).get(prefix..).unwrap_or_default()) {
                (*min, *max) = ((*min).min(byte), (*max).max(byte));
            }
        }
        let span = (longest - prefix).min(SPAN);
        let position = |(at, &(min, max)): (usize, &(u8, u8))| {
            // If some texts end before this position, zero stands for "no byte".
            let has_ends = u64::from(prefix + at >= shortest);
            let offset = u64::from(min).wrapping_sub(has_ends);
            Position { width: u64::BITS - u64::from(max).wrapping_sub(offset).leading_zeros(), offset }
        };
        let positions = ranges[..span].iter().enumerate().map(position).collect();
        Self { positions, prefix, complete: span == longest - prefix }
    }
}
