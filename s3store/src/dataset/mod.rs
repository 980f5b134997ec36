//! A dataset: its handle, its configuration, and the requests and state that readers and writers share.

mod clock_guard;
mod commit_lookup;
mod conditional_put;
mod file_end;
mod footer_cache;
mod handle;
mod init;
mod marker;
mod memory_reserve;
mod options;
mod partition;
mod parts;
mod result_stream;
mod schema;
mod store;
mod task_stream;
mod timing;

pub use self::clock_guard::ClockGuard;
pub(crate) use self::commit_lookup::FoundCommit;
pub(crate) use self::conditional_put::IfNoneMatchSupport;
pub use self::handle::Dataset;
pub use self::init::{Init, Initialized};
pub(crate) use self::memory_reserve::{MemoryReserve, acquire};
pub use self::options::DatasetOptions;
pub use self::partition::HivePartition;
pub(crate) use self::parts::{PARTS_IN_FLIGHT, Part, PartsInFlight};
pub use self::result_stream::ResultStream;
pub use self::schema::SchemaCheck;
pub(crate) use self::schema::Subject;
pub use self::store::Store;
pub(crate) use self::task_stream::TaskStream;
pub use crate::error::S3Error;
pub(crate) use crate::s3::task_error;
pub use crate::s3::{ClientRetries, Consistency};
