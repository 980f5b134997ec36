//! Responses that are not S3's, such as pages of proxies and login portals, and responses about the client's clock and
//! region.

use bytes::Bytes;
use chrono::TimeDelta;
use s3store::dataset::ClockGuard;
use s3store::testing::{Fault, FaultBuilder, Operation};
use s3store::{CommitError, Dataset, Error, ErrorKind, Offset};

use crate::integration::harness::{BUCKET, PREFIX, Virtual, options, put};
use crate::integration::records::{Event, Parts};

type Headers = &'static [(&'static str, &'static str)];

const PAGE: &str = "<html>\n<body>Sign in to the network</body>\n</html>";
const SIGN_IN: &str = "<html> <body>Sign in to the network";
const HTML: Headers = &[("content-type", "text/html; charset=utf-8")];
/// The headers of a page from a server's disk.
const FILE: Headers =
    &[("content-type", "text/html"), ("etag", "\"7-1\""), ("last-modified", "Tue, 17 Mar 2026 12:00:00 GMT")];
const LOGIN: Headers = &[("location", "http://login.example/?token=hunter2"), ("content-type", "text/html")];

/// A response of another server.
#[derive(Clone, Copy)]
struct Foreign {
    status: u16,
    headers: Headers,
    body: &'static str,
    /// The part of the response that an error must quote.
    quoted: &'static str,
    /// The part that an error must quote if it is the response to a HEAD. `None` if S3 sends such a response.
    quoted_of_head: Option<&'static str>,
}

const fn page(status: u16) -> Foreign {
    Foreign { status, headers: HTML, body: PAGE, quoted: SIGN_IN, quoted_of_head: Some("text/html") }
}

const FOREIGN: &[Foreign] = &[
    page(200),
    Foreign { headers: FILE, ..page(200) },
    Foreign { headers: &[], quoted_of_head: Some("no etag"), ..page(200) },
    Foreign { status: 200, headers: &[], body: "", quoted: "an empty body", quoted_of_head: Some("no etag") },
    Foreign { status: 200, headers: &[], body: "ok", quoted: "\"ok\"", quoted_of_head: Some("no etag") },
    Foreign { status: 204, headers: &[], body: "", quoted: "an empty body", quoted_of_head: Some("no etag") },
    Foreign { status: 302, headers: LOGIN, body: "", quoted: "login.example", quoted_of_head: Some("login.example") },
    page(400),
    page(401),
    page(403),
    page(404),
    page(407),
    page(412),
    page(429),
    page(500),
    page(501),
    page(502),
    page(503),
    // Without a body only a HEAD has these statuses.
    Foreign { status: 400, headers: &[], body: "", quoted: "an empty body", quoted_of_head: None },
    Foreign { status: 403, headers: &[], body: "", quoted: "an empty body", quoted_of_head: None },
    Foreign { status: 404, headers: &[], body: "", quoted: "an empty body", quoted_of_head: None },
    Foreign { status: 404, headers: &[], body: "Not Found", quoted: "Not Found", quoted_of_head: None },
    Foreign {
        status: 404,
        headers: &[],
        body: "<Error><Code>NoSuchK",
        quoted: "incomplete error document",
        quoted_of_head: None,
    },
    Foreign {
        status: 403,
        headers: &[],
        body: "<Error><Token-0>hunter2</Token-0></Error>",
        quoted: "incomplete error document",
        quoted_of_head: None,
    },
];

impl Foreign {
    fn fault(&self, of: FaultBuilder) -> Fault {
        of.respond(self.status, self.headers.iter().copied(), self.body)
    }

    fn quoted_of(&self, operation: Operation) -> Option<&'static str> {
        if operation == Operation::Head { self.quoted_of_head } else { Some(self.quoted) }
    }
}

/// Returns a world with one record, committed with the token `t`, and a reader of it.
async fn world() -> (Virtual, Dataset) {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>().add_view::<Parts>().unwrap();
    store.write(&Event::of(&["a"], 1)).token("t").await.unwrap();
    let dataset = world.settled().await;
    (world, dataset)
}

