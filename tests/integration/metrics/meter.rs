//! A meter provider in memory, and the metrics that it collected.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, Histogram, Metric, MetricData, ResourceMetrics};
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{InstrumentKind as Kind, ManualReader, Pipeline, SdkMeterProvider, Temporality};
use s3store::dataset::DatasetOptions;
use s3store::testing::InstrumentKind;

/// Attributes by name.
pub type Attributes = BTreeMap<String, String>;

/// Collects the metrics of datasets.
pub struct Meter {
    pub provider: Arc<SdkMeterProvider>,
    reader: Reader,
}

/// A reader that collects on the calling thread. Observable instruments read the dataset's clock, which with paused
/// time works only within the test's runtime.
#[derive(Debug, Clone, Default)]
struct Reader(Arc<ManualReader>);

impl MetricReader for Reader {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.0.register_pipeline(pipeline);
    }

    fn collect(&self, metrics: &mut ResourceMetrics) -> OTelSdkResult {
        self.0.collect(metrics)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn temporality(&self, kind: Kind) -> Temporality {
        self.0.temporality(kind)
    }
}

/// The metrics at one moment.
#[derive(Debug)]
pub struct Collected(BTreeMap<String, Instrument>);

/// One instrument as a backend sees it.
#[derive(Debug)]
pub struct Instrument {
    pub kind: InstrumentKind,
    pub unit: String,
    pub points: Vec<Point>,
}

#[derive(Debug, Clone)]
pub struct Point {
    pub attributes: Attributes,
    /// The sum of a counter or histogram, or the value of a gauge.
    pub value: f64,
    /// The number of measurements of a histogram.
    pub count: u64,
    pub boundaries: Vec<f64>,
}

impl Meter {
    pub fn new() -> Self {
        let reader = Reader::default();
        Self { provider: Arc::new(SdkMeterProvider::builder().with_reader(reader.clone()).build()), reader }
    }

    /// Sets this meter in the options of a dataset.
    pub fn on(&self, options: DatasetOptions) -> DatasetOptions {
        options.meter_provider(Arc::clone(&self.provider) as Arc<_>)
    }

    pub fn collect(&self) -> Collected {
        let mut collected = ResourceMetrics::default();
        self.reader.collect(&mut collected).unwrap();
        let scopes = collected.scope_metrics();
        let ours = scopes.filter(|scope| scope.scope().name() == "s3store");
        let metrics = ours.flat_map(|scope| scope.metrics());
        Collected(metrics.map(|metric| (metric.name().to_owned(), instrument(metric))).collect())
    }
}

impl Collected {
    pub fn instruments(&self) -> impl Iterator<Item = (&str, &Instrument)> {
        self.0.iter().map(|(name, instrument)| (name.as_str(), instrument))
    }

    /// Returns the points of an instrument that have these attributes, and possibly others.
    pub fn points(&self, name: &str, attributes: &[(&str, &str)]) -> Vec<Point> {
        let points = self.0.get(name).map(|instrument| instrument.points.as_slice()).unwrap_or_default();
        let has = |point: &&Point| {
            attributes.iter().all(|(name, value)| point.attributes.get(*name).is_some_and(|v| v == value))
        };
        points.iter().filter(has).cloned().collect()
    }

    /// Returns the sum of the values of these points.
    pub fn sum(&self, name: &str, attributes: &[(&str, &str)]) -> f64 {
        self.points(name, attributes).iter().map(|point| point.value).sum()
    }

    /// Returns the number of measurements of a histogram at these points.
    pub fn count(&self, name: &str, attributes: &[(&str, &str)]) -> u64 {
        self.points(name, attributes).iter().map(|point| point.count).sum()
    }

    /// Returns the points that are not zero, as `attribute=value,… → value`, sorted. Omits the attributes of the
    /// dataset.
    pub fn moved(&self, name: &str) -> Vec<String> {
        let mut moved: Vec<String> = self
            .points(name, &[])
            .iter()
            .filter(|point| point.value != 0.0)
            .map(|point| {
                let is_common =
                    |name: &str| ["s3store.bucket", "s3store.prefix", "s3store.consistency_level"].contains(&name);
                let own = point.attributes.iter().filter(|(name, _)| !is_common(name));
                let own: Vec<String> =
                    own.map(|(name, value)| format!("{}={value}", name.trim_start_matches("s3store."))).collect();
                format!("{} → {}", own.join(","), point.value)
            })
            .collect();
        moved.sort();
        moved
    }
}

fn instrument(metric: &Metric) -> Instrument {
    let (kind, points) = match metric.data() {
        AggregatedMetrics::F64(data) => points(data, |value| value),
        #[expect(clippy::cast_precision_loss, reason = "the values in tests are small")]
        AggregatedMetrics::U64(data) => points(data, |value| value as f64),
        #[expect(clippy::cast_precision_loss, reason = "the values in tests are small")]
        AggregatedMetrics::I64(data) => points(data, |value| value as f64),
    };
    Instrument { kind, unit: metric.unit().to_owned(), points }
}

fn points<T: Copy>(data: &MetricData<T>, number: fn(T) -> f64) -> (InstrumentKind, Vec<Point>) {
    let plain = |attributes, value| Point { attributes, value: number(value), count: 0, boundaries: Vec::new() };
    match data {
        MetricData::Gauge(gauge) => {
            let points = gauge.data_points().map(|point| plain(attributes_of!(point), point.value()));
            (InstrumentKind::Gauge, points.collect())
        }
        MetricData::Sum(sum) => {
            let kind = if sum.is_monotonic() { InstrumentKind::Counter } else { InstrumentKind::UpDownCounter };
            (kind, sum.data_points().map(|point| plain(attributes_of!(point), point.value())).collect())
        }
        MetricData::Histogram(histogram) => (InstrumentKind::Histogram, buckets(histogram, number)),
        MetricData::ExponentialHistogram(_) => panic!("no instrument is an exponential histogram"),
    }
}

fn buckets<T: Copy>(histogram: &Histogram<T>, number: fn(T) -> f64) -> Vec<Point> {
    let point = histogram.data_points().map(|point| Point {
        attributes: attributes_of!(point),
        value: number(point.sum()),
        count: point.count(),
        boundaries: point.bounds().collect(),
    });
    point.collect()
}

/// Returns the attributes of a point. A macro, because the attribute type can't be attributes_of: the crate that defines it has
/// a public `String`. As a direct dependency it would make the compiler write `std::string::String` in all messages
/// that `tests/ui` expects.
macro_rules! attributes_of {
    ($point:ident) => {
        $point.attributes().map(|attribute| (attribute.key.to_string(), attribute.value.to_string())).collect()
    };
}
use attributes_of;
