//! Responses to LIST that are cut off, incomplete or wrong: every reader is complete, or fails.

use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use s3store::testing::{Fault, Operation, Request};
use s3store::{Dataset, ErrorKind, Offset};

use crate::integration::harness::{Virtual, put};
use crate::integration::records::{Event, Parts};

const PARTITIONS: usize = 5;

/// Writes whose commit failed.
const FAILED: usize = 3;

/// Returns a world with five partitions and what failed writes left of three more, whose listings have pages of this size.
async fn world(page_size: usize) -> Virtual {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>().add_view::<Parts>().unwrap();
    store.write(&Event::in_partitions(PARTITIONS, 1)).await.unwrap();
    for failed in 0..FAILED {
        world.s3.inject(put(".commit").fail(403, "AccessDenied"));
        store.write(&Event::of(&[&format!("q{failed}")], 1)).await.unwrap_err();
    }
    world.s3.set_page_size(page_size);
    world
}

type Found = Pin<Box<dyn Future<Output = s3store::Result<usize>>>>;

/// A way to read, how many things it finds in [`world`], and its name.
type Reader = (&'static str, usize, fn(Dataset) -> Found);

/// Every public operation that lists.
const READERS: [Reader; 10] = [
    ("read", PARTITIONS, |d| Box::pin(async move { Ok(d.store::<Event>().read_all().await?.len()) })),
    ("read of two patterns", 2, |d| {
        Box::pin(async move { Ok(d.store::<Event>().read(["part=p01", "part=p03*"]).await?.len()) })
    }),
    ("partitions", PARTITIONS, |d| Box::pin(async move { Ok(d.store::<Event>().partitions("*").await?.len()) })),
    ("poll", PARTITIONS, |d| Box::pin(async move { Ok(d.store::<Event>().poll(&Offset::START).await?.entries.len()) })),
    ("poll_records", PARTITIONS, |d| {
        Box::pin(async move { Ok(d.store::<Event>().poll_records(&Offset::START).await?.records.len()) })
    }),
    ("poll_range", PARTITIONS, |d| Box::pin(async move { Ok(d.store::<Event>().poll_range(..).await?.len()) })),
    ("read_range", PARTITIONS, |d| Box::pin(async move { Ok(d.store::<Event>().read_range(..).await?.len()) })),
    // A view also has the markers of failed writes.
    ("lookup", PARTITIONS + FAILED, |d| Box::pin(async move { Ok(d.view::<Parts>().lookup("*").await?.len()) })),
    ("backfill", PARTITIONS + FAILED, |d| {
        Box::pin(async move { Ok(d.view::<Parts>().backfill("*").await?.files as usize) })
    }),
    // A file and a ref of each failed write.
    ("doctor", 2 * FAILED, |d| {
        Box::pin(async move {
            let report = d.doctor(..).without_record_counts().await?;
            assert_eq!(report.commits, PARTITIONS as u64);
            Ok(report.findings.len())
        })
    }),
];

/// Runs every reader under the faults that `inject` adds, and checks that it is complete, or fails as if S3 were
/// unavailable. Returns the names of those that failed.
async fn check(world: &Virtual, what: &str, inject: impl Fn(&Virtual)) -> Vec<&'static str> {
    let dataset = world.settled().await;
    let mut failed = Vec::new();
    for (name, expected, read) in READERS {
        inject(world);
        match read(dataset.clone()).await {
            Ok(found) => assert_eq!(found, expected, "{what}: {name}"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{what}: {name}: {error:?}");
                failed.push(name);
            }
        }
        world.s3.clear_faults();
    }
    failed
}

/// A LIST of a reader: its parameters, and the response's body.
#[derive(Clone)]
struct Listed {
    prefix: String,
    after: Option<String>,
    token: Option<String>,
    body: String,
}

