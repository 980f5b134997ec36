//! Responses to LIST that are cut off, incomplete or wrong: every reader is complete, or fails.

use bytes::Bytes;
use s3store::testing::{Fault, Operation};
use s3store::{ErrorKind, Offset};

use crate::integration::harness::Virtual;
use crate::integration::records::{Event, Parts};

const PARTITIONS: usize = 5;

/// Returns a world with five partitions, whose listings have pages of this size.
async fn world(page_size: usize) -> Virtual {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>().add_view::<Parts>().unwrap();
    store.write(&Event::in_partitions(PARTITIONS, 1)).await.unwrap();
    world.s3.set_page_size(page_size);
    world
}

/// The numbers of objects that the readers found, or their errors, each under the faults that `inject` adds.
async fn read_all_ways(world: &Virtual, inject: impl Fn(&Virtual)) -> Vec<(&'static str, s3store::Result<usize>)> {
    let dataset = world.settled().await;
    let store = dataset.store::<Event>();
    let mut found = Vec::new();
    inject(world);
    found.push(("read", store.read_all().await.map(|records| records.len())));
    world.s3.clear_faults();
    inject(world);
    found.push(("poll", store.poll(&Offset::START).await.map(|page| page.entries.len())));
    world.s3.clear_faults();
    inject(world);
    found.push(("lookup", dataset.view::<Parts>().lookup("*").await.map(|tuples| tuples.len())));
    world.s3.clear_faults();
    found
}

/// Checks that every reader is complete, or fails as if S3 were unavailable. Returns how many failed.
async fn check(world: &Virtual, what: &str, inject: impl Fn(&Virtual)) -> usize {
    let mut failed = 0;
    for (method, result) in read_all_ways(world, inject).await {
        match result {
            Ok(found) => assert_eq!(found, PARTITIONS, "{what}: {method}"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{what}: {method}: {error:?}");
                failed += 1;
            }
        }
    }
    failed
}

fn edit(body: &Bytes, edit: impl Fn(&str) -> String) -> Bytes {
    Bytes::from(edit(std::str::from_utf8(body).unwrap()))
}

fn lists() -> s3store::testing::FaultBuilder {
    Fault::on(Operation::List)
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_is_cut_at_any_byte_is_not_taken_as_complete() {
    let world = world(2).await;
    for cut in (0..1_200).step_by(37) {
        for page in 0..2 {
            let fault = lists().skip(page).rewrite_body(move |body| body.slice(..body.len().min(cut)));
            // The second try gets the whole response.
            let failed =
                check(&world, &format!("page {page} cut at {cut}"), |world| world.s3.inject(fault.clone())).await;
            assert_eq!(failed, 0);
        }
    }
    let always = lists().always().rewrite_body(|body| body.slice(..body.len() / 2));
    assert_eq!(check(&world, "always cut", |world| world.s3.inject(always.clone())).await, 3);
}

#[tokio::test(start_paused = true)]
async fn a_listing_without_an_element_is_complete_or_fails() {
    let world = world(2).await;
    for name in [
        "Contents",
        "Key",
        "Size",
        "LastModified",
        "ETag",
        "KeyCount",
        "MaxKeys",
        "IsTruncated",
        "NextContinuationToken",
        "ContinuationToken",
        "EncodingType",
        "Prefix",
        "Name",
    ] {
        for page in [None, Some(0), Some(1), Some(2)] {
            let fault = page
                .map_or(lists().always(), |page| lists().skip(page))
                .rewrite_body(move |body| edit(&body, |text| without(text, name)));
            check(&world, &format!("page {page:?} without {name}"), |world| world.s3.inject(fault.clone())).await;
        }
    }
}

/// Returns the document without its first element of this name.
fn without(text: &str, name: &str) -> String {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    match (text.find(&open), text.find(&close)) {
        (Some(start), Some(end)) => format!("{}{}", &text[..start], &text[end + close.len()..]),
        _ => text.to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_repeats_a_page_or_a_token_fails() {
    use std::sync::{Arc, Mutex};
    let world = world(2).await;
    // Every response is the first one again.
    let repeat = |world: &Virtual| {
        let first: Arc<Mutex<Option<Bytes>>> = Arc::default();
        world.s3.inject(lists().always().rewrite_body(move |body| first.lock().unwrap().get_or_insert(body).clone()));
    };
    assert_eq!(check(&world, "the same page", repeat).await, 3);
    // All pages are right, but each has the token of the first one.
    let same_token = |world: &Virtual| {
        let first: Arc<Mutex<Option<String>>> = Arc::default();
        world.s3.inject(lists().always().rewrite_body(move |body| {
            edit(&body, |text| {
                let (open, close) = ("<NextContinuationToken>", "</NextContinuationToken>");
                let Some((before, rest)) = text.split_once(open) else { return text.to_owned() };
                let (token, after) = rest.split_once(close).unwrap();
                let mut first = first.lock().unwrap();
                let token = first.get_or_insert(token.to_owned());
                format!("{before}{open}{token}{close}{after}")
            })
        }));
    };
    assert_eq!(check(&world, "the same token", same_token).await, 3);
}

#[tokio::test(start_paused = true)]
async fn keys_that_are_encoded_without_saying_so_are_decoded() {
    let world = world(2).await;
    let fault = lists().always().rewrite_body(|body| edit(&body, |text| without(text, "EncodingType")));
    assert_eq!(check(&world, "no EncodingType", |world| world.s3.inject(fault.clone())).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_not_a_listing_is_quoted() {
    let world = world(2).await;
    for (body, quoted) in [
        ("<html><body>Sign in to the network</body></html>", "<html><body>Sign in to the network"),
        ("", "an empty body"),
    ] {
        world.s3.inject(lists().always().rewrite_body(move |_| Bytes::from_static(body.as_bytes())));
        let error = world.settled().await.store::<Event>().read_all().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains(quoted), "{error}");
        world.s3.clear_faults();
    }
}
