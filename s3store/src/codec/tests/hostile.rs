//! Files that claim far more than they hold are errors. Without the checks, each of these ends the process.

use arrow_schema::DataType;
use bytes::Bytes;

use super::crafted::{
    BYTE_ARRAY, Crafted, CraftedPage, DELTA_BYTE_ARRAY, DELTA_LENGTH, FIXED, INT64, PLAIN, RLE_DICTIONARY,
    constant_delta, file, file_of_groups, int, structs, text, varint, with_footer, zstd,
};
use super::{column, layout, list, open};
use crate::codec::decode_by_ranges;
use crate::error::{ErrorKind, Result};
use crate::record::{ColumnNode, Shape};

/// Reads a file with both readers, which must agree. Returns the number of rows.
pub(super) fn outcome(file: &Bytes, columns: Vec<ColumnNode>) -> Result<usize> {
    let layout = layout(columns, None);
    let in_memory: Result<usize> =
        open(file.clone(), &layout).and_then(|reader| reader.map(|batch| Ok(batch?.num_rows())).sum());
    let by_ranges = decode_by_ranges(file, &layout);
    match (&in_memory, &by_ranges) {
        (Ok(rows), Ok(others)) => assert_eq!(rows, others),
        (Err(error), Err(other)) => assert_eq!((error.kind(), other.kind()), (ErrorKind::InvalidData, error.kind())),
        _ => panic!("in memory: {in_memory:?}, by ranges: {by_ranges:?}"),
    }
    in_memory
}

fn refusal(file: &Bytes, columns: Vec<ColumnNode>) -> String {
    outcome(file, columns).unwrap_err().to_string()
}

fn text_column() -> Vec<ColumnNode> {
    vec![column("a", DataType::Utf8).null()]
}

fn text_page(values: i64, encoding: i64, body: Vec<u8>) -> Crafted {
    Crafted::new("a", BYTE_ARRAY, vec![CraftedPage::new(0, values, encoding, body)])
}

#[test]
fn crafted_files_are_read() {
    let plain = text_page(2, PLAIN, [&[1, 0, 0, 0, b'x'][..], &[2, 0, 0, 0, b'y', b'z']].concat());
    assert_eq!(outcome(&file(2, &[plain]), text_column()).unwrap(), 2);
    let prefixed = [constant_delta(3, 0), constant_delta(3, 1), b"xyz".to_vec()].concat();
    let prefixed = text_page(3, DELTA_BYTE_ARRAY, prefixed);
    assert_eq!(outcome(&file(3, &[prefixed]), text_column()).unwrap(), 3);
}

#[test]
fn lists_in_a_footer_are_no_longer_than_the_footer() {
    // The schema, the row groups, the key-value metadata and the column orders, each with too many elements.
    for (field, claimed) in [(2, 0x7fff_ffff), (2, 2_000), (4, 0x7fff_ffff), (4, 40_000), (5, 1 << 30), (7, 1 << 30)] {
        let mut footer = Vec::new();
        int(1, 1, &mut footer);
        if field > 2 {
            structs(1, 1, &mut footer);
            text(4, b"schema", &mut footer);
            int(1, 0, &mut footer);
            footer.push(0);
            int(1, 0, &mut footer);
            structs(field - 3, claimed, &mut footer);
        } else {
            structs(1, claimed, &mut footer);
        }
        footer.extend([0; 100]);
        let reason = refusal(&with_footer(b"PAR1".to_vec(), &footer), text_column());
        assert!(reason.contains(&format!("claims {claimed} elements")), "{reason}");
    }
}

#[test]
fn a_list_can_not_be_hidden_in_a_field_of_another_type() {
    // Field 1, the version, is written as bytes that begin like the list of row groups.
    let mut hidden = Vec::new();
    structs(3, 0x7fff_ffff, &mut hidden);
    let mut footer = Vec::new();
    text(1, &hidden, &mut footer);
    footer.push(0);
    let reason = refusal(&with_footer(b"PAR1".to_vec(), &footer), text_column());
    assert!(reason.contains("field 1 of FileMetaData has the wrong type"), "{reason}");
    // A list of booleans that the library skips in no bytes.
    let mut footer = vec![0xe9, 0xf1];
    varint(0x7fff_ffff, &mut footer);
    footer.push(0);
    let reason = refusal(&with_footer(b"PAR1".to_vec(), &footer), text_column());
    assert!(reason.contains("booleans"), "{reason}");
}

