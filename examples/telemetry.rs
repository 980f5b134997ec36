//! Telemetry of a service: logs on standard error, metrics for Prometheus to scrape, and metrics by OTLP if the
//! environment names a collector.
//!
//! | variable | meaning |
//! |---|---|
//! | `RUST_LOG` | the log filter; default `info` |
//! | `OTEL_EXPORTER_PROMETHEUS_HOST`, `OTEL_EXPORTER_PROMETHEUS_PORT` | the address of `/metrics`; default `127.0.0.1`, `9464` |
//! | `OTEL_EXPORTER_OTLP_ENDPOINT` | the collector, such as `http://127.0.0.1:4318`; if unset, nothing is sent |
//! | `OTEL_METRIC_EXPORT_INTERVAL` | the interval in milliseconds; default `60000` |
//! | `OTEL_SERVICE_NAME` | the name of the service at the collector |

use std::convert::Infallible;
use std::env;
use std::error::Error;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use opentelemetry_otlp::{MetricExporter, OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_METRICS_ENDPOINT};
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use prometheus::proto::MetricFamily;
use prometheus::{Encoder, Registry, TextEncoder};
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// The exporters. They run until [`shutdown`](Telemetry::shutdown).
pub struct Telemetry {
    provider: SdkMeterProvider,
}

impl Telemetry {
    /// Starts logging and exporting. Call it before opening a dataset, which takes its meter provider when it is
    /// opened.
    pub async fn start() -> Result<Self> {
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();

        // Prometheus pulls: each scrape reads the registry.
        let registry = Registry::new();
        let scraped = opentelemetry_prometheus::exporter().with_registry(registry.clone()).build()?;
        let mut provider = SdkMeterProvider::builder().with_reader(scraped);
        serve(registry).await?;

        // A collector gets pushes: a thread of the reader sends at intervals.
        let named = |variable| env::var_os(variable).is_some();
        if named(OTEL_EXPORTER_OTLP_ENDPOINT) || named(OTEL_EXPORTER_OTLP_METRICS_ENDPOINT) {
            let pushed = MetricExporter::builder().with_http().build()?;
            provider = provider.with_reader(PeriodicReader::builder(pushed).build());
            tracing::info!("metrics are sent by OTLP");
        }

        let provider = provider.build();
        opentelemetry::global::set_meter_provider(provider.clone());
        Ok(Self { provider })
    }

    /// Sends the remaining metrics. Call it last: later measurements are lost.
    pub async fn shutdown(self) -> Result<()> {
        // `shutdown` blocks until the collector responds, so it must not run on an async thread.
        Ok(tokio::task::spawn_blocking(move || self.provider.shutdown()).await??)
    }
}

/// Serves `GET /metrics` until the process ends.
#[expect(clippy::disallowed_methods, reason = "waits before accepting again if sockets have run out")]
async fn serve(registry: Registry) -> Result<()> {
    let host = env::var("OTEL_EXPORTER_PROMETHEUS_HOST").unwrap_or_else(|_| "127.0.0.1".to_owned());
    let port = env::var("OTEL_EXPORTER_PROMETHEUS_PORT").map_or(Ok(9464), |port| port.parse())?;
    let listener = TcpListener::bind((host, port)).await?;
    tracing::info!("metrics are at http://{}/metrics", listener.local_addr()?);
    tokio::spawn(async move {
        loop {
            let socket = match listener.accept().await {
                Ok((socket, _)) => socket,
                Err(error) => {
                    tracing::warn!(%error, "can't accept a scrape");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
            };
            let registry = registry.clone();
            let answer = service_fn(move |request| {
                let response = scrape(&registry, &request);
                async { Ok::<_, Infallible>(response) }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), answer));
        }
    });
    Ok(())
}

fn scrape(registry: &Registry, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    let mut text = Vec::new();
    let encoder = TextEncoder::new();
    if request.uri().path() != "/metrics" {
        *response.status_mut() = StatusCode::NOT_FOUND;
    } else if let Err(error) = encoder.encode(&gather(registry), &mut text) {
        tracing::error!(%error, "can't encode the metrics");
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    } else {
        response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(prometheus::TEXT_FORMAT));
        *response.body_mut() = Full::from(text);
    }
    response
}

/// Returns all metrics. This exporter appends the unit also to names that end in it. Other exporters do not, and the
/// dashboards expect their names.
fn gather(registry: &Registry) -> Vec<MetricFamily> {
    let mut families = registry.gather();
    for family in &mut families {
        if let Some(name) = family.name().strip_suffix("_bytes_bytes") {
            let name = format!("{name}_bytes");
            family.set_name(name);
        }
    }
    families
}