/// Runs a reader, and returns its LISTs in order.
async fn lists_of(world: &Virtual, dataset: &Dataset, read: fn(Dataset) -> Found) -> Vec<Listed> {
    let bodies: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = Arc::clone(&bodies);
    world.s3.inject(lists().always().rewrite_body(move |body| {
        kept.lock().unwrap().push(String::from_utf8(body.to_vec()).unwrap());
        body
    }));
    read(dataset.clone()).await.unwrap();
    world.s3.clear_faults();
    let bodies = bodies.lock().unwrap().clone();
    let listed = |body: String| Listed {
        prefix: text_of(&body, "Prefix").unwrap(),
        after: text_of(&body, "StartAfter"),
        token: text_of(&body, "ContinuationToken"),
        body,
    };
    bodies.into_iter().map(listed).collect()
}

/// Returns the text of the first element of this name, decoded.
fn text_of(body: &str, name: &str) -> Option<String> {
    let (_, rest) = body.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(text.replace("%3D", "=").replace("%2F", "/").replace("%3B", ";").replace("%25", "%"))
}

/// Answers all tries of a LIST with another body.
fn answer(listed: &Listed, body: String) -> Fault {
    let Listed { prefix, after, token, .. } = listed.clone();
    let body = Bytes::from(body);
    let same = move |request: &Request| {
        request.prefix() == Some(&prefix)
            && request.start_after() == after.as_deref()
            && request.parameter("continuation-token") == token.as_deref()
    };
    lists().matching(same).always().rewrite_body(move |_| body.clone())
}

/// Runs a reader while all tries of a LIST get another body. It is complete, or fails as if S3 were unavailable. Returns
/// whether it is complete.
async fn check_answer(
    world: &Virtual,
    dataset: &Dataset,
    reader: Reader,
    listed: &Listed,
    body: String,
    what: &str,
) -> bool {
    let (name, expected, read) = reader;
    world.s3.inject(answer(listed, body.clone()));
    let found = read(dataset.clone()).await;
    world.s3.clear_faults();
    match found {
        Ok(found) => {
            assert_eq!(found, expected, "{name}, {what}: {body}");
            true
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{name}, {what}: {error}: {body}");
            false
        }
    }
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
    // The second try gets the whole response.
    for cut in (0..1_200).step_by(307) {
        for page in 0..2 {
            let fault = lists().skip(page).rewrite_body(move |body| body.slice(..body.len().min(cut)));
            let failed =
                check(&world, &format!("page {page} cut at {cut}"), |world| world.s3.inject(fault.clone())).await;
            assert_eq!(failed, [""; 0]);
        }
    }
    // No try does. Every byte of a snapshot's last page, and some of all pages.
    let dataset = world.settled().await;
    for reader in READERS {
        let all = lists_of(&world, &dataset, reader.2).await;
        for (index, listed) in all.iter().enumerate() {
            let every = reader.0 == "read" && index + 1 == all.len();
            for cut in (0..listed.body.len()).step_by(if every { 1 } else { 211 }) {
                let body = listed.body[..cut].to_owned();
                assert!(!check_answer(&world, &dataset, reader, listed, body, "cut").await, "{}: {cut}", reader.0);
            }
        }
    }
}

/// Returns the places of all elements of a document but the root, and of those of the first object and the last.
fn elements(body: &str) -> Vec<(Range<usize>, String)> {
    let mut elements = Vec::new();
    let mut at = body.find("<ListBucketResult").unwrap() + 1;
    while let Some(start) = body[at..].find('<').map(|start| at + start) {
        at = start + 1;
        let name = body[at..].split(['>', ' ', '/']).next().unwrap();
        let is_edge = body[..start].matches("<Contents>").count() < 2 || !body[at..].contains("<Contents>");
        if let Some(end) = body[at..].find(&format!("</{name}>")).filter(|_| !name.is_empty() && is_edge) {
            elements.push((start..at + end + name.len() + 3, name.to_owned()));
        }
    }
    elements
}

/// Returns a document with each of its elements left out, repeated, empty, or after the next one.
fn changed(body: &str) -> Vec<(String, String)> {
    let all = elements(body);
    let mut changed = Vec::new();
    for (index, (place, name)) in all.iter().enumerate() {
        let (before, element, after) = (&body[..place.start], &body[place.clone()], &body[place.end..]);
        changed.push((format!("without {name}"), format!("{before}{after}")));
        changed.push((format!("with {name} twice"), format!("{before}{element}{element}{after}")));
        changed.push((format!("with an empty {name}"), format!("{before}<{name}></{name}>{after}")));
        if let Some((next, _)) = all[index + 1..].iter().find(|(next, _)| next.start >= place.end) {
            let (between, moved) = (&body[place.end..next.start], &body[next.clone()]);
            let rest = &body[next.end..];
            changed.push((format!("with {name} later"), format!("{before}{between}{moved}{element}{rest}")));
        }
    }
    changed
}