/// A footer with a schema of `levels` groups, one in the other.
fn nested(levels: u64) -> Bytes {
    let mut footer = Vec::new();
    int(1, 1, &mut footer);
    structs(1, levels + 2, &mut footer);
    for _ in 0..=levels {
        int(3, 1, &mut footer);
        text(1, b"a", &mut footer);
        int(1, 1, &mut footer);
        footer.push(0);
    }
    int(1, INT64, &mut footer);
    int(2, 1, &mut footer);
    text(1, b"a", &mut footer);
    footer.push(0);
    int(1, 0, &mut footer);
    structs(1, 0, &mut footer);
    footer.push(0);
    with_footer(b"PAR1".to_vec(), &footer)
}

#[test]
fn a_schema_is_not_nested_without_a_limit() {
    for levels in [65, 1_000, 200_000] {
        let reason = refusal(&nested(levels), text_column());
        assert!(reason.contains("nested more than 64 deep"), "{reason}");
    }
    // The deepest that is read, on a thread with a small stack.
    let read = || outcome(&nested(63), vec![column("b", DataType::Int64).null()]).map_err(|error| error.to_string());
    let rows = std::thread::Builder::new().stack_size(1 << 20).spawn(read).unwrap().join().unwrap();
    assert_eq!(rows, Ok(0));
}

#[test]
fn paths_of_columns_are_not_copied_without_a_limit() {
    let mut footer = Vec::new();
    int(1, 1, &mut footer);
    structs(1, 30_002, &mut footer);
    text(4, b"schema", &mut footer);
    int(1, 1, &mut footer);
    footer.push(0);
    int(3, 0, &mut footer);
    text(1, &vec![b'x'; 1 << 20], &mut footer);
    int(1, 30_000, &mut footer);
    footer.push(0);
    for _ in 0..30_000 {
        int(1, INT64, &mut footer);
        int(2, 0, &mut footer);
        text(1, b"a", &mut footer);
        footer.push(0);
    }
    int(1, 0, &mut footer);
    structs(1, 0, &mut footer);
    footer.push(0);
    let reason = refusal(&with_footer(b"PAR1".to_vec(), &footer), text_column());
    assert!(reason.contains("the paths of the columns take"), "{reason}");
}

#[test]
fn lengths_in_a_page_are_no_more_than_its_values() {
    for claimed in [4, 1 << 20, 1 << 40, u64::MAX] {
        let body = [constant_delta(claimed, 1), b"xyz".to_vec()].concat();
        let reason = refusal(&file(3, &[text_page(3, DELTA_LENGTH, body)]), text_column());
        assert!(reason.contains("column a") && reason.contains("its page has 3 values"), "{reason}");
        for bodies in
            [[constant_delta(claimed, 0), constant_delta(3, 1)], [constant_delta(3, 0), constant_delta(claimed, 1)]]
        {
            let body = [bodies.concat(), b"xyz".to_vec()].concat();
            let reason = refusal(&file(3, &[text_page(3, DELTA_BYTE_ARRAY, body)]), text_column());
            assert!(reason.contains("its page has 3 values"), "{reason}");
        }
    }
}

#[test]
fn prefixes_do_not_multiply_a_value_without_a_limit() {
    for bits in [16, 20] {
        let reason = refusal_of_repeated_prefixes(bits);
        assert!(reason.contains("column a: the pages up to here decode to"), "{reason}");
    }
}

/// The first value has 2^bits bytes, and all others repeat it.
fn refusal_of_repeated_prefixes(bits: usize) -> String {
    let (rows, length) = (8_000u64, 1i64 << bits);
    let blocks = (rows - 1).div_ceil(128);
    let mut prefixes = Vec::new();
    varint(128, &mut prefixes);
    varint(4, &mut prefixes);
    varint(rows, &mut prefixes);
    prefixes.push(0);
    // One delta of the whole length, and none after it.
    prefixes.extend([0, 21, 0, 0, 0]);
    let mut first = vec![0u8; 21 * 32 / 8];
    first[..3].copy_from_slice(&length.to_le_bytes()[..3]);
    prefixes.extend(first);
    (1..blocks).for_each(|_| prefixes.extend([0, 0, 0, 0, 0]));
    let mut suffixes = Vec::new();
    varint(128, &mut suffixes);
    varint(4, &mut suffixes);
    varint(rows, &mut suffixes);
    super::crafted::zigzag(length, &mut suffixes);
    super::crafted::zigzag(-length, &mut suffixes);
    suffixes.extend([21; 4]);
    // The first delta is the least, so that no length is left. All others of this block undo the least.
    let mut packed = vec![0u8; 21 * 128 / 8];
    for value in 1..128usize {
        let bit = value * 21 + bits;
        packed[bit / 8] |= 1 << (bit % 8);
    }
    suffixes.extend(packed);
    (1..blocks).for_each(|_| suffixes.extend([0, 0, 0, 0, 0]));
    let body = [prefixes, suffixes, vec![b'x'; length as usize]].concat();
    refusal(&file(rows as i64, &[text_page(rows as i64, DELTA_BYTE_ARRAY, body)]), text_column())
}

