//! Spans and events: one span for each call and request, keys only at debug level, and never a secret.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use s3store::Offset;
use s3store::testing::{Fault, Operation};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event as Logged, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};

use crate::integration::harness::{Virtual, listen, sleep, within};
use crate::integration::records::{Event, Parts};

/// A subscriber layer that records the library's spans and events up to a level.
#[derive(Clone)]
struct Recorder {
    level: Level,
    inner: Arc<Mutex<Recorded>>,
}

#[derive(Default)]
struct Recorded {
    spans: Vec<Span>,
    events: Vec<Fields>,
}

#[derive(Debug, Clone)]
struct Span {
    name: &'static str,
    parent: Option<usize>,
    fields: Fields,
    closed: bool,
}

#[derive(Debug, Clone, Default)]
struct Fields(BTreeMap<String, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }
}

impl Fields {
    fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

impl Recorder {
    /// Starts to record this thread, until the guard is dropped.
    fn start(level: Level) -> (Self, tracing::subscriber::DefaultGuard) {
        let recorder = Self { level, inner: Arc::default() };
        let guard = listen(Registry::default().with(recorder.clone()));
        (recorder, guard)
    }

    fn spans(&self, name: &str) -> Vec<Span> {
        self.inner.lock().unwrap().spans.iter().filter(|span| span.name == name).cloned().collect()
    }

    fn parent(&self, span: &Span) -> Option<Span> {
        self.inner.lock().unwrap().spans.get(span.parent?).cloned()
    }

    /// Returns everything that was recorded, as text.
    fn text(&self) -> String {
        let inner = self.inner.lock().unwrap();
        format!("{:?} {:?}", inner.spans, inner.events)
    }

    fn clear(&self) {
        let mut inner = self.inner.lock().unwrap();
        assert!(inner.spans.iter().all(|span| span.closed));
        inner.spans.clear();
        inner.events.clear();
    }
}

/// The index of a recorded span.
struct SpanIndex(usize);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.target().starts_with("s3store") && *metadata.level() <= self.level
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let span = context.span(id).unwrap();
        let parent = span.parent().map(|parent| parent.extensions().get::<SpanIndex>().unwrap().0);
        let mut inner = self.inner.lock().unwrap();
        span.extensions_mut().insert(SpanIndex(inner.spans.len()));
        inner.spans.push(Span { name: attributes.metadata().name(), parent, fields, closed: false });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let index = context.span(id).unwrap().extensions().get::<SpanIndex>().unwrap().0;
        values.record(&mut self.inner.lock().unwrap().spans[index].fields);
    }

    fn on_event(&self, event: &Logged<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        self.inner.lock().unwrap().events.push(fields);
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let index = context.span(&id).unwrap().extensions().get::<SpanIndex>().unwrap().0;
        if let Some(span) = self.inner.lock().unwrap().spans.get_mut(index) {
            span.closed = true;
        }
    }
}

/// Returns operation, object, attempts and outcome of each request, in the order in which they started.
fn requests(recorder: &Recorder) -> Vec<String> {
    let brief = |span: &Span| {
        ["operation", "object", "attempts", "outcome"].map(|name| span.fields.get(name).to_owned()).join(" ")
    };
    recorder.spans("s3store.request").iter().map(brief).collect()
}

