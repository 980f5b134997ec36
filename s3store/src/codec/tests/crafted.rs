//! Parquet files put together byte by byte, so that each number in them can be wrong.

use bytes::Bytes;

/// A column with one page, of one row group.
#[derive(Debug, Clone)]
pub(super) struct Crafted {
    /// The physical type's number.
    pub(super) physical: i64,
    pub(super) type_length: Option<i64>,
    /// 0 for required, 1 for optional, 2 for repeated.
    pub(super) repetition: i64,
    /// 0 for text.
    pub(super) converted: Option<i64>,
    pub(super) name: String,
    pub(super) codec: i64,
    /// The encodings that the footer lists.
    pub(super) encodings: Vec<i64>,
    /// How far behind the pages the footer says that they are, and how many bytes they take beyond their own.
    pub(super) misplaced: (i64, i64),
    /// True if the column is encrypted together with its metadata.
    pub(super) sealed: bool,
    /// Each with its header's numbers.
    pub(super) pages: Vec<CraftedPage>,
}

#[derive(Debug, Clone)]
pub(super) struct CraftedPage {
    /// 0 for data, 2 for a dictionary, 3 for data of the second version.
    pub(super) kind: i64,
    pub(super) values: i64,
    pub(super) encoding: i64,
    pub(super) uncompressed: Option<i64>,
    pub(super) compressed: Option<i64>,
    /// The lengths of the definition and repetition levels, in a page of the second version.
    pub(super) levels: (i64, i64),
    pub(super) body: Vec<u8>,
}

pub(super) const BYTE_ARRAY: i64 = 6;
pub(super) const FIXED: i64 = 7;
pub(super) const INT64: i64 = 2;
pub(super) const INT96: i64 = 3;
pub(super) const PLAIN: i64 = 0;
pub(super) const DELTA_LENGTH: i64 = 6;
pub(super) const DELTA_BYTE_ARRAY: i64 = 7;
pub(super) const RLE_DICTIONARY: i64 = 8;