#[tokio::test(start_paused = true)]
async fn a_listing_with_a_changed_element_is_complete_or_fails() {
    let world = world(4).await;
    let dataset = world.settled().await;
    let (mut complete, mut failed) = (0, 0);
    // The others list as these do.
    for reader in READERS.into_iter().filter(|reader| ["read", "poll", "doctor"].contains(&reader.0)) {
        for listed in lists_of(&world, &dataset, reader.2).await {
            for (what, body) in changed(&listed.body) {
                let is_complete = check_answer(&world, &dataset, reader, &listed, body, &what).await;
                *(if is_complete { &mut complete } else { &mut failed }) += 1;
            }
        }
    }
    assert!(complete > 200 && failed > 200, "{complete} complete, {failed} failed");
}

#[tokio::test(start_paused = true)]
async fn a_page_that_answers_another_request_is_not_taken_for_the_right_one() {
    let world = world(2).await;
    let dataset = world.settled().await;
    for reader in READERS {
        let all = lists_of(&world, &dataset, reader.2).await;
        for (index, listed) in all.iter().enumerate() {
            for other in all.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, other)| other) {
                check_answer(&world, &dataset, reader, listed, other.body.clone(), "another page").await;
            }
        }
    }
}

/// No check can find a valid token that leads too far, so the listings of refs don't use tokens. In other listings a token
/// must not lead back.
#[tokio::test(start_paused = true)]
async fn swapped_tokens_do_not_end_or_shorten_a_listing() {
    let world = world(2).await;
    let dataset = world.settled().await;
    let mut swaps = 0;
    for reader in READERS {
        let all = lists_of(&world, &dataset, reader.2).await;
        for (index, listed) in all.iter().enumerate() {
            let Some(own) = text_of(&listed.body, "NextContinuationToken") else { continue };
            let is_refs = listed.prefix.ends_with("/_ref/");
            for (other_index, other) in all.iter().enumerate() {
                let token = text_of(&other.body, "NextContinuationToken").filter(|token| *token != own);
                let Some(token) = token else { continue };
                if !is_refs && (other_index > index || other.prefix != listed.prefix) {
                    continue;
                }
                let body = listed.body.replace(&own, &token);
                let is_complete = check_answer(&world, &dataset, reader, listed, body, "another token").await;
                assert_eq!(is_complete, is_refs, "{}", reader.0);
                swaps += 1;
            }
        }
    }
    assert!(swaps > 10, "{swaps}");
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
    let world = world(2).await;
    // Every response is the first one again.
    let repeat = |world: &Virtual| {
        let first: Arc<Mutex<Option<Bytes>>> = Arc::default();
        world.s3.inject(lists().always().rewrite_body(move |body| first.lock().unwrap().get_or_insert(body).clone()));
    };
    assert_eq!(check(&world, "the same page", repeat).await.len(), READERS.len());
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
    let failed = check(&world, "the same token", same_token).await;
    // The listings of refs don't use tokens, and a pattern of one partition has one page.
    assert_eq!(failed, ["read", "partitions", "lookup", "backfill", "doctor"]);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_is_not_the_last_but_says_so_does_not_end_a_listing() {
    let world = world(2).await;
    let false_end = |body: Bytes| edit(&body, |text| text.replace("<IsTruncated>true<", "<IsTruncated>false<"));
    let fault = lists().always().rewrite_body(false_end);
    assert_eq!(check(&world, "IsTruncated=false", |world| world.s3.inject(fault.clone())).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn keys_that_are_encoded_without_saying_so_are_decoded() {
    let world = world(2).await;
    let fault = lists().always().rewrite_body(|body| edit(&body, |text| without(text, "EncodingType")));
    assert_eq!(check(&world, "no EncodingType", |world| world.s3.inject(fault.clone())).await, [""; 0]);
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
