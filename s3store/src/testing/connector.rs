//! The SDK's HTTP client, without a socket.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http::header::{HOST, HeaderValue};
use http_body_util::BodyExt as _;

use super::server::{Delivery, LONGEST_SILENCE, Server};
use super::time;

/// An HTTP client that passes requests to a server in the same process.
#[derive(Debug, Clone)]
pub(super) struct InProcess {
    server: Arc<Server>,
    read_timeout: Option<Duration>,
}

impl InProcess {
    pub(super) fn new(server: Arc<Server>) -> Self {
        Self { server, read_timeout: None }
    }

    async fn send(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let (mut parts, body) = request.try_into_http1x().map_err(unusable)?.into_parts();
        let body = body.collect().await.map_err(ConnectorError::user)?.to_bytes();
        if let Some(host) = parts.uri.authority()
            && !parts.headers.contains_key(HOST)
        {
            let host = HeaderValue::try_from(host.as_str()).map_err(unusable)?;
            parts.headers.insert(HOST, host);
        }
        let delivery = async {
            match self.server.exchange(http::Request::from_parts(parts, body)).await {
                Delivery::Silence => {
                    time::sleep(LONGEST_SILENCE).await;
                    Delivery::Dropped
                }
                delivery => delivery,
            }
        };
        let delivered = match self.read_timeout {
            None => Some(delivery.await),
            Some(limit) => time::within(limit, delivery).await,
        };
        match delivered {
            Some(Delivery::Reply(response)) => response.map(SdkBody::from_body_1_x).try_into().map_err(unusable),
            Some(Delivery::Dropped | Delivery::Silence) => {
                let error = io::Error::new(io::ErrorKind::ConnectionReset, "the connection was dropped");
                Err(ConnectorError::io(error.into()))
            }
            None => {
                let error = io::Error::new(io::ErrorKind::TimedOut, "no answer within the read timeout");
                Err(ConnectorError::timeout(error.into()))
            }
        }
    }
}

fn unusable(error: impl std::error::Error + Send + Sync + 'static) -> ConnectorError {
    ConnectorError::user(error.into())
}

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().send(request))
    }
}

impl HttpClient for InProcess {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Self { read_timeout: settings.read_timeout(), ..self.clone() })
    }
}