#[tokio::test(start_paused = true)]
async fn a_span_for_each_call_and_each_request_within_it() {
    let (recorder, _guard) = Recorder::start(Level::INFO);
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    recorder.clear();

    store.write_partition("part=a", &Event::of(&["a"], 3)).token("t").await.unwrap();
    assert_eq!(
        requests(&recorder),
        ["head commit 1 error", "put data 1 success", "put ref 1 success", "put commit 1 success"]
    );
    let call = &recorder.spans("s3store.call")[0];
    assert_eq!(
        ["method", "bucket", "prefix", "outcome"].map(|name| call.fields.get(name)),
        ["write_with_key", "s3store-tests", "d", "success"]
    );

    // Spans must also be linked across tasks: a read's downloads, a follower's polls, a view's markers and look-ups.
    sleep(Duration::from_secs(60)).await;
    let mut records = store.read_all().stream();
    while records.try_next().await.unwrap().is_some() {}
    let mut pages = store.follow(&Offset::START).records();
    pages.next_page().await.unwrap();
    drop(pages);
    store.dataset().view::<Parts>().backfill("*").await.unwrap();
    store.dataset().view::<Parts>().lookup("*").await.unwrap();
    let seen: BTreeSet<String> = requests(&recorder).into_iter().collect();
    for expected in [
        "list data 1 success",
        "get data 1 success",
        "list ref 1 success",
        "put marker 1 success",
        "list marker 1 success",
    ] {
        assert!(seen.contains(expected), "{expected}: {seen:?}");
    }
    for request in recorder.spans("s3store.request") {
        assert_eq!(recorder.parent(&request).map(|span| span.name), Some("s3store.call"), "{request:?}");
        assert!(request.closed, "{request:?}");
    }
    let calls = recorder.spans("s3store.call");
    let methods: Vec<_> = calls.iter().map(|call| (call.fields.get("method"), call.fields.get("outcome"))).collect();
    assert_eq!(
        methods,
        [
            ("write_with_key", "success"),
            ("read_iter", "success"),
            ("follow", "canceled"),
            ("poll_records", "success"),
            ("backfill", "success"),
            ("lookup", "success")
        ]
    );
    let poll = calls.iter().find(|call| call.fields.get("method") == "poll_records").unwrap();
    assert_eq!(recorder.parent(poll).unwrap().fields.get("method"), "follow");
}

#[tokio::test(start_paused = true)]
async fn a_request_span_has_attempts_and_outcome() {
    let (recorder, _guard) = Recorder::start(Level::DEBUG);
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    recorder.clear();
    world.s3.inject(Fault::on(Operation::List).times(2).fail(503, "SlowDown"));
    store.read_all().await.unwrap();
    world.s3.inject(Fault::on(Operation::List).times(1).fail(403, "AccessDenied"));
    store.read_all().await.unwrap_err();
    world.s3.inject(Fault::on(Operation::List).hang());
    assert!(within(Duration::from_secs(1), store.read_all().into_future()).await.is_none());
    sleep(Duration::from_millis(1)).await;
    assert_eq!(requests(&recorder), ["list data 3 success", "list data 1 error", "list data 1 canceled"]);
    let requests = recorder.spans("s3store.request");
    let errors: Vec<_> = requests.iter().map(|request| request.fields.get("error.type")).collect();
    assert_eq!(errors, ["", "client", "canceled"]);
    // One event for each failed try that is retried, with its number.
    let inner = recorder.inner.lock().unwrap();
    let tries: Vec<_> = inner.events.iter().filter(|event| !event.get("attempt").is_empty()).collect();
    let tries: Vec<_> = tries.iter().map(|event| (event.get("attempt"), event.get("error.type"))).collect();
    assert_eq!(tries, [("1", "slowdown"), ("2", "slowdown")]);
}

#[tokio::test(start_paused = true)]
async fn keys_appear_only_at_debug_level_and_secrets_never() {
    for level in [Level::INFO, Level::DEBUG, Level::TRACE] {
        let (recorder, _guard) = Recorder::start(level);
        let world = Virtual::new();
        let store = world.dataset().await.store::<Event>();
        recorder.clear();
        let record = Event::new("the-partition", 4_711_471_147);
        store.write(&[record]).token("the-token").await.unwrap();
        sleep(Duration::from_secs(60)).await;
        store.read_all().await.unwrap();
        store.poll_records(&Offset::START).await.unwrap();
        let text = recorder.text();
        assert_eq!(text.contains("the-partition"), level > Level::INFO, "{level}");
        assert_eq!(text.contains("the-token"), level > Level::INFO, "{level}");
        assert_eq!(recorder.spans("s3store.request")[0].fields.get("key").is_empty(), level == Level::INFO);
        // A value of the record, and traces of the credentials.
        for secret in ["4711471147", "secret", "Signature", "Authorization"] {
            assert!(!text.contains(secret), "{level}: {secret}");
        }
    }
}