/// Calls the methods that send such requests, each under the fault that `fault` returns. Returns the errors.
async fn call_all(
    world: &Virtual,
    dataset: &Dataset,
    operation: Operation,
    fault: impl Fn(FaultBuilder) -> Fault,
) -> Vec<(&'static str, Option<Error>)> {
    let store = dataset.store::<Event>();
    let mut called = Vec::new();
    macro_rules! call {
        ($name:literal, $future:expr) => {
            world.s3.inject(fault(Fault::on(operation)));
            called.push(($name, $future.await.err()));
            world.s3.clear_faults();
        };
    }
    match operation {
        Operation::Get => {
            call!("open", world.options().open(world.s3.client(), BUCKET, PREFIX));
            call!("init", world.options().init(world.s3.client(), BUCKET, PREFIX));
            call!("read", store.read_all());
            call!("poll_records", store.poll_records(&Offset::START));
        }
        Operation::Head => {
            call!("lookup_commit", store.lookup_commit("part=a", "t"));
            call!("read", store.read_all());
            call!("poll", store.poll(&Offset::START));
        }
        Operation::List => {
            call!("read", store.read_all());
            call!("poll", store.poll(&Offset::START));
            call!("lookup", dataset.view::<Parts>().lookup("*"));
            call!("doctor", dataset.doctor(..));
        }
        Operation::Put => {
            let records = Event::of(&["a"], 1);
            let write = async || match store.write_partition("part=a", &records).await {
                Err(CommitError::NotCommitted(error)) => Err(error),
                result => Ok(result.unwrap()),
            };
            call!("write", write());
            call!("init", world.options().init(world.s3.client(), BUCKET, "other"));
        }
        _ => unreachable!(),
    }
    called
}

const OPERATIONS: [Operation; 4] = [Operation::Get, Operation::Head, Operation::List, Operation::Put];

