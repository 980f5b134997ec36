//! Measures a bucket, and tests what the library needs of it.

use std::future::Future;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_types::error::display::DisplayErrorContext;
use comfy_table::{Cell, CellAlignment};
use futures_util::{StreamExt as _, stream};
use serde_json::json;

use crate::cli::args::{Bench, Connection};
use crate::cli::output::{new_table, size};
use crate::cli::progress::Progress;
use crate::cli::{Done, Failure, Outcome, connect};
use crate::clock::Clock;
use crate::ids;

/// The objects that race for one key with `If-None-Match: *`.
const RACE: usize = 8;

/// The result of a test of the bucket.
struct Test {
    name: &'static str,
    /// If `true`, datasets work without it, but not as well.
    is_optional: bool,
    found: String,
    passed: bool,
}

/// The times of the requests of one kind.
struct Times {
    name: &'static str,
    /// In order.
    each: Vec<Duration>,
    all: Duration,
    errors: Vec<String>,
}

/// The place of the objects.
struct Place<'a> {
    client: Client,
    bucket: &'a str,
    prefix: String,
    clock: Clock,
    concurrency: usize,
}

/// Measures the requests of a bucket, below a new prefix that is removed at the end.
pub(super) async fn bench(connection: &Connection, bench: Bench) -> Outcome<Done> {
    let clock = Clock::machine();
    let id = uuid::Uuid::from_bytes(ids::attempt(&clock));
    let place = Place {
        client: connect::client(connection).await,
        bucket: &bench.location.bucket,
        prefix: format!("{}/s3store-bench-{}/", bench.location.prefix, id.simple()),
        clock,
        concurrency: bench.concurrency.max(1),
    };
    // The first request opens a connection, and its error says what is wrong with the place.
    place.put("first", 1, false).await.map_err(|error| {
        Failure::new(format!("s3://{}/{}: {error}", place.bucket, place.prefix))
            .with_hint("check the credentials, the bucket and --endpoint-url")
    })?;
    let measured = tokio::select! {
        measured = measure(&place, &bench) => Some(measured),
        _ = tokio::signal::ctrl_c() => None,
    };
    let removed = place.remove_all().await.map_err(|error| {
        Failure::new(format!("the objects below s3://{}/{} are left: {error}", place.bucket, place.prefix))
            .with_hint("remove them by hand")
    });
    let Some((tests, times)) = measured else {
        removed?;
        eprintln!("stopped; the objects are removed");
        return Ok(Done::Interrupted);
    };
    if bench.json {
        let tests = tests.iter().map(|test| {
            json!({ "test": test.name, "passed": test.passed, "optional": test.is_optional, "found": test.found })
        });
        let times = times.iter().map(|times| {
            json!({
                "request": times.name,
                "count": times.each.len(),
                "errors": times.errors.len(),
                "per_second": times.per_second(),
                "p50_ms": times.quantile(50),
                "p95_ms": times.quantile(95),
                "p99_ms": times.quantile(99),
                "max_ms": times.quantile(100),
            })
        });
        let (tests, times): (Vec<_>, Vec<_>) = (tests.collect(), times.collect());
        say!("{}", serde_json::to_string_pretty(&json!({ "tests": tests, "requests": times }))?);
    } else {
        print(&tests, &times, &bench);
    }
    removed?;
    let failed =
        tests.iter().any(|test| !test.passed && !test.is_optional) || times.iter().any(|one| !one.errors.is_empty());
    Ok(if failed { Done::WithFindings } else { Done::Well })
}

async fn measure(place: &Place<'_>, bench: &Bench) -> (Vec<Test>, Vec<Times>) {
    let tests =
        vec![place.conditional().await, place.race().await, place.read_after_write().await, place.order().await];
    let (objects, bytes) = (bench.objects, bench.size);
    let key = |number: usize| format!("objects/{number:06}");
    let times = vec![
        place.time("PUT", objects, async |number| place.put(&key(number), bytes, false).await).await,
        place
            .time("PUT if none", objects, async |number| place.put(&format!("empty/{number:06}"), 0, true).await)
            .await,
        place.time("HEAD", objects, async |number| place.head(&key(number)).await).await,
        place.time("GET", objects, async |number| place.get(&key(number), None).await.map(drop)).await,
        place.time("GET 4 KiB", objects, async |number| place.get(&key(number), Some(4_096)).await.map(drop)).await,
        place.time("LIST", objects.div_ceil(10), async |_| place.list("objects/").await.map(drop)).await,
    ];
    (tests, times)
}

