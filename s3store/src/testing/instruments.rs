//! What the library measures, for tests of dashboards and alert rules; and what measuring costs.

use std::sync::Arc;

use opentelemetry::metrics::MeterProvider;

use crate::clock::Clock;
pub use crate::metrics::{Instrument, InstrumentKind};
use crate::metrics::{Method, Metrics, Operation, Outcome, Subject};

/// Every OpenTelemetry instrument of the library.
///
/// Measurements have the attributes `s3store.bucket`, `s3store.prefix` and `s3store.consistency_level` beside those that
/// are told here.
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

/// All that the library does to measure a request or a call, without the request or call: for measuring what that costs.
#[derive(Debug)]
pub struct Accounting(Metrics);

impl Accounting {
    /// With a meter provider, or the global one.
    #[must_use]
    pub fn new(provider: Option<Arc<dyn MeterProvider + Send + Sync>>) -> Self {
        let subject = Subject { bucket: "bucket", prefix: "prefix", consistency: Some("strong-global"), permits: 32 };
        Self(Metrics::new(provider.as_ref(), subject, &Clock::machine()))
    }

    /// A GET that succeeds at once, with its permit and a body.
    pub fn request(&self) {
        let held = self.0.wait(Operation::Get).granted();
        let mut request = self.0.request(Operation::Get, Some(&held), "prefix/data/a=1/b.parquet", || "data");
        request.attempt();
        request.body(1_000);
        request.end(Outcome::Success);
    }

    /// A read that succeeds, of one file.
    pub fn call(&self) {
        let call = self.0.call(Method::Read);
        call.tally().file();
        call.tally().bytes(1_000);
        call.tally().records(10);
        call.tally().partition();
        call.end(Outcome::Success);
    }
}