pub(super) fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(((value & 0x7f) as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(super) fn zigzag(value: i64, out: &mut Vec<u8>) {
    varint(((value << 1) ^ (value >> 63)) as u64, out);
}

/// A field of a struct: the step from the field before, and an integer.
pub(super) fn int(step: u8, value: i64, out: &mut Vec<u8>) {
    out.push((step << 4) | 6);
    zigzag(value, out);
}

pub(super) fn text(step: u8, value: &[u8], out: &mut Vec<u8>) {
    out.push((step << 4) | 8);
    varint(value.len() as u64, out);
    out.extend(value);
}

/// The head of a list of structs.
pub(super) fn structs(step: u8, size: u64, out: &mut Vec<u8>) {
    out.extend([(step << 4) | 9, 0xfc]);
    varint(size, out);
}

impl Crafted {
    pub(super) fn new(name: &str, physical: i64, pages: Vec<CraftedPage>) -> Self {
        let (converted, name) = ((physical == BYTE_ARRAY).then_some(0), name.to_owned());
        Self {
            physical,
            type_length: None,
            repetition: 0,
            converted,
            name,
            codec: 0,
            encodings: vec![PLAIN],
            misplaced: (0, 0),
            sealed: false,
            pages,
        }
    }

    pub(super) fn element(&self, out: &mut Vec<u8>) {
        int(1, self.physical, out);
        let mut step = 2;
        if let Some(length) = self.type_length {
            int(1, length, out);
            step = 1;
        }
        int(step, self.repetition, out);
        text(1, self.name.as_bytes(), out);
        if let Some(converted) = self.converted {
            int(2, converted, out);
        }
        out.push(0);
    }

    /// Writes the pages to the end of a file, and their column chunk to the footer.
    fn write(&self, file: &mut Vec<u8>, footer: &mut Vec<u8>) {
        let start = file.len() as i64;
        let mut first_data = start;
        for page in &self.pages {
            page.write(file);
            if page.kind == 2 {
                first_data = file.len() as i64;
            }
        }
        let (moved, longer) = self.misplaced;
        let length = (file.len() as i64 - start).wrapping_add(longer);
        let values = self.pages.iter().filter(|page| page.kind == 0).map(|page| page.values).sum();
        int(2, 0, footer);
        if self.sealed {
            // With the footer's key.
            footer.extend([(6 << 4) | 12, (1 << 4) | 12, 0, 0, 0]);
            return;
        }
        footer.push((1 << 4) | 12);
        int(1, self.physical, footer);
        footer.extend([(1 << 4) | 9, ((self.encodings.len() as u8) << 4) | 5]);
        self.encodings.iter().for_each(|&encoding| zigzag(encoding, footer));
        footer.extend([(1 << 4) | 9, 0x18]);
        varint(self.name.len() as u64, footer);
        footer.extend(self.name.as_bytes());
        int(1, self.codec, footer);
        int(1, values, footer);
        int(1, length, footer);
        int(1, length, footer);
        int(2, first_data.wrapping_add(moved), footer);
        if first_data != start {
            int(2, start.wrapping_add(moved), footer);
        }
        footer.extend([0, 0]);
    }
}

impl CraftedPage {
    pub(super) fn new(kind: i64, values: i64, encoding: i64, body: Vec<u8>) -> Self {
        Self { kind, values, encoding, uncompressed: None, compressed: None, levels: (0, 0), body }
    }

    fn write(&self, out: &mut Vec<u8>) {
        int(1, self.kind, out);
        int(1, self.uncompressed.unwrap_or(self.body.len() as i64), out);
        int(1, self.compressed.unwrap_or(self.body.len() as i64), out);
        let field = match self.kind {
            2 => 7,
            3 => 8,
            _ => 5,
        };
        out.push(((field - 3) << 4) | 12);
        int(1, self.values, out);
        match self.kind {
            0 => [self.encoding, 3, 3].into_iter().for_each(|encoding| int(1, encoding, out)),
            // No nulls, a row for each value, and not compressed.
            3 => {
                let (definition, repetition) = self.levels;
                [0, self.values, self.encoding, definition, repetition]
                    .into_iter()
                    .for_each(|value| int(1, value, out));
                out.push((1 << 4) | 2);
            }
            _ => int(1, self.encoding, out),
        }
        out.extend([0, 0]);
        out.extend(&self.body);
    }
}

/// A file with one row group of `rows` rows.
pub(super) fn file(rows: i64, columns: &[Crafted]) -> Bytes {
    file_of_groups(&[(rows, columns)], "")
}

/// A file with row groups, each of so many rows. `writer` is the name of the program that wrote it.
pub(super) fn file_of_groups(groups: &[(i64, &[Crafted])], writer: &str) -> Bytes {
    let (mut bytes, mut footer) = (b"PAR1".to_vec(), Vec::new());
    let columns = groups.first().map(|(_, columns)| *columns).unwrap_or_default();
    int(1, 1, &mut footer);
    structs(1, columns.len() as u64 + 1, &mut footer);
    text(4, b"schema", &mut footer);
    int(1, columns.len() as i64, &mut footer);
    footer.push(0);
    columns.iter().for_each(|column| column.element(&mut footer));
    int(1, groups.iter().map(|(rows, _)| rows).sum(), &mut footer);
    structs(1, groups.len() as u64, &mut footer);
    for (rows, columns) in groups {
        structs(1, columns.len() as u64, &mut footer);
        columns.iter().for_each(|column| column.write(&mut bytes, &mut footer));
        int(1, 100, &mut footer);
        int(1, *rows, &mut footer);
        footer.push(0);
    }
    text(2, writer.as_bytes(), &mut footer);
    footer.push(0);
    with_footer(bytes, &footer)
}

pub(super) fn with_footer(mut bytes: Vec<u8>, footer: &[u8]) -> Bytes {
    bytes.extend(footer);
    bytes.extend((footer.len() as u32).to_le_bytes());
    bytes.extend(b"PAR1");
    bytes.into()
}

/// A frame of Zstandard: some bytes, and then one of them many times, in 4 bytes for each 128 KiB.
pub(super) fn zstd(beginning: &[u8], repeated: u8, times: usize) -> Vec<u8> {
    const MOST: usize = 128 << 10;
    let mut out = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 7 << 3];
    let mut block = |kind: usize, is_last: bool, length: usize, bytes: &[u8]| {
        out.extend(&((length << 3) | (kind << 1) | usize::from(is_last)).to_le_bytes()[..3]);
        out.extend(bytes);
    };
    block(0, false, beginning.len(), beginning);
    let mut left = times;
    while left > MOST {
        block(1, false, MOST, &[repeated]);
        left -= MOST;
    }
    block(1, true, left, &[repeated]);
    out
}

/// A `DELTA_BINARY_PACKED` sequence that claims `count` elements, all equal to `value`, without bits.
pub(super) fn constant_delta(count: u64, value: i64) -> Vec<u8> {
    let mut out = Vec::new();
    varint(128, &mut out);
    varint(4, &mut out);
    varint(count, &mut out);
    zigzag(value, &mut out);
    for _ in 0..count.saturating_sub(1).div_ceil(128).min(100_000) {
        out.extend([0, 0, 0, 0, 0]);
    }
    out
}
