//! The parts of a Parquet file: its footer and its pages.

use std::collections::BTreeSet;
use std::ops::Range;

use bytes::Bytes;

use crate::thrift::Value;

/// A page of a column chunk.
pub struct Page {
    /// The column's name at the root.
    pub column: String,
    pub header: Range<usize>,
    pub body: Range<usize>,
    pub fields: Value,
}

impl Page {
    pub fn has_checksum(&self) -> bool {
        self.fields.field(4).is_some()
    }
}

/// Returns a file's footer and its place.
pub fn footer(file: &[u8]) -> Option<(Range<usize>, Value)> {
    let end = file.len().checked_sub(8)?;
    let length = u32::from_le_bytes(file.get(end..end + 4)?.try_into().ok()?) as usize;
    let start = end.checked_sub(length)?;
    let value = Value::parse_struct(&mut &file[start..end])?;
    Some((start..end, value))
}

/// Returns the file with another footer.
pub fn with_footer(file: &[u8], old: &Range<usize>, footer: &Value) -> Vec<u8> {
    let mut new = file[..old.start].to_vec();
    footer.write(&mut new);
    let length = (new.len() - old.start) as u32;
    new.extend(length.to_le_bytes());
    new.extend(b"PAR1");
    new
}

/// Returns the metadata of the column chunks in a footer.
fn chunks(footer: &Value) -> impl Iterator<Item = &Value> {
    let groups = footer.field(4).map(Value::items).unwrap_or_default();
    groups
        .iter()
        .flat_map(|group| group.field(1).map(Value::items).unwrap_or_default())
        .filter_map(|chunk| chunk.field(3))
}

/// Returns the range of a column chunk.
fn range(chunk: &Value) -> Option<Range<usize>> {
    let int = |id| chunk.field(id).and_then(Value::int).and_then(|value| usize::try_from(value).ok());
    let start = int(11).filter(|&start| start > 0).or_else(|| int(9))?;
    Some(start..start + int(7)?)
}

fn name(chunk: &Value) -> String {
    match chunk.field(3).map(Value::items).unwrap_or_default() {
        [Value::Binary(name), ..] => String::from_utf8_lossy(name).into_owned(),
        _ => String::new(),
    }
}

/// Returns the pages of a file that was not mutated.
pub fn pages(file: &[u8]) -> Vec<Page> {
    let (_, footer) = footer(file).unwrap();
    let mut pages = Vec::new();
    for chunk in chunks(&footer) {
        let Range { mut start, end } = range(chunk).unwrap();
        while start < end {
            let mut rest = &file[start..end];
            let fields = Value::parse_struct(&mut rest).unwrap();
            let body = end - rest.len();
            let size = fields.field(3).and_then(Value::int).unwrap() as usize;
            pages.push(Page { column: name(chunk), header: start..body, body: body..body + size, fields });
            start = body + size;
        }
    }
    pages
}

/// Returns the bytes that hold neither the footer nor a chunk of one of these columns.
pub fn unread(file: &[u8], columns: &BTreeSet<String>) -> Vec<usize> {
    let (place, footer) = footer(file).unwrap();
    let mut unread = vec![true; place.start];
    unread[..4].fill(false);
    for chunk in chunks(&footer).filter(|chunk| columns.contains(&name(chunk))) {
        unread[range(chunk).unwrap()].fill(false);
    }
    (0..place.start).filter(|&at| unread[at]).collect()
}

/// Returns the file with another header of a page. If `fix` is true, the footer's offsets and sizes follow.
pub fn with_header(file: &[u8], page: &Page, header: &Value, fix: bool) -> Vec<u8> {
    let (place, mut footer) = footer(file).unwrap();
    let mut new = file[..page.header.start].to_vec();
    header.write(&mut new);
    let moved = new.len() as i64 - page.header.end as i64;
    new.extend(&file[page.header.end..place.start]);
    if fix {
        for group in footer.field_mut(4).map(Value::items_mut).unwrap_or_default() {
            for chunk in group.field_mut(1).map(Value::items_mut).unwrap_or_default() {
                let Some(chunk) = chunk.field_mut(3) else { continue };
                let holds = range(chunk).is_some_and(|range| range.contains(&page.header.start));
                for id in [9, 10, 11] {
                    if let Some(Value::Int(_, offset)) = chunk.field_mut(id)
                        && *offset > page.header.start as i64
                    {
                        *offset += moved;
                    }
                }
                if let Some(Value::Int(_, size)) = chunk.field_mut(7)
                    && holds
                {
                    *size += moved;
                }
            }
        }
    }
    let old = new.len()..new.len();
    with_footer(&new, &old, &footer)
}

/// Returns the file without the checksums of its pages.
pub fn without_checksums(file: &Bytes) -> Bytes {
    let mut file = file.clone();
    for index in (0..pages(&file).len()).rev() {
        let page = &pages(&file)[index];
        let mut header = page.fields.clone();
        if let Value::Struct(fields) = &mut header {
            fields.retain(|(id, _)| *id != 4);
        }
        file = with_header(&file, page, &header, true).into();
    }
    file
}
