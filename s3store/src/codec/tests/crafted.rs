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
    /// Each with its header's numbers.
    pub(super) pages: Vec<CraftedPage>,
}

#[derive(Debug, Clone)]
pub(super) struct CraftedPage {
    /// 0 for data, 2 for a dictionary.
    pub(super) kind: i64,
    pub(super) values: i64,
    pub(super) encoding: i64,
    pub(super) uncompressed: Option<i64>,
    pub(super) body: Vec<u8>,
}

pub(super) const BYTE_ARRAY: i64 = 6;
pub(super) const FIXED: i64 = 7;
pub(super) const INT64: i64 = 2;
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
        Self { physical, type_length: None, repetition: 0, converted, name, codec: 0, pages }
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
}

impl CraftedPage {
    pub(super) fn new(kind: i64, values: i64, encoding: i64, body: Vec<u8>) -> Self {
        Self { kind, values, encoding, uncompressed: None, body }
    }

    fn write(&self, out: &mut Vec<u8>) {
        int(1, self.kind, out);
        int(1, self.uncompressed.unwrap_or(self.body.len() as i64), out);
        int(1, self.body.len() as i64, out);
        out.push(if self.kind == 2 { (4 << 4) | 12 } else { (2 << 4) | 12 });
        int(1, self.values, out);
        int(1, self.encoding, out);
        if self.kind == 0 {
            int(1, 3, out);
            int(1, 3, out);
        }
        out.extend([0, 0]);
        out.extend(&self.body);
    }
}

/// A file with one row group of `rows` rows.
pub(super) fn file(rows: i64, columns: &[Crafted]) -> Bytes {
    let mut bytes = b"PAR1".to_vec();
    let mut chunks = Vec::new();
    for column in columns {
        let start = bytes.len() as i64;
        let mut first_data = start;
        for page in &column.pages {
            if page.kind == 2 {
                page.write(&mut bytes);
                first_data = bytes.len() as i64;
            } else {
                page.write(&mut bytes);
            }
        }
        let length = bytes.len() as i64 - start;
        let values = column.pages.iter().filter(|page| page.kind == 0).map(|page| page.values).sum();
        let chunk = &mut chunks;
        int(2, 0, chunk);
        chunk.push((1 << 4) | 12);
        int(1, column.physical, chunk);
        chunk.extend([(1 << 4) | 9, 0x15, 0]);
        chunk.extend([(1 << 4) | 9, 0x18]);
        varint(column.name.len() as u64, chunk);
        chunk.extend(column.name.as_bytes());
        int(1, column.codec, chunk);
        int(1, values, chunk);
        int(1, length, chunk);
        int(1, length, chunk);
        int(2, first_data, chunk);
        if first_data != start {
            int(2, start, chunk);
        }
        chunk.extend([0, 0]);
    }
    let mut footer = Vec::new();
    int(1, 1, &mut footer);
    structs(1, columns.len() as u64 + 1, &mut footer);
    text(4, b"schema", &mut footer);
    int(1, columns.len() as i64, &mut footer);
    footer.push(0);
    columns.iter().for_each(|column| column.element(&mut footer));
    int(1, rows, &mut footer);
    structs(1, 1, &mut footer);
    structs(1, columns.len() as u64, &mut footer);
    footer.extend(chunks);
    int(1, 100, &mut footer);
    int(1, rows, &mut footer);
    footer.extend([0, 0]);
    with_footer(bytes, &footer)
}

pub(super) fn with_footer(mut bytes: Vec<u8>, footer: &[u8]) -> Bytes {
    bytes.extend(footer);
    bytes.extend((footer.len() as u32).to_le_bytes());
    bytes.extend(b"PAR1");
    bytes.into()
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
