//! The lengths in pages with the encodings `DELTA_LENGTH_BYTE_ARRAY` and `DELTA_BYTE_ARRAY`.
//!
//! The Parquet library reserves memory for the counts in these pages, and builds values from prefixes without a limit.

use parquet::errors::Result;

use super::thrift::{malformed, varint};

/// The count that the header of a `DELTA_BINARY_PACKED` sequence claims.
pub(super) fn claimed_count(bytes: &[u8]) -> Result<u64> {
    let mut rest = bytes;
    Header::read(&mut rest).map(|header| header.count)
}

/// Checks that both sequences of lengths in a `DELTA_BYTE_ARRAY` page have at most `most` elements, and returns how many
/// bytes its values have together.
pub(super) fn prefixed_bytes(page: &[u8], most: u64) -> Result<u64> {
    let mut rest = page;
    let prefixes = Lengths::read(&mut rest, most)?;
    let suffixes = Lengths::read(&mut rest, most)?;
    let (mut before, mut total) = (0u64, 0u64);
    for (prefix, suffix) in prefixes.0.into_iter().zip(suffixes.0) {
        // A negative length is an error that the library finds.
        let (prefix, suffix) = (u64::try_from(prefix).unwrap_or(0), u64::try_from(suffix).unwrap_or(0));
        before = prefix.min(before).saturating_add(suffix);
        total = total.saturating_add(before);
    }
    Ok(total)
}

struct Header {
    block: u64,
    miniblocks: u64,
    count: u64,
    first: i64,
}

impl Header {
    fn read(bytes: &mut &[u8]) -> Result<Self> {
        let (block, miniblocks, count) = (varint(bytes)?, varint(bytes)?, varint(bytes)?);
        Ok(Self { block, miniblocks, count, first: zigzag(varint(bytes)?) })
    }
}

/// The elements of a `DELTA_BINARY_PACKED` sequence of 32-bit numbers.
struct Lengths(Vec<i32>);

impl Lengths {
    /// Decodes a sequence, and moves `bytes` behind it. The sums wrap around, as in the library.
    fn read(bytes: &mut &[u8], most: u64) -> Result<Self> {
        let bad = |what| malformed(format_args!("a sequence of lengths has {what}"));
        let header = Header::read(bytes)?;
        check_count(header.count, most)?;
        let per_miniblock = header.block.checked_div(header.miniblocks).ok_or_else(|| bad("no miniblocks"))?;
        if per_miniblock == 0 || per_miniblock % 32 != 0 {
            return Err(bad("miniblocks of a wrong size"));
        }
        let miniblocks = usize::try_from(header.miniblocks)?;
        let count = usize::try_from(header.count)?;
        let mut lengths = Vec::with_capacity(count);
        let mut last = header.first as i32;
        if count > 0 {
            lengths.push(last);
        }
        while lengths.len() < count {
            let least = zigzag(varint(bytes)?) as i32;
            let (widths, rest) = bytes.split_at_checked(miniblocks).ok_or_else(|| bad("too few bit widths"))?;
            *bytes = rest;
            for &width in widths {
                if lengths.len() >= count {
                    break;
                }
                let width = u64::from(width);
                if width > 32 {
                    return Err(bad("a bit width above 32"));
                }
                let size = per_miniblock.checked_mul(width).map(|bits| bits / 8);
                let size =
                    size.and_then(|size| usize::try_from(size).ok()).ok_or_else(|| bad("too long a miniblock"))?;
                // The last miniblock may be cut off after its last value.
                let (packed, rest) = bytes.split_at(size.min(bytes.len()));
                *bytes = rest;
                let mut packed = packed.iter();
                let (mut bits, mut held) = (0u64, 0u64);
                for _ in 0..per_miniblock.min((count - lengths.len()) as u64) {
                    while held < width {
                        let byte = packed.next().ok_or_else(|| bad("a miniblock that is cut off"))?;
                        bits |= u64::from(*byte) << held;
                        held += 8;
                    }
                    let delta = bits & ((1 << width) - 1);
                    (bits, held) = (bits >> width, held - width);
                    last = last.wrapping_add(least).wrapping_add(delta as i32);
                    lengths.push(last);
                }
            }
        }
        Ok(Self(lengths))
    }
}

/// Checks a count that a sequence claims against the number of the page's values.
pub(super) fn check_count(count: u64, most: u64) -> Result<()> {
    if count > most {
        return Err(malformed(format_args!("a sequence claims {count} lengths, but its page has {most} values")));
    }
    Ok(())
}

fn zigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}