#[tokio::test(start_paused = true)]
async fn a_foreign_response_is_unavailable_and_quoted_after_five_tries() {
    let (world, dataset) = world().await;
    for operation in OPERATIONS {
        for foreign in FOREIGN {
            let Some(quoted) = foreign.quoted_of(operation) else { continue };
            for (method, error) in call_all(&world, &dataset, operation, |of| foreign.fault(of.always())).await {
                let what = format!("{method}: {operation:?} answered {} {:?}", foreign.status, foreign.body);
                let error = error.unwrap_or_else(|| panic!("{what}: no error"));
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{what}: {error:?}");
                assert!(error.to_string().contains(quoted), "{what}: {error}");
                assert!(error.to_string().contains("5 tries"), "{what}: {error}");
                assert!(!format!("{error:?}").contains("hunter2"), "{what}: {error:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_few_foreign_responses_do_no_harm() {
    for operation in OPERATIONS {
        for foreign in FOREIGN {
            if foreign.quoted_of(operation).is_none() {
                continue;
            }
            let (world, dataset) = world().await;
            for (method, error) in call_all(&world, &dataset, operation, |of| foreign.fault(of.times(4))).await {
                assert!(
                    error.is_none(),
                    "{method}: {operation:?} answered {} {:?}: {error:?}",
                    foreign.status,
                    foreign.body
                );
            }
            let records = if operation == Operation::Put { 2 } else { 1 };
            assert_eq!(dataset.store::<Event>().read_all().await.unwrap().len(), records);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_another_server_answered_is_not_reported_as_committed() {
    // A PUT that was throttled is certain to have had no effect.
    for foreign in FOREIGN.iter().filter(|foreign| foreign.status != 429) {
        let (world, dataset) = world().await;
        world.s3.inject(foreign.fault(put(".commit").always()));
        let error = dataset.store::<Event>().write_partition("part=b", &Event::of(&["b"], 1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnknownOutcome, "{} {}: {error:?}", foreign.status, foreign.body);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_was_replaced_under_s3s_headers_is_quoted() {
    let (world, dataset) = world().await;
    for operation in [Operation::Get, Operation::List, Operation::Put] {
        for (body, quoted) in [(PAGE, SIGN_IN), ("  <!DOCTYPE html>", "<!DOCTYPE html>")] {
            let rewritten = |of: FaultBuilder| of.always().rewrite_body(|_| Bytes::from_static(body.as_bytes()));
            for (method, error) in call_all(&world, &dataset, operation, rewritten).await {
                let error = error.unwrap_or_else(|| panic!("{method}: no error"));
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{method}: {error:?}");
                assert!(error.to_string().contains(quoted), "{method}: {error}");
            }
        }
    }
}

/// Only a response that can't be the object is foreign: an object with such a body is at fault itself.
#[tokio::test(start_paused = true)]
async fn an_object_that_is_a_web_page_is_invalid_data() {
    for body in [PAGE, ""] {
        let (world, dataset) = world().await;
        let key = world.keys_with(".parquet").remove(0);
        world.s3.put_object(BUCKET, &key, body);
        let error = dataset.store::<Event>().read_all().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData, "{error:?}");
        assert!(error.to_string().contains(&key), "{error}");
        world.s3.put_object(BUCKET, &format!("{PREFIX}/_config/commit-timeout"), body);
        let error = world.options().open(world.s3.client(), BUCKET, PREFIX).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_date_that_can_not_be_parsed_is_quoted() {
    let (world, dataset) = world().await;
    let head: Headers = &[("etag", "\"1\""), ("last-modified", "yesterday"), ("x-amz-request-id", "1")];
    for (method, error) in
        call_all(&world, &dataset, Operation::Head, |of| of.always().respond(200, head.iter().copied(), "")).await
    {
        let error = error.unwrap();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{method}: {error:?}");
        assert!(error.to_string().contains("last-modified \"yesterday\""), "{method}: {error}");
    }
    let list = |of: FaultBuilder| {
        of.always().rewrite_body(|body| {
            let text = String::from_utf8(body.to_vec()).unwrap();
            let (before, rest) = text.split_once("<LastModified>").unwrap();
            let (_, after) = rest.split_once("</LastModified>").unwrap();
            Bytes::from(format!("{before}<LastModified>yesterday</LastModified>{after}"))
        })
    };
    for (method, error) in call_all(&world, &dataset, Operation::List, list).await {
        let error = error.unwrap();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{method}: {error:?}");
        assert!(error.to_string().contains("<ListBucketResult"), "{method}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_s3_refuses_is_clock_skew_and_says_by_how_much() {
    let document =
        |times: &str| format!("<Error><Code>RequestTimeTooSkewed</Code><Message>No.</Message>{times}</Error>");
    let exact = "<RequestTime>20260317T122003Z</RequestTime><ServerTime>2026-03-17T12:00:00Z</ServerTime>\
                 <MaxAllowedSkewMilliseconds>900000</MaxAllowedSkewMilliseconds>";
    for operation in OPERATIONS {
        let (world, dataset) = world().await;
        let xml: Headers = &[("content-type", "application/xml")];
        // From the document; and from the Date, where S3's clock is behind and where it is ahead. The reader's clock is 30 s
        // ahead.
        for (offset, times, amounts, rest) in [
            (TimeDelta::zero(), exact, ["20m3s", "20m3s"], " ahead of S3's, and S3 accepts 15m0s"),
            (TimeDelta::hours(-2), "", ["2h0m", "1h59m59s"], " ahead of S3's"),
            (TimeDelta::hours(2), "", ["1h59m", "2h0m0s"], " behind S3's"),
        ] {
            // A HEAD has no document.
            if operation == Operation::Head && times == exact {
                continue;
            }
            world.s3.set_clock_offset(offset);
            let refuse = |of: FaultBuilder| of.always().respond(403, xml.iter().copied(), document(times));
            for (method, error) in call_all(&world, &dataset, operation, refuse).await {
                let error = error.unwrap();
                assert_eq!(error.kind(), ErrorKind::ClockSkew, "{operation:?} {method}: {error:?}");
                let text = error.to_string();
                assert!(amounts.iter().any(|amount| text.contains(amount)), "{operation:?} {method}: {error}");
                assert!(text.contains(rest), "{operation:?} {method}: {error}");
                assert!(text.contains("ntp") && !text.contains("tries"), "{operation:?} {method}: {error}");
            }
        }
        // A HEAD that is refused for another reason.
        world.s3.set_clock_offset(TimeDelta::zero());
        let refuse = |of: FaultBuilder| {
            of.always().respond(403, xml.iter().copied(), document("").replace("RequestTimeTooSkewed", "AccessDenied"))
        };
        for (method, error) in call_all(&world, &dataset, operation, refuse).await {
            assert_eq!(error.unwrap().kind(), ErrorKind::Refused, "{operation:?} {method}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_bucket_in_another_region_is_named_with_the_remedy() {
    const REGION: Headers = &[("x-amz-bucket-region", "eu-west-1"), ("content-type", "application/xml")];
    const NONE: Headers = &[("content-type", "application/xml")];
    const LOCATION: Headers = &[("location", "https://b.s3.eu-west-1.amazonaws.com/d")];
    const MOVED: &str = "<Error><Code>PermanentRedirect</Code><Message>Elsewhere.</Message>\
                         <Endpoint>b.s3.eu-west-1.amazonaws.com</Endpoint></Error>";
    const MALFORMED: &str = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>The authorization header is \
                             malformed; the region 'us-east-1' is wrong; expecting 'eu-west-1'</Message></Error>";
    const TEMPORARY: &str = "<Error><Code>TemporaryRedirect</Code><Message>Wait.</Message></Error>";
    for (status, headers, body) in [
        (301, REGION, ""),
        (301, REGION, MOVED),
        (301, NONE, MOVED),
        (307, REGION, TEMPORARY),
        (307, LOCATION, ""),
        (400, REGION, ""),
        (400, REGION, MALFORMED),
        (400, NONE, MALFORMED),
    ] {
        let (world, dataset) = world().await;
        for operation in OPERATIONS {
            if operation == Operation::Head && headers == NONE {
                continue;
            }
            let refuse = |of: FaultBuilder| of.always().respond(status, headers.iter().copied(), body);
            for (method, error) in call_all(&world, &dataset, operation, refuse).await {
                let what = format!("{status} {body:?} {operation:?} {method}");
                let error = error.unwrap();
                assert_eq!(error.kind(), ErrorKind::Refused, "{what}: {error:?}");
                let text = error.to_string();
                assert!(text.contains("eu-west-1") && text.contains("us-east-1"), "{what}: {text}");
                assert!(text.contains("AWS_REGION") && !text.contains("tries"), "{what}: {text}");
            }
        }
    }
}

/// The clock guard works with S3's clock, whatever it is off by.
#[tokio::test(start_paused = true)]
async fn a_head_that_is_refused_is_access_denied_if_the_clock_is_right() {
    let (world, _) = world().await;
    for (minutes, kind) in [(0, ErrorKind::Refused), (13, ErrorKind::Refused), (16, ErrorKind::ClockSkew)] {
        let clock = world.clock_ahead(TimeDelta::minutes(minutes));
        let options = options().clock(clock).clock_guard(ClockGuard::Off);
        let dataset = options.open(world.s3.client(), BUCKET, PREFIX).await.unwrap();
        world.s3.inject(Fault::on(Operation::Head).fail(403, "AccessDenied"));
        let error = dataset.store::<Event>().lookup_commit("part=a", "t").await.unwrap_err();
        assert_eq!(error.kind(), kind, "{minutes}: {error:?}");
    }
}
