//! The rows that begin in a page of a repeated column, by its repetition levels.

use parquet::errors::Result;

use super::thrift::{malformed, varint};

/// Returns the number of rows in a page, from its repetition levels in Parquet's hybrid of runs and packed bits. `most` is the
/// column's greatest level.
///
/// # Errors
/// If the page begins in the middle of a row, or has fewer levels than values.
pub(super) fn rows_in(mut levels: &[u8], most: i16, values: u32) -> Result<u64> {
    let width = i16::BITS - most.leading_zeros();
    let (mut rows, mut left) = (0, u64::from(values));
    let mut is_first = true;
    while left > 0 {
        let header = varint(&mut levels)?;
        let count = header >> 1;
        if header & 1 == 0 {
            let bytes = take(&mut levels, u64::from(width.div_ceil(8)))?;
            let begins = bytes.iter().all(|&byte| byte == 0);
            let taken = count.min(left);
            if taken == 0 {
                continue;
            }
            check_first(&mut is_first, begins)?;
            rows += if begins { taken } else { 0 };
            left -= taken;
        } else {
            let packed = take(&mut levels, count.saturating_mul(u64::from(width)))?;
            let taken = count.saturating_mul(8).min(left);
            for index in 0..taken {
                let begins = is_zero(packed, index, width);
                check_first(&mut is_first, begins)?;
                rows += u64::from(begins);
            }
            left -= taken;
        }
    }
    Ok(rows)
}

fn check_first(is_first: &mut bool, begins: bool) -> Result<()> {
    if std::mem::take(is_first) && !begins {
        return Err(malformed(format_args!(
            "a page begins in the middle of a row, although the page index has its first row"
        )));
    }
    Ok(())
}

/// Returns whether one of the levels that are packed in `width` bits each is 0.
fn is_zero(packed: &[u8], index: u64, width: u32) -> bool {
    let first = index * u64::from(width);
    (first..first + u64::from(width)).all(|bit| {
        let byte = usize::try_from(bit / 8).ok().and_then(|byte| packed.get(byte));
        byte.is_some_and(|byte| byte >> (bit % 8) & 1 == 0)
    })
}

fn take<'a>(bytes: &mut &'a [u8], count: u64) -> Result<&'a [u8]> {
    let split = usize::try_from(count).ok().and_then(|count| bytes.split_at_checked(count));
    let (taken, rest) =
        split.ok_or_else(|| malformed(format_args!("the levels of a page are shorter than they claim")))?;
    *bytes = rest;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_in_runs_and_in_packed_levels() {
        // 3 times 0; then 8 levels of 1 bit: 1, 0, 1, 1, 0, 1, 1, 1.
        let levels = [3 << 1, 0, 1 << 1 | 1, 0b1110_1101];
        assert_eq!(rows_in(&levels, 1, 11).unwrap(), 5);
        // A packed group may end with levels that belong to no value.
        assert_eq!(rows_in(&levels, 1, 5).unwrap(), 4);
        // 8 levels of 2 bits: 0, 2, 1, 0, 0, 3, 0, 1.
        let levels = [1 << 1 | 1, 0b00_01_10_00, 0b01_00_11_00];
        assert_eq!(rows_in(&levels, 3, 8).unwrap(), 4);
        assert_eq!(rows_in(&[], 1, 0).unwrap(), 0);
    }

    #[test]
    fn levels_that_continue_a_row_or_end_early_are_refused() {
        assert!(rows_in(&[3 << 1, 1], 1, 3).unwrap_err().to_string().contains("middle of a row"));
        assert!(rows_in(&[1 << 1 | 1, 0b1], 1, 3).unwrap_err().to_string().contains("middle of a row"));
        assert!(rows_in(&[3 << 1, 0], 1, 4).is_err());
        assert!(rows_in(&[100 << 1 | 1, 0], 1, 4).is_err());
    }
}
