use super::*;

const MIB: u64 = 1 << 20;

fn source(len: u64) -> Source {
    Source { etag: Some("\"1\"".to_owned()), len: Some(len), size: Some(len), ..Source::default() }
}

fn bytes(len: u64) -> Bytes {
    Bytes::from(vec![7; usize::try_from(len).unwrap()])
}

fn partial(len: u64, received: u64) -> Partial {
    let mut partial = Partial::default();
    partial.begin(source(len));
    partial.push(bytes(received));
    partial
}

#[test]
fn only_a_body_that_can_be_continued_has_a_rest() {
    let rest = partial(MIB, LEAST_KEPT).rest().unwrap();
    assert_eq!((rest.etag.as_str(), rest.range, rest.size), ("\"1\"", LEAST_KEPT..MIB, Some(MIB)));
    let mut within = Partial::default();
    within.begin(Source { start: 100, len: Some(MIB), size: Some(9 * MIB), ..source(0) });
    within.push(bytes(LEAST_KEPT));
    assert_eq!(within.rest().unwrap().range, 100 + LEAST_KEPT..100 + MIB);

    assert_eq!(partial(MIB, LEAST_KEPT - 1).rest(), None);
    assert_eq!(partial(MIB, MIB).rest(), None, "nothing is missing");
    for source in [
        Source { etag: None, ..source(MIB) },
        Source { etag: Some("W/\"1\"".to_owned()), ..source(MIB) },
        Source { len: None, ..source(MIB) },
    ] {
        let mut partial = Partial::default();
        partial.begin(source);
        partial.push(bytes(LEAST_KEPT));
        assert_eq!(partial.rest(), None);
    }
    let mut page = Partial::default();
    page.begin(source(MIB));
    page.push(Bytes::from([b"<html>".as_slice(), &bytes(LEAST_KEPT)].concat()));
    assert_eq!(page.rest(), None);
    let mut given_up = partial(MIB, LEAST_KEPT);
    given_up.give_up();
    given_up.begin(source(MIB));
    given_up.push(bytes(LEAST_KEPT));
    assert_eq!(given_up.rest(), None);
}

#[test]
fn progress_is_a_mebibyte_or_a_sixteenth_of_what_is_missing() {
    for (len, received, is_progress) in [
        (100 * MIB, MIB, true),
        (100 * MIB, MIB - 1, false),
        (8 * MIB, MIB / 2, true),
        (8 * MIB, MIB / 2 - 1, false),
        (MIB / 2, LEAST_KEPT, true),
        (MIB / 2, LEAST_KEPT - 1, false),
    ] {
        assert_eq!(partial(len, received).end_try(), is_progress, "{received} of {len}");
    }
}

/// A server may send few bytes a try, or all from the beginning again.
#[test]
fn the_number_of_tries_is_limited() {
    for each in [1, LEAST_KEPT - 1, LEAST_KEPT, 3 * LEAST_KEPT] {
        for is_restarted in [false, true] {
            let len = 32 * MIB;
            let mut body = Partial::default();
            let (mut tries, mut counted) = (0_u64, 0);
            let mut sent = 0;
            while counted < 5 && body.len() < len {
                if body.rest().is_none() || is_restarted {
                    sent = if is_restarted { (sent + each).min(len - 1) } else { each };
                    body.begin(source(len));
                    body.push(bytes(sent));
                } else {
                    body.join();
                    body.push(bytes(each.min(len - body.len())));
                }
                tries += 1;
                counted = if body.end_try() { 1 } else { counted + 1 };
            }
            assert!(tries < 600, "{tries} tries of {each} bytes");
        }
    }
}

#[test]
fn a_response_must_continue_the_same_object_at_the_same_place() {
    let rest = partial(MIB, LEAST_KEPT).rest().unwrap();
    let range = |range: Range<u64>, size| ContentRange { range, size };
    let fits = |etag, content_range| rest.compare(etag, &content_range);
    let etag = Some("\"1\"");
    assert_eq!(fits(etag, range(LEAST_KEPT..MIB, Some(MIB))), Continuation::Fits);
    assert_eq!(fits(etag, range(LEAST_KEPT..MIB, None)), Continuation::Fits);
    assert_eq!(fits(etag, range(LEAST_KEPT..MIB - 1, Some(MIB))), Continuation::Fits);
    assert_eq!(fits(Some("\"2\""), range(LEAST_KEPT..MIB, Some(MIB))), Continuation::Changed);
    for (etag, content_range) in [
        (None, range(LEAST_KEPT..MIB, Some(MIB))),
        (etag, range(0..MIB, Some(MIB))),
        (etag, range(LEAST_KEPT + 1..MIB, Some(MIB))),
        (etag, range(LEAST_KEPT..MIB + 1, Some(MIB + 1))),
        (etag, range(LEAST_KEPT..MIB, Some(MIB + 1))),
    ] {
        assert!(matches!(fits(etag, content_range), Continuation::Unusable(_)));
    }
}

#[test]
fn reads_content_ranges() {
    let parsed = |text| ContentRange::parse(text).map(|parsed| (parsed.range, parsed.size));
    assert_eq!(parsed("bytes 0-99/1000"), Some((0..100, Some(1_000))));
    assert_eq!(parsed("bytes 10-10/*"), Some((10..11, None)));
    for text in
        ["", "bytes", "bytes */100", "bytes 5-4/100", "bytes 0-100/100", "items 0-9/10", "bytes 0-9", "bytes a-9/10"]
    {
        assert_eq!(parsed(text), None, "{text}");
    }
    assert_eq!(parsed(&format!("bytes 0-{}/*", u64::MAX)), None);
}

#[test]
fn the_joined_body_is_compared_with_the_objects_checksum() {
    let body = bytes(MIB);
    let mut checksum = ChecksumAlgorithm::Crc64Nvme.into_impl();
    checksum.update(&body);
    let value = checksum.header_value().to_str().unwrap().to_owned();
    for (name, value, expected) in [
        ("x-amz-checksum-crc64nvme", value.clone(), Some(true)),
        ("x-amz-checksum-crc64nvme", "AAAAAAAAAAA=".to_owned(), Some(false)),
        ("x-amz-checksum-other", value, None),
    ] {
        let mut partial = Partial::default();
        partial.begin(Source { checksums: vec![(name.to_owned(), value)], ..source(MIB) });
        partial.push(body.slice(..100_000));
        partial.join();
        partial.push(body.slice(100_000..));
        assert_eq!(partial.is_verified(), expected, "{name}");
        assert_eq!(partial.take().0, body);
    }
    assert_eq!(partial(MIB, MIB).is_verified(), None);
}

#[test]
fn chunks_are_joined_in_one_buffer_of_the_bodys_length() {
    let mut partial = Partial::default();
    partial.begin(source(10 * MIB));
    for _ in 0..1_000 {
        partial.push(bytes(10 * MIB / 1_000));
    }
    let Joined::Many(joined) = &partial.body else { panic!("one chunk") };
    assert_eq!(joined.capacity() as u64, 10 * MIB);
    // A header is believed only so far.
    let mut announced = Partial::default();
    announced.begin(source(1 << 50));
    announced.push(bytes(1));
    announced.push(bytes(1));
    let Joined::Many(joined) = &announced.body else { panic!("one chunk") };
    assert!(joined.capacity() as u64 <= LARGEST_STEP + 1);
    // A single chunk is not copied.
    let chunk = bytes(MIB);
    let mut single = Partial::default();
    single.begin(source(MIB));
    single.push(chunk.clone());
    assert_eq!(single.take().0.as_ptr(), chunk.as_ptr());
}
