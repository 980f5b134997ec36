//! Key columns as numbers that compare like their values, so that sorting rows is sorting numbers.

use std::collections::HashMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, TimeUnit};

/// Bits of a packed key that are left for the columns; the others hold the row, which keeps the order stable.
const KEY_BITS: u32 = 128 - ROW_BITS;
const ROW_BITS: u32 = 32;

/// The order of the rows, or `None` if their keys do not pack into a number each: types that are no numbers nor text,
/// too wide a range, or text that is mostly distinct, for which there are better ways.
pub(super) fn order(keys: &[ArrayRef]) -> Option<Vec<u32>> {
    let rows = keys.first()?.len();
    let mut packed: Vec<u128> = vec![0; rows];
    let mut bits = 0;
    for key in keys {
        let (ranks, width) = ranks(key)?;
        bits += width;
        if bits > KEY_BITS {
            return None;
        }
        packed.iter_mut().zip(ranks).for_each(|(key, rank)| *key = *key << width | u128::from(rank));
    }
    for (row, key) in (0u32..).zip(&mut packed) {
        *key = *key << ROW_BITS | u128::from(row);
    }
    packed.sort_unstable();
    #[expect(clippy::cast_possible_truncation, reason = "the lowest bits are the row")]
    Some(packed.into_iter().map(|key| key as u32).collect())
}

/// Numbers in the order of the column's values, and how many bits they take.
fn ranks(key: &ArrayRef) -> Option<(Vec<u64>, u32)> {
    let ranks = match key.data_type() {
        DataType::Int8 => signed::<Int8Type>(key),
        DataType::Int16 => signed::<Int16Type>(key),
        DataType::Int32 => signed::<Int32Type>(key),
        DataType::Int64 => signed::<Int64Type>(key),
        DataType::Date32 => signed::<Date32Type>(key),
        DataType::Timestamp(TimeUnit::Millisecond, _) => signed::<TimestampMillisecondType>(key),
        DataType::Timestamp(TimeUnit::Microsecond, _) => signed::<TimestampMicrosecondType>(key),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => signed::<TimestampNanosecondType>(key),
        DataType::UInt8 => unsigned::<UInt8Type>(key),
        DataType::UInt16 => unsigned::<UInt16Type>(key),
        DataType::UInt32 => unsigned::<UInt32Type>(key),
        DataType::UInt64 => unsigned::<UInt64Type>(key),
        DataType::Utf8 => {
            let text = key.as_string::<i32>();
            distinct((0..text.len()).map(|row| text.value(row).as_bytes()))?
        }
        DataType::Binary => {
            let bytes = key.as_binary::<i32>();
            distinct((0..bytes.len()).map(|row| bytes.value(row)))?
        }
        _ => return None,
    };
    let least = ranks.iter().copied().min()?;
    let most = ranks.iter().copied().max()?;
    let ranks = ranks.into_iter().map(|rank| rank - least).collect();
    Some((ranks, u64::BITS - (most - least).leading_zeros()))
}

fn signed<T: ArrowPrimitiveType>(key: &ArrayRef) -> Vec<u64>
where
    T::Native: Into<i64>,
{
    // From the least: no range of 64 bits is too wide.
    key.as_primitive::<T>().values().iter().map(|&value| value.into().abs_diff(i64::MIN)).collect()
}

fn unsigned<T: ArrowPrimitiveType>(key: &ArrayRef) -> Vec<u64>
where
    T::Native: Into<u64>,
{
    key.as_primitive::<T>().values().iter().map(|&value| value.into()).collect()
}

/// The place of each text among the distinct ones.
fn distinct<'a>(texts: impl ExactSizeIterator<Item = &'a [u8]>) -> Option<Vec<u64>> {
    let most = texts.len() / 4;
    let mut numbers: HashMap<&[u8], usize> = HashMap::new();
    let mut of_rows = Vec::with_capacity(texts.len());
    let mut last: Option<(&[u8], usize)> = None;
    for text in texts {
        let number = match last {
            Some((same, number)) if same == text => number,
            _ => {
                let next = numbers.len();
                *numbers.entry(text).or_insert(next)
            }
        };
        if number > most {
            return None;
        }
        last = Some((text, number));
        of_rows.push(number);
    }
    let mut sorted: Vec<(&[u8], usize)> = numbers.into_iter().collect();
    sorted.sort_unstable();
    let mut ranks = vec![0; sorted.len()];
    for (rank, (_, number)) in (0u64..).zip(sorted) {
        ranks[number] = rank;
    }
    Some(of_rows.into_iter().map(|number| ranks[number]).collect())
}