/// A column of one text of so many bytes, compressed to almost nothing.
fn long_text(name: &str, length: usize) -> Crafted {
    let body = zstd(&(length as u32).to_le_bytes(), b'x', length);
    let page = CraftedPage { uncompressed: Some(length as i64 + 4), ..CraftedPage::new(0, 1, PLAIN, body) };
    Crafted { codec: 6, ..Crafted::new(name, BYTE_ARRAY, vec![page]) }
}

#[test]
fn all_columns_together_decode_to_no_more_than_the_file_justifies() {
    let columns = || ["a", "b", "c"].map(|name| column(name, DataType::Utf8).null()).to_vec();
    let texts = |lengths: [usize; 3]| {
        let columns: Vec<_> =
            ["a", "b", "c"].into_iter().zip(lengths).map(|(name, bytes)| long_text(name, bytes)).collect();
        file(1, &columns)
    };
    assert_eq!(outcome(&texts([60 << 20, 1, 1]), columns()).unwrap(), 1);
    for (lengths, at) in
        [([90 << 20, 1, 1], "a"), ([30 << 20, 60 << 20, 1], "b"), ([30 << 20, 30 << 20, 30 << 20], "c")]
    {
        let reason = refusal(&texts(lengths), columns());
        assert!(reason.contains(&format!("column {at}: the pages up to here decode to")), "{reason}");
    }
}

#[test]
fn repeated_values_of_a_fixed_length_count() {
    let (length, rows) = (8_000, 100_000);
    let mut indices = vec![1];
    varint(rows << 1, &mut indices);
    indices.push(0);
    let dictionary = CraftedPage::new(2, 1, PLAIN, vec![b'x'; length]);
    let data = CraftedPage::new(0, rows as i64, RLE_DICTIONARY, indices);
    let fixed = Crafted { type_length: Some(length as i64), ..Crafted::new("a", FIXED, vec![dictionary, data]) };
    let reason = refusal(&file(rows as i64, &[fixed]), vec![column("a", DataType::Binary)]);
    assert!(reason.contains("column a: the pages up to here decode to"), "{reason}");
}

#[test]
fn values_of_a_dictionary_count() {
    // Two million empty texts.
    let length = 8 << 20;
    let body = zstd(&[0], 0, length - 1);
    let values = length as i64 / 4;
    let dictionary = CraftedPage { uncompressed: Some(length as i64), ..CraftedPage::new(2, values, PLAIN, body) };
    let indices = zstd(&[1, 2], 0, 1);
    let data = CraftedPage { uncompressed: Some(3), ..CraftedPage::new(0, 1, RLE_DICTIONARY, indices) };
    let column = Crafted { codec: 6, ..Crafted::new("a", BYTE_ARRAY, vec![dictionary, data]) };
    let reason = refusal(&file(1, &[column]), text_column());
    assert!(reason.contains("column a: its pages claim"), "{reason}");
}