impl Place<'_> {
    /// Puts an object of so many bytes.
    async fn put(&self, name: &str, bytes: usize, if_none: bool) -> Result<(), String> {
        let body = ByteStream::from(vec![b'x'; bytes]);
        let put = self.client.put_object().bucket(self.bucket).key(format!("{}{name}", self.prefix)).body(body);
        let put = if if_none { put.if_none_match("*") } else { put };
        match put.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(match error.code() {
                Some(code) => code.to_owned(),
                None => DisplayErrorContext(error).to_string(),
            }),
        }
    }

    async fn head(&self, name: &str) -> Result<(), String> {
        let head = self.client.head_object().bucket(self.bucket).key(format!("{}{name}", self.prefix));
        head.send().await.map(drop).map_err(|error| DisplayErrorContext(error).to_string())
    }

    /// Gets an object, or its first bytes. Returns the number of bytes.
    async fn get(&self, name: &str, first: Option<usize>) -> Result<usize, String> {
        let get = self.client.get_object().bucket(self.bucket).key(format!("{}{name}", self.prefix));
        let get = get.set_range(first.map(|bytes| format!("bytes=0-{}", bytes - 1)));
        let response = get.send().await.map_err(|error| DisplayErrorContext(error).to_string())?;
        let body = response.body.collect().await.map_err(|error| error.to_string())?;
        Ok(body.into_bytes().len())
    }

    /// Lists the first 1,000 keys below a name, without the prefix.
    async fn list(&self, name: &str) -> Result<Vec<String>, String> {
        let list = self.client.list_objects_v2().bucket(self.bucket).prefix(format!("{}{name}", self.prefix));
        let page = list.send().await.map_err(|error| DisplayErrorContext(error).to_string())?;
        let keys = page.contents().iter().filter_map(|object| object.key()?.strip_prefix(&self.prefix));
        Ok(keys.map(str::to_owned).collect())
    }

    /// Sends so many requests, some of them at once, and takes their times.
    async fn time<F: Future<Output = Result<(), String>>>(
        &self,
        name: &'static str,
        count: usize,
        send: impl Fn(usize) -> F,
    ) -> Times {
        let began = self.clock.monotonic();
        let requests = stream::iter(0..count).map(|number| {
            let request = send(number);
            async move {
                let began = self.clock.monotonic();
                (request.await, self.clock.monotonic().duration_since(began))
            }
        });
        let progress = Progress::bar(name, count as u64, "requests");
        let requests = requests.buffer_unordered(self.concurrency).inspect(|_| progress.advance());
        let answers: Vec<_> = requests.collect().await;
        drop(progress);
        let all = self.clock.monotonic().duration_since(began);
        let (mut each, mut errors) = (Vec::new(), Vec::new());
        for (answer, time) in answers {
            match answer {
                Ok(()) => each.push(time),
                Err(error) => errors.push(error),
            }
        }
        each.sort_unstable();
        Times { name, each, all, errors }
    }

    /// Tests whether a second PUT with `If-None-Match: *` is refused.
    async fn conditional(&self) -> Test {
        let first = self.put("conditional", 1, true).await;
        let (found, passed) = match (first, self.put("conditional", 1, true).await) {
            (Ok(()), Err(code)) if code == "PreconditionFailed" => ("a second PUT is refused".to_owned(), true),
            (Ok(()), Err(code)) => (format!("a second PUT fails with {code}"), false),
            (Ok(()), Ok(())) => {
                ("the condition is ignored: a retry of a write may make a second commit".to_owned(), false)
            }
            (Err(code), _) => (format!("the first PUT fails with {code}"), false),
        };
        Test { name: "If-None-Match", is_optional: true, found, passed }
    }

    /// Tests whether one of several PUTs at once wins.
    async fn race(&self) -> Test {
        let puts = (0..RACE).map(|_| self.put("race", 1, true));
        let won = futures_util::future::join_all(puts).await.into_iter().filter(Result::is_ok).count();
        Test {
            name: "If-None-Match, at once",
            is_optional: true,
            found: format!("{won} of {RACE} PUTs won"),
            passed: won == 1,
        }
    }

    /// Tests whether objects are found and listed as soon as they were put.
    async fn read_after_write(&self) -> Test {
        let (mut missing, rounds) = (0, 20);
        for round in 0..rounds {
            let name = format!("fresh/{round}");
            let is_there = self.put(&name, 3, false).await.is_ok()
                && self.get(&name, None).await == Ok(3)
                && self.list("fresh/").await.is_ok_and(|keys| keys.contains(&name));
            missing += usize::from(!is_there);
        }
        let found = format!("{missing} of {rounds} new objects were missing");
        Test { name: "read after write", is_optional: false, found, passed: missing == 0 }
    }

    /// Tests whether listings are in the order of the keys' bytes, or go folder by folder with the names in that order.
    async fn order(&self) -> Test {
        let mut names =
            ["a-b", "a/b", "a=b", "B", "\u{e9}", "\u{1f600}", "z"].map(|name| format!("order/{name}")).to_vec();
        let mut failed = Vec::new();
        for name in &names {
            if let Err(error) = self.put(name, 1, false).await {
                failed.push(error);
            }
        }
        let listed = self.list("order/").await;
        names.sort_unstable();
        let by_bytes = listed.as_ref().is_ok_and(|keys| *keys == names);
        names.sort_by(|one, other| one.split('/').cmp(other.split('/')));
        let by_folders = listed.as_ref().is_ok_and(|keys| *keys == names);
        let found = match listed {
            _ if by_bytes => "keys are in the order of their bytes".to_owned(),
            _ if by_folders => "keys come folder by folder, in the order of their bytes".to_owned(),
            Ok(keys) => format!("keys come as {}", keys.join(" ")),
            Err(error) => error,
        };
        let passed = failed.is_empty() && (by_bytes || by_folders);
        Test { name: "order of listings", is_optional: false, found, passed }
    }

    /// Removes all objects.
    async fn remove_all(&self) -> Result<(), String> {
        loop {
            let keys = self.list("").await?;
            if keys.is_empty() {
                return Ok(());
            }
            let removals = keys.into_iter().map(|name| {
                let delete = self.client.delete_object().bucket(self.bucket).key(format!("{}{name}", self.prefix));
                async move { delete.send().await.map(drop).map_err(|error| DisplayErrorContext(error).to_string()) }
            });
            let removed: Vec<_> = stream::iter(removals).buffer_unordered(self.concurrency).collect().await;
            removed.into_iter().collect::<Result<(), _>>()?;
        }
    }
}

