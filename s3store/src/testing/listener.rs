//! The server on a socket, for other programs.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use super::reply::ReplyBody;
use super::server::{Delivery, LONGEST_SILENCE, Server};
use super::time;

/// A socket on which an [`S3`](super::S3) is served. Returned by [`S3::listen`](super::S3::listen). Dropping it closes
/// the socket and all connections.
///
/// A connection on which no request begins for two minutes is closed, even if a request on it is not answered yet. So a
/// client without timeouts does not wait for ever for the rest of an answer, nor the server for the rest of a request.
///
/// # Example
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let s3 = s3store::testing::S3::with_bucket("warehouse");
/// let listener = s3.listen("127.0.0.1:0").await?;
/// println!("{}/warehouse", listener.endpoint());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Listener {
    addr: SocketAddr,
    task: AbortHandle,
}

impl Listener {
    pub(super) async fn bind(server: Arc<Server>, addr: impl ToSocketAddrs) -> io::Result<Self> {
        let socket = TcpListener::bind(addr).await?;
        let addr = socket.local_addr()?;
        let task = tokio::spawn(accept(socket, server)).abort_handle();
        Ok(Self { addr, task })
    }

    /// Returns the address of the socket.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns the endpoint for S3 clients, such as `http://127.0.0.1:9000`. Clients must put the bucket in the path.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.addr)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(socket: TcpListener, server: Arc<Server>) {
    // Dropped together with this task, which closes all connections.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = socket.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, Arc::clone(&server)));
                }
                // Probably out of file descriptors: retry later instead of spinning.
                Err(_) => time::sleep(Duration::from_millis(20)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, server: Arc<Server>) {
    let (begun, mut requests) = watch::channel(());
    let answer = service_fn(move |request| {
        begun.send_replace(());
        respond(Arc::clone(&server), request)
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
    let silence = async { while let Some(Ok(())) = time::within(LONGEST_SILENCE, requests.changed()).await {} };
    tokio::select! {
        // Errors are expected here: clients disconnect, and faults drop connections.
        _ = connection => {}
        () = silence => {}
    }
}

async fn respond(server: Arc<Server>, request: http::Request<Incoming>) -> io::Result<http::Response<ReplyBody>> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    match server.exchange(http::Request::from_parts(parts, body)).await {
        Delivery::Reply(response) => Ok(response),
        Delivery::Dropped => Err(io::Error::new(io::ErrorKind::ConnectionReset, "the connection was dropped")),
        // `serve` closes the connection.
        Delivery::Silence => std::future::pending().await,
    }
}
