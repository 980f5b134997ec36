//! An S3 server in memory, for tests. Enabled by the feature `testing`.
//!
//! [`S3`] is both the server and the handle to it. [`S3::client`] returns an ordinary `aws_sdk_s3::Client`, so the code
//! under test runs unchanged: signing, retries and timeouts are the SDK's own. Only the HTTP client is replaced, by one
//! that passes each request to the server in the same process. [`S3::listen`] serves the same objects on a socket, for
//! other programs.
//!
//! The server implements the parts of S3 that a dataset needs: LIST, also by delimiter, user metadata, conditional PUT,
//! range requests, multipart uploads, checksums, and S3's error codes. Objects live in memory and are gone when the last
//! handle is dropped.
//!
//! A test can:
//!
//! - Inject a [`Fault`] with [`S3::inject`]: an error before or after the request is applied, a delay, a dropped
//!   connection, a response body that is cut off or stalls, a PUT that is applied late, a new key that LIST does not
//!   show yet, or a function of the test that runs between two requests.
//! - Change how the server behaves: [`ConditionalPut`], [`Policy`], [`ETags`], [`Checksums`], the page size of LIST and
//!   its [`ListOrder`], the smallest part of an upload, the server's clock.
//! - Assert on the requests that arrived ([`S3::requests`]), on the objects that exist ([`S3::keys`],
//!   [`S3::object`]), and on the multipart uploads that were not ended ([`S3::uploads`]).
//!
//! The server never sleeps except for faults that say so. It works with `tokio::time::pause`: delays then take no real
//! time.
//!
//! [`TestDataset`] is a dataset on such a server, in virtual time. [`Files`] and [`read_file`] encode and decode data files without S3, and [`instruments()`] lists the library's
//! metrics.
//!
//! # Example
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use s3store::testing::{Fault, Operation, S3};
//!
//! let s3 = S3::with_bucket("warehouse");
//! let client = s3.client();
//! s3.inject(Fault::on(Operation::Put).fail(503, "SlowDown"));
//!
//! // The SDK retries on its own.
//! client.put_object().bucket("warehouse").key("a/b").body(b"hello".to_vec().into()).send().await?;
//!
//! assert_eq!(s3.keys("warehouse"), ["a/b"]);
//! // The first try was not applied, the second was.
//! let applied: Vec<_> = s3.requests().iter().map(|request| request.applied).collect();
//! assert_eq!(applied, [None, Some(200)]);
//! # Ok(())
//! # }
//! ```

mod backend;
mod bucket;
mod checksum;
mod connector;
mod convert;
mod disk;
mod fault;
mod files;
mod fixture;
mod instruments;
mod list;
mod listener;
mod lock;
mod multipart;
mod object;
mod reply;
mod request;
mod s3;
mod server;
mod time;

#[cfg(test)]
mod tests;

pub use bucket::{Checksums, ConditionalPut, ETags, Policy};
pub use fault::{Fault, FaultBuilder, Meanwhile};
pub use files::{Files, read_file};
pub use fixture::TestDataset;
pub use instruments::{Accounting, Instrument, InstrumentKind, instruments};
pub use list::ListOrder;
pub use listener::Listener;
pub use object::Object;
pub use request::{Answer, Landed, Operation, Request};
pub use s3::{REGION, S3};
pub use server::{ACCESS_KEY, SECRET_KEY};
pub use time::ServerTime;