impl Times {
    #[expect(clippy::cast_precision_loss, reason = "a rate is shown with few digits")]
    fn per_second(&self) -> f64 {
        self.each.len() as f64 / self.all.as_secs_f64().max(1e-9)
    }

    /// Returns the time in milliseconds that so many per cent of the requests took at most.
    fn quantile(&self, percent: usize) -> Option<f64> {
        let last = (self.each.len() * percent).div_ceil(100).checked_sub(1)?;
        self.each.get(last).map(|time| time.as_secs_f64() * 1e3)
    }
}

fn print(tests: &[Test], times: &[Times], bench: &Bench) {
    for test in tests {
        let mark = match (test.passed, test.is_optional) {
            (true, _) => "ok",
            (false, true) => "LACKS",
            (false, false) => "FAILS",
        };
        say!("{mark:<6} {}: {}", test.name, test.found);
    }
    say!("{} objects of {}, {} requests at once", bench.objects, size(bench.size as u64), bench.concurrency);
    let header = ["request", "count", "errors", "per second", "p50 ms", "p95 ms", "p99 ms", "max ms"];
    let mut table = new_table(header.map(str::to_owned));
    for one in times {
        let numbers =
            [50, 95, 99, 100].map(|percent| one.quantile(percent).map_or_else(String::new, |ms| format!("{ms:.1}")));
        let counts = [one.each.len().to_string(), one.errors.len().to_string(), format!("{:.0}", one.per_second())];
        let right = counts.into_iter().chain(numbers).map(|text| Cell::new(text).set_alignment(CellAlignment::Right));
        table.add_row(std::iter::once(Cell::new(one.name)).chain(right));
    }
    say!("{table}");
    for one in times {
        if let Some(error) = one.errors.first() {
            say!("{}: {error}", one.name);
        }
    }
}