#[test]
fn rows_and_values_are_in_proportion_to_the_file() {
    // One byte repeats as often as one likes.
    let dictionary = CraftedPage::new(2, 1, PLAIN, vec![1, 0, 0, 0, b'x']);
    let repeated = |values: i64| {
        let mut body = vec![1];
        varint((values as u64) << 1, &mut body);
        body.push(0);
        Crafted::new("a", BYTE_ARRAY, vec![dictionary.clone(), CraftedPage::new(0, values, RLE_DICTIONARY, body)])
    };
    assert_eq!(outcome(&file(1 << 20, &[repeated(1 << 20)]), text_column()).unwrap(), 1 << 20);
    for rows in [1 << 30, 0x7fff_ffff] {
        let reason = refusal(&file(rows, &[repeated(rows)]), text_column());
        assert!(reason.contains(&format!("claims {rows} rows")), "{reason}");
        let reason = refusal(&file(10, &[repeated(rows)]), text_column());
        assert!(reason.contains("column a: its pages claim"), "{reason}");
        // No column of the file is wanted.
        let reason = refusal(&file(rows, &[repeated(1)]), vec![column("other", DataType::Utf8).null()]);
        assert!(reason.contains("rows"), "{reason}");
    }
    // A list of one row.
    let mut body = Vec::new();
    for _ in 0..2 {
        let mut levels = Vec::new();
        varint(0x7fff_ffff << 1, &mut levels);
        levels.push(1);
        body.extend((levels.len() as u32).to_le_bytes());
        body.extend(levels);
    }
    body.extend([1, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0]);
    let page = CraftedPage::new(0, 0x7fff_ffff, RLE_DICTIONARY, body);
    let mut bare = Crafted::new("a", BYTE_ARRAY, vec![dictionary, page]);
    bare.repetition = 2;
    let reason = refusal(&file(1, &[bare]), vec![list("a", Shape::Leaf(DataType::Utf8)).null()]);
    assert!(reason.contains("column a: its pages claim"), "{reason}");
}

#[test]
fn dictionaries_hold_what_their_bytes_can() {
    for physical in [BYTE_ARRAY, INT64] {
        for claimed in [3, 0x7fff_ffff] {
            let dictionary = CraftedPage::new(2, claimed, PLAIN, vec![0; 8]);
            let data = CraftedPage::new(0, 1, RLE_DICTIONARY, vec![1, 2, 0]);
            let wanted = if physical == INT64 { DataType::Int64 } else { DataType::Utf8 };
            let bytes = file(1, &[Crafted::new("a", physical, vec![dictionary, data])]);
            let reason = refusal(&bytes, vec![column("a", wanted)]);
            assert!(reason.contains(&format!("claims {claimed} values")), "{reason}");
        }
    }
}

#[test]
fn a_page_holds_what_its_codec_can_compress() {
    for codec in [1, 2, 5, 6, 7] {
        let mut column = text_page(1, PLAIN, vec![0; 20]);
        (column.codec, column.pages[0].uncompressed) = (codec, Some(0x7fff_ffff));
        let reason = refusal(&file(1, &[column]), text_column());
        assert!(reason.contains("column a: a page of 20 bytes claims to hold"), "{reason}");
    }
}

#[test]
fn nulls_of_long_values_are_not_reserved() {
    // One run of 1,000 nulls: values of 2 GB each would be reserved for them.
    let mut column = Crafted::new("a", FIXED, vec![CraftedPage::new(0, 1_000, PLAIN, vec![3, 0, 0, 0, 0xd0, 0x0f, 0])]);
    (column.type_length, column.repetition) = (Some(0x7fff_ffff), 1);
    let reason = refusal(&file(1_000, &[column]), vec![super::column("a", DataType::Binary).null()]);
    assert!(reason.contains("values of 2147483647 bytes"), "{reason}");
}

#[test]
fn column_chunks_lie_in_the_file() {
    let bytes = file(1, &[text_page(1, PLAIN, vec![1, 0, 0, 0, b'x'])]);
    for end in 4..bytes.len() - 12 {
        // The footer moves, so that each chunk begins and ends elsewhere.
        let mut cut = bytes.slice(..4).to_vec();
        cut.extend(&bytes[end..]);
        let _ = outcome(&cut.into(), text_column());
    }
    for misplaced in [(1 << 20, 0), (-100, 0), (i64::MIN, 0), (i64::MAX - 4, 0), (0, 1 << 20), (0, -100), (1, i64::MAX)]
    {
        let column = Crafted { misplaced, ..text_page(1, PLAIN, vec![1, 0, 0, 0, b'x']) };
        let reason = refusal(&file(1, &[column]), text_column());
        assert!(reason.contains("column a: the column chunk lies outside of the file"), "{misplaced:?}: {reason}");
    }
}

