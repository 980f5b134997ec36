//! What the library measures, for tests of dashboards and alert rules.

pub use crate::metrics::{Instrument, InstrumentKind};

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
