//! The library's metrics, for tests of dashboards and alert rules, and the cost of measuring.

use std::sync::Arc;

use opentelemetry::metrics::MeterProvider;

use crate::clock::Clock;
pub use crate::metrics::{Instrument, InstrumentKind};
use crate::metrics::{Method, Metrics, Operation, Outcome, Subject};

/// Returns every OpenTelemetry instrument of the library.
///
/// Each measurement has the attributes listed in [`Instrument::attributes`], and in addition `s3store.bucket`,
/// `s3store.prefix` and `s3store.consistency_level`.
///
/// # Example
/// ```
/// let names: Vec<_> = s3store::testing::instruments().iter().map(|instrument| instrument.name).collect();
/// assert!(names.contains(&"s3store.method.calls"));
/// ```
#[must_use]
pub fn instruments() -> &'static [Instrument] {
    crate::metrics::INSTRUMENTS
}

/// Makes the measurements of a request or a call without the request or call, so that a benchmark can time them.
#[derive(Debug)]
pub struct Accounting(Metrics);

impl Accounting {
    /// Creates the instruments with a meter provider. `None` uses the global one.
    #[must_use]
    pub fn new(provider: Option<Arc<dyn MeterProvider + Send + Sync>>) -> Self {
        let subject = Subject { bucket: "bucket", prefix: "prefix", consistency: Some("strong-global"), permits: 32 };
        Self(Metrics::new(provider.as_ref(), subject, &Clock::machine()))
    }

    /// Records a GET that succeeds on the first try, with its permit and body.
    pub fn request(&self) {
        let held = self.0.wait(Operation::Get).granted();
        let mut request = self.0.request(Operation::Get, Some(&held), "prefix/data/a=1/b.parquet", || "data");
        request.attempt();
        request.body(1_000);
        request.end(Outcome::Success);
    }

    /// Records a successful read of one file.
    pub fn call(&self) {
        let call = self.0.call(Method::Read);
        call.tally().file();
        call.tally().bytes(1_000);
        call.tally().records(10);
        call.tally().partition();
        call.end(Outcome::Success);
    }
}