#[test]
fn limits_count_all_row_groups() {
    // Each row group has one row and as many values as a file may have in any case.
    let values = 1i64 << 20;
    let mut body = Vec::new();
    for first in [0, 1] {
        // One level, and then 1 for all others.
        let mut levels = vec![2, first];
        varint((values as u64 - 1) << 1, &mut levels);
        levels.push(1);
        body.extend((levels.len() as u32).to_le_bytes());
        body.extend(levels);
    }
    body.push(1);
    varint((values as u64) << 1, &mut body);
    body.push(0);
    let dictionary = CraftedPage::new(2, 1, PLAIN, vec![1, 0, 0, 0, b'x']);
    let mut bare = Crafted::new("a", BYTE_ARRAY, vec![dictionary, CraftedPage::new(0, values, RLE_DICTIONARY, body)]);
    bare.repetition = 2;
    let columns = [bare];
    let wanted = || vec![list("a", Shape::Leaf(DataType::Utf8)).null()];
    assert_eq!(outcome(&file_of_groups(&[(1, &columns[..])], ""), wanted()).unwrap(), 1);
    let reason = refusal(&file_of_groups(&[(1, &columns[..]); 3], ""), wanted());
    assert!(reason.contains("column a: its pages claim"), "{reason}");
}

#[test]
fn a_list_begins_in_the_row_group_of_its_row() {
    let group = |repetition: &[u8]| {
        let mut body = Vec::new();
        for levels in [repetition, &vec![1; repetition.len()]] {
            // One run of one for each level.
            let runs: Vec<u8> = levels.iter().flat_map(|&level| [2, level]).collect();
            body.extend((runs.len() as u32).to_le_bytes());
            body.extend(runs);
        }
        body.extend([1, 0, 0, 0, b'x'].repeat(repetition.len()));
        [Crafted { repetition: 2, ..text_page(repetition.len() as i64, PLAIN, body) }]
    };
    let wanted = || vec![list("a", Shape::Leaf(DataType::Utf8)).null()];
    let groups = |first: &[u8], second: &[u8]| {
        let (first, second) = (group(first), group(second));
        outcome(&file_of_groups(&[(1, &first[..]), (1, &second[..])], ""), wanted())
    };
    assert_eq!(groups(&[0, 1], &[0, 1]).unwrap(), 2);
    // The second group begins in the middle of a list, which must not become a part of the first group's row.
    for second in [&[1, 0][..], &[1, 1], &[1]] {
        let reason = groups(&[0], second).unwrap_err().to_string();
        assert!(!reason.contains("panic"), "{reason}");
    }
}

#[test]
fn page_headers_are_checked() {
    let page = || CraftedPage::new(0, 1, PLAIN, vec![1, 0, 0, 0, b'x']);
    let with = |page: CraftedPage| refusal(&file(1, &[Crafted::new("a", BYTE_ARRAY, vec![page])]), text_column());
    for kind in [1, 4, -1] {
        let reason = with(CraftedPage { kind, ..page() });
        assert!(reason.contains("column a: ") && reason.contains(&format!("type {kind}")), "{reason}");
    }
    for compressed in [6, 1 << 20, i64::from(i32::MAX)] {
        let reason = with(CraftedPage { compressed: Some(compressed), ..page() });
        assert!(reason.contains("column a: a page is longer than its column chunk"), "{reason}");
    }
    for size in [-1, 1 << 31, i64::MIN, i64::MAX] {
        let uncompressed = with(CraftedPage { uncompressed: Some(size), ..page() });
        let compressed = with(CraftedPage { compressed: Some(size), ..page() });
        for reason in [uncompressed, compressed] {
            assert!(reason.contains("column a: a page's size is out of range"), "{reason}");
        }
    }
}

#[test]
fn levels_lie_in_their_page() {
    // The levels of one value, but longer than the page.
    for length in [10, 1 << 20, u32::MAX] {
        let body = [&length.to_le_bytes()[..], &[2, 1], &[1, 0, 0, 0, b'x']].concat();
        for encoding in [PLAIN, DELTA_LENGTH, DELTA_BYTE_ARRAY] {
            let mut optional = text_page(1, encoding, body.clone());
            optional.repetition = 1;
            let reason = refusal(&file(1, &[optional]), text_column());
            assert!(reason.contains("column a: the levels of a page are longer than the page"), "{reason}");
        }
    }
}

