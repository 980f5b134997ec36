//! Sorting rows as numbers: as much of each key as fits is packed into a number that compares alike, with the row below
//! it. What those leave tied is compared column by column.

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

use super::ranks::ranks;
use super::sort::unordered;
use crate::error::Result;

/// How many bytes of a text are looked at, after what all rows begin with.
const SPAN: usize = 32;

/// The rows in the order of their keys, equal keys in their given order.
pub(super) fn order(keys: &[ArrayRef], rows: u32) -> Result<Vec<u32>> {
    let mut packed = Packed::new(rows);
    let mut whole = packed.add_all(keys, false);
    if whole < keys.len() {
        // Numbers for long texts of which there are few may leave room for the columns after them.
        let mut ranked = Packed::new(rows);
        let more = ranked.add_all(keys, true);
        if more > whole {
            (packed, whole) = (ranked, more);
        }
    }
    let comparators = keys.get(whole..).unwrap_or_default().iter();
    let comparators = comparators.map(|key| make_comparator(key, key, SortOptions::default()).map_err(unordered));
    Ok(packed.sorted(&comparators.collect::<Result<Vec<_>>>()?))
}

/// A number for each row.
struct Packed {
    numbers: Vec<u128>,
    /// Bits for the row.
    row_bits: u32,
    /// Bits in use.
    bits: u32,
}

impl Packed {
    fn new(rows: u32) -> Self {
        Self { numbers: vec![0; rows as usize], row_bits: u32::BITS - rows.leading_zeros(), bits: 0 }
    }

    /// Adds what fits, and says how many columns did as a whole.
    fn add_all(&mut self, keys: &[ArrayRef], ranked: bool) -> usize {
        keys.iter().take_while(|key| self.add(key, ranked)).count()
    }

    fn room(&self) -> u32 {
        u128::BITS - self.row_bits - self.bits
    }

    /// Adds a column, or as much of it as fits; whether that is all of it.
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
        let (least, most) =
            values.clone().fold((i128::MAX, i128::MIN), |(least, most), value| (least.min(value), most.max(value)));
        let width = u128::BITS - most.abs_diff(least).leading_zeros();
        let (taken, cut) = (width.min(self.room()), width.saturating_sub(self.room()));
        for (number, value) in self.numbers.iter_mut().zip(values) {
            *number = *number << taken | value.abs_diff(least).checked_shr(cut).unwrap_or(0);
        }
        self.bits += taken;
        cut == 0
    }

    fn add_texts<'k>(&mut self, text: impl Fn(usize) -> &'k [u8], ranked: bool) -> bool {
        let rows = self.numbers.len();
        if ranked && let Some(ranks) = ranks((0..rows).map(&text)) {
            return self.add_numbers(ranks.into_iter().map(i128::from));
        }
        let (places, common, mut whole) = places(rows, &text);
        let (mut width, room) = (0, self.room().min(u64::BITS));
        let fitting = places.iter().take_while(|place| {
            let fits = width + place.width <= room;
            width += if fits { place.width } else { 0 };
            fits
        });
        let fitting = &places[..fitting.count()];
        whole &= fitting.len() == places.len();
        for (row, number) in self.numbers.iter_mut().enumerate() {
            let rest = text(row).get(common..).unwrap_or_default();
            let code = |code: u64, (place, at): (&Place, usize)| {
                code << place.width | rest.get(at).map_or(0, |&byte| u64::from(byte).wrapping_sub(place.less))
            };
            *number = *number << width | u128::from(fitting.iter().zip(0..).fold(0, code));
        }
        self.bits += width;
        whole
    }

    /// The rows by their numbers, and where those are equal by what the comparators say.
    fn sorted(self, comparators: &[DynComparator]) -> Vec<u32> {
        let Self { numbers, row_bits, bits } = self;
        let with_row = numbers.into_iter().zip(0u128..).map(|(number, row)| number << row_bits | row);
        #[expect(clippy::cast_possible_truncation, reason = "the bits that are in use")]
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

#[expect(clippy::cast_possible_truncation, reason = "the lowest bits are the row")]
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

/// A place in the texts of a column: the byte there, as a number of few bits.
struct Place {
    width: u32,
    /// By how much the number is less than the byte.
    less: u64,
}

/// The places of some texts after the bytes that all begin with, how many those are, and whether the places reach the
/// end of each text.
fn places<'k>(rows: usize, text: impl Fn(usize) -> &'k [u8]) -> (Vec<Place>, usize, bool) {
    let first = if rows == 0 { &[][..] } else { text(0) };
    let (mut common, mut shortest, mut longest) = (first.len(), first.len(), first.len());
    for row in 1..rows {
        let text = text(row);
        if !text.starts_with(&first[..common]) {
            common = first.iter().zip(text).take_while(|(a, b)| a == b).count();
        }
        (shortest, longest) = (shortest.min(text.len()), longest.max(text.len()));
    }
    let mut seen = [(u8::MAX, u8::MIN); SPAN];
    for row in 0..rows {
        for ((least, most), &byte) in seen.iter_mut().zip(text(row).get(common..).unwrap_or_default()) {
            (*least, *most) = ((*least).min(byte), (*most).max(byte));
        }
    }
    let span = (longest - common).min(SPAN);
    let place = |(at, &(least, most)): (usize, &(u8, u8))| {
        // Where texts end, zero is kept for that.
        let ended = u64::from(common + at >= shortest);
        let less = u64::from(least).wrapping_sub(ended);
        Place { width: u64::BITS - u64::from(most).wrapping_sub(less).leading_zeros(), less }
    };
    (seen[..span].iter().enumerate().map(place).collect(), common, span == longest - common)
}