#[test]
fn levels_lie_in_their_page_of_the_second_version() {
    let page = |levels| CraftedPage { levels, ..CraftedPage::new(3, 1, PLAIN, vec![1, 0, 0, 0, b'x']) };
    let with = |levels| file(1, &[Crafted::new("a", BYTE_ARRAY, vec![page(levels)])]);
    assert_eq!(outcome(&with((0, 0)), text_column()).unwrap(), 1);
    let most = i64::from(i32::MAX);
    for levels in [(6, 0), (0, 6), (3, 3), (most, 0)] {
        let reason = refusal(&with(levels), text_column());
        assert!(reason.contains("column a: ") && reason.contains("levels"), "{levels:?}: {reason}");
    }
    for levels in [(-1, 0), (0, -1), (-1, 1), (most, most)] {
        assert!(refusal(&with(levels), text_column()).contains("column a: "), "{levels:?}");
    }
}

/// A footer with the given schema elements, each by its number of children, and the rest of the footer after them.
fn footer_with(children: &[i64], rest: &[u8]) -> Bytes {
    let mut footer = Vec::new();
    int(1, 1, &mut footer);
    structs(1, children.len() as u64, &mut footer);
    for &children in children {
        if children == 0 {
            int(1, INT64, &mut footer);
            int(2, 0, &mut footer);
        } else {
            int(3, 0, &mut footer);
        }
        text(1, b"a", &mut footer);
        if children != 0 {
            int(1, children, &mut footer);
        }
        footer.push(0);
    }
    footer.extend(rest);
    with_footer(b"PAR1".to_vec(), &footer)
}

/// The end of a footer after its schema: no rows, and no row groups.
fn no_rows() -> Vec<u8> {
    let mut rest = Vec::new();
    int(1, 0, &mut rest);
    structs(1, 0, &mut rest);
    rest
}

#[test]
fn the_elements_of_a_schema_form_one_tree() {
    let end = [no_rows(), vec![0]].concat();
    let wanted = || vec![column("b", DataType::Int64).null()];
    assert_eq!(outcome(&footer_with(&[1, 0], &end), wanted()).unwrap(), 0);
    assert_eq!(outcome(&footer_with(&[2, 1, 0, 0], &end), wanted()).unwrap(), 0);
    for (children, expected) in [
        (&[3, 0, 0][..], ""),
        (&[4, 0, 0], "more children"),
        (&[0x7fff_ffff, 0], "more children"),
        (&[1, 0x7fff_ffff, 0], "more children"),
        (&[1, 0, 0], "belong to no group"),
        (&[0, 0], "belong to no group"),
        (&[1, -1, 0], "out of range"),
    ] {
        let reason = refusal(&footer_with(children, &end), wanted());
        assert!(reason.contains(expected), "{children:?}: {reason}");
    }
}

#[test]
fn a_footer_has_each_list_once() {
    let mut rest = no_rows();
    // The row groups again, in the long form of a field's id.
    rest.extend([9, 8]);
    rest.extend([0xfc, 0, 0]);
    let reason = refusal(&footer_with(&[1, 0], &rest), text_column());
    assert!(reason.contains("the list 4 twice"), "{reason}");
}

#[test]
fn values_of_unknown_fields_are_bounded() {
    let with = |value: &[u8]| refusal(&footer_with(&[1, 0], &[&no_rows(), value, &[0, 0, 0]].concat()), text_column());
    // Field 20, in each case: structs in structs, lists in lists, and a list of many elements.
    let reason = with(&[&[0x0c, 40][..], &[0x1c].repeat(200_000)].concat());
    assert!(reason.contains("nested more than 32 deep"), "{reason}");
    let reason = with(&[&[0x09, 40][..], &[0x19].repeat(200_000)].concat());
    assert!(reason.contains("nested more than 32 deep"), "{reason}");
    let mut list = vec![0x09, 40, 0xf8];
    varint(0x7fff_ffff, &mut list);
    let reason = with(&list);
    assert!(reason.contains("a list claims 2147483647 elements"), "{reason}");
    let mut map = vec![0x0b, 40];
    varint(0x7fff_ffff, &mut map);
    map.push(0x88);
    let reason = with(&map);
    assert!(reason.contains("a list claims 2147483647 elements"), "{reason}");
}

#[test]
fn elements_of_a_list_have_the_type_that_the_library_assumes() {
    // The row groups as a list of integers.
    let mut rest = Vec::new();
    int(1, 0, &mut rest);
    rest.extend([(1 << 4) | 9, 0x15, 0, 0]);
    let reason = refusal(&footer_with(&[1, 0], &rest), text_column());
    assert!(reason.contains("list 4 of FileMetaData has elements of the wrong type"), "{reason}");
}
