//! SQL over datasets on many machines, by Ballista.
//!
//! A cluster is one [`Scheduler`] and some [`Executor`]s. A program that has a query connects to the scheduler with
//! [`connect`], makes the datasets' tables known with [`register`](super::register) as for DataFusion, and gets the same rows.
//!
//! ```no_run
//! # async fn example(dataset: s3store::Dataset) -> Result<(), Box<dyn std::error::Error>> {
//! let context = s3store::sql::cluster::connect("df://scheduler:50050")?;
//! s3store::sql::register(&context, "billing", &dataset.table().await?)?;
//! let sums = context.sql("SELECT customer, sum(net) FROM billing_latest GROUP BY 1").await?;
//! sums.show().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Who does what
//! | process | requests to S3 | credentials |
//! |---|---|---|
//! | the program with the query | lists the files of each table, once for a query, and reads one footer for an estimate | its dataset's client |
//! | scheduler | none | none |
//! | executor | reads the files that its tasks name, and looks views up | its own client |
//!
//! The list of committed files is part of the plan, so all executors read one snapshot. Credentials are never part of a plan: give
//! each executor a client with its own. Within a partition of a dataset, files are merged, so a partition is read by one task.
//!
//! # Limits
//! - All processes need the same version of this crate. A plan of another one is refused.
//! - A message of Ballista may have [`MAX_MESSAGE_BYTES`], and the scheduler must have received it within 5 minutes. A file takes some
//!   300 bytes of the plan for each scan of it, and an entry of the change stream three times that. The scheduler holds the plan until a
//!   minute after the query's end.
//! - An outer join, `EXISTS` or `NOT EXISTS` whose condition compares no columns for equality is refused, because Ballista 55 returns wrong
//!   rows for it. Its adaptive planner returns wrong rows for unions, so sessions have it off, and refuse a union if it is switched on.
//! - A large table in `NOT IN (SELECT …)` is an error of Ballista if the column may be null. Use `NOT EXISTS`.
//! - Views are looked up when a task runs, so they are not part of the snapshot.
//! - The kind of an error is lost on its way from an executor. Its text is kept.
//! - Filters that DataFusion finds while a query runs do not cross from one task to another, so Ballista switches them off.
//! - If an executor is lost, the scheduler notices within [`EXECUTOR_TIMEOUT`] and repeats the tasks whose results are gone. If the last one is
//!   lost, queries fail after the same time again. A query that is sent before any executor has come waits for the first.
//! - Anyone who reaches the port of a scheduler or an executor can run queries with the executors' credentials, or fetch results. So can
//!   anyone who may send queries: files are named by the sender. Keep all ports in a private network, and give executors no more rights than
//!   their users may have.

mod codec;
mod datasets;
mod frozen;
mod refused;
mod remote;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
pub use ballista_core;
use ballista_core::config::BALLISTA_CLIENT_GRPC_TIMEOUT_SECONDS;
use ballista_core::error::{BallistaError, Result as BallistaResult};
use ballista_core::extension::{SessionConfigExt as _, SessionStateExt as _};
use ballista_core::planner::BallistaQueryPlanner;
use ballista_core::registry::BallistaFunctionRegistry;
use ballista_core::utils::GrpcServerConfig;
use ballista_executor::executor_process::{ExecutorProcessConfig, start_executor_process};
use ballista_scheduler::cluster::BallistaCluster;
use ballista_scheduler::config::{SchedulerConfig, TaskDistributionPolicy};
use ballista_scheduler::scheduler_process::start_server;
use datafusion::catalog::Session;
use datafusion::common::{Result as DataFusionResult, plan_datafusion_err};
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::{SessionStateBuilder, SessionStateDefaults};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner as _};
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion_proto::protobuf::LogicalPlanNode;

pub use {ballista_executor, ballista_scheduler};

use self::codec::{LogicalCodec, PhysicalCodec};
use self::datasets::Datasets;
use crate::dataset::DatasetOptions;

/// The largest message between the processes of a cluster.
pub const MAX_MESSAGE_BYTES: u32 = 256 << 20;

/// The time after which an executor that sends no heartbeat counts as lost.
pub const EXECUTOR_TIMEOUT: Duration = Duration::from_secs(30);

/// The port of a scheduler, unless told otherwise.
pub const SCHEDULER_PORT: u16 = 50050;

/// The time that a request between the processes may take. The largest plans take longer than Ballista's 20 seconds.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(300);

/// How long the results of a query stay on an executor, if the scheduler does not remove them.
const RESULTS_KEPT: Duration = Duration::from_secs(6 * 3_600);

const HEARTBEAT: Duration = Duration::from_secs(5);

/// Connects to a cluster. The scheduler is named by a URL such as `df://scheduler:50050`.
///
/// Queries of the session run on the cluster. They may use tables of [`register`](super::register), and what Ballista knows itself, such as
/// Parquet files that all executors reach. Sends nothing: a scheduler that can't be reached fails the first query.
///
/// # Errors
/// The URL is not valid.
pub fn connect(url: &str) -> DataFusionResult<SessionContext> {
    connect_with(url, SessionConfig::new_with_ballista())
}

/// Connects to a cluster with options for the session: see [`connect`]. Make them with Ballista's
/// `SessionConfig::new_with_ballista`, which switches off what does not work on a cluster.
///
/// The option `target_partitions` is the number of parts into which a scan is divided at most.
///
/// # Errors
/// The URL is not valid.
pub fn connect_with(url: &str, config: SessionConfig) -> DataFusionResult<SessionContext> {
    let scheduler = scheduler_url(url)?;
    let datasets = Datasets::unread();
    let codec = Arc::new(LogicalCodec::new(&datasets));
    let config = with_cluster_options(config.upgrade_for_ballista())
        .with_ballista_logical_extension_codec(Arc::clone(&codec) as _)
        .with_ballista_physical_extension_codec(Arc::new(PhysicalCodec::new(&datasets)));
    let planner = BallistaQueryPlanner::with_extension(scheduler.clone(), config.ballista_config(), codec);
    let config = config.with_ballista_query_planner(Arc::new(ClusterPlanner(planner)));
    let state = SessionStateBuilder::new().with_default_features().with_config(config).build();
    Ok(SessionContext::new_with_state(state.upgrade_for_ballista(scheduler)?))
}

/// Returns the URL of a scheduler as Ballista takes it.
fn scheduler_url(url: &str) -> DataFusionResult<String> {
    let invalid = || plan_datafusion_err!("{url:?} is no URL of a scheduler, such as df://scheduler:{SCHEDULER_PORT}");
    let authority = match url.split_once("://") {
        Some(("df" | "http", authority)) => authority.trim_end_matches('/'),
        Some(_) => return Err(invalid()),
        None => url,
    };
    let authority: http::uri::Authority = authority.parse().map_err(|_| invalid())?;
    let port = authority.port_u16().unwrap_or(SCHEDULER_PORT);
    Ok(format!("http://{}:{port}", authority.host()))
}

/// Lists the files of tables, and then leaves the plan to Ballista.
#[derive(Debug)]
struct ClusterPlanner(BallistaQueryPlanner<LogicalPlanNode>);

#[async_trait]
impl QueryPlanner for ClusterPlanner {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        session: &dyn Session,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let is_adaptive = session.config().ballista_adaptive_query_planner_enabled();
        refused::check(plan, is_adaptive)?;
        match frozen::freeze(plan, session).await? {
            Some(frozen) => self.0.create_physical_plan(&frozen, session).await,
            // Ballista loses the columns of a plan that was simplified to no rows.
            None => DefaultPhysicalPlanner::default().create_physical_plan(plan, session).await,
        }
    }
}

/// The scheduler of a cluster: the process that plans queries and gives their tasks to executors.
///
/// It sends no requests to S3. Programs and executors connect to it.
///
/// # Example
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use s3store::sql::cluster::Scheduler;
///
/// Scheduler::new().bind("0.0.0.0:50050".parse()?).external_host("scheduler").run().await?;
/// # Ok(())
/// # }
/// ```
pub struct Scheduler {
    config: SchedulerConfig,
    /// If `true`, the caller has set the host by which executors reach the scheduler.
    has_external_host: bool,
}

impl Scheduler {
    /// Makes a scheduler that listens on port 50050 of the loopback interface.
    ///
    /// It spreads the tasks of a query evenly over the executors.
    #[must_use]
    pub fn new() -> Self {
        let datasets = Datasets::unread();
        let config = SchedulerConfig {
            external_host: "127.0.0.1".to_owned(),
            bind_port: SCHEDULER_PORT,
            task_distribution: TaskDistributionPolicy::RoundRobin,
            grpc_server_max_decoding_message_size: MAX_MESSAGE_BYTES,
            grpc_server_max_encoding_message_size: MAX_MESSAGE_BYTES,
            grpc_client_max_message_size: MAX_MESSAGE_BYTES,
            executor_timeout_seconds: EXECUTOR_TIMEOUT.as_secs(),
            expire_dead_executor_interval_seconds: HEARTBEAT.as_secs(),
            no_executors_grace_period_seconds: EXECUTOR_TIMEOUT.as_secs(),
            // Each has its plan.
            finished_job_state_clean_up_interval_seconds: 60,
            finished_job_data_clean_up_interval_seconds: 60,
            override_config_producer: Some(Arc::new(process_config)),
            override_logical_codec: Some(Arc::new(LogicalCodec::new(&datasets))),
            override_physical_codec: Some(Arc::new(PhysicalCodec::new(&datasets))),
            ..SchedulerConfig::default()
        };
        Self { config, has_external_host: false }
    }

    /// Listens on another address. Executors report to it, so an address such as `0.0.0.0` needs an
    /// [external host](Self::external_host).
    #[must_use]
    pub fn bind(mut self, address: SocketAddr) -> Self {
        (self.config.bind_host, self.config.bind_port) = (address.ip().to_string(), address.port());
        if !self.has_external_host {
            self.config.external_host = self.config.bind_host.clone();
        }
        self
    }

    /// Sets the host by which executors reach the scheduler, if it is not that of the address. The port is the same.
    #[must_use]
    pub fn external_host(mut self, host: impl Into<String>) -> Self {
        (self.config.external_host, self.has_external_host) = (host.into(), true);
        self
    }

    /// Changes Ballista's own options. The codecs must stay.
    #[must_use]
    pub fn configure(mut self, change: impl FnOnce(&mut SchedulerConfig)) -> Self {
        change(&mut self.config);
        self
    }

    /// Runs the scheduler until it fails.
    ///
    /// # Errors
    /// The address can't be bound, or is one such as `0.0.0.0` without an external host, or an option is not valid.
    ///
    /// # Cancel safety
    /// Dropping the future closes the port. Queries that run are lost.
    pub async fn run(self) -> BallistaResult<()> {
        let address = address(&self.config.bind_host, self.config.bind_port)?;
        let external: Option<IpAddr> = self.config.external_host.parse().ok();
        if external.is_some_and(|ip| ip.is_unspecified()) {
            return Err(BallistaError::Configuration(format!(
                "executors can't reach {address}: name the host by which they do with Scheduler::external_host"
            )));
        }
        let cluster = BallistaCluster::new_from_config(&self.config).await?;
        start_server(cluster, address, Arc::new(self.config)).await
    }
}

impl Default for Scheduler {
    fn default() -> Self {
        Self::new()
    }
}

/// An executor of a cluster: a process that reads files and computes what the scheduler gives it.
///
/// All datasets are read with one client, so it needs credentials for all of their buckets.
///
/// # Example
/// ```no_run
/// # async fn example(client: aws_sdk_s3::Client) -> Result<(), Box<dyn std::error::Error>> {
/// use s3store::sql::cluster::Executor;
///
/// Executor::new(client).scheduler("scheduler", 50050).run().await?;
/// # Ok(())
/// # }
/// ```
pub struct Executor {
    client: aws_sdk_s3::Client,
    options: DatasetOptions,
    config: ExecutorProcessConfig,
}

impl Executor {
    /// Makes an executor that serves results on port 50051 of the loopback interface, and takes tasks on port 50052.
    ///
    /// It uses all cores, and at most 70 % of the machine's or container's memory for what queries hold.
    #[must_use]
    pub fn new(client: aws_sdk_s3::Client) -> Self {
        let config = ExecutorProcessConfig {
            scheduler_port: SCHEDULER_PORT,
            // Also if the scheduler starts later.
            scheduler_connect_timeout_seconds: 60,
            grpc_max_decoding_message_size: MAX_MESSAGE_BYTES,
            grpc_max_encoding_message_size: MAX_MESSAGE_BYTES,
            executor_heartbeat_interval_seconds: HEARTBEAT.as_secs(),
            grpc_server_config: GrpcServerConfig {
                timeout_seconds: REQUEST_TIMEOUT.as_secs(),
                ..GrpcServerConfig::default()
            },
            job_data_clean_up_interval_seconds: 1_800,
            job_data_ttl_seconds: RESULTS_KEPT.as_secs(),
            override_config_producer: Some(Arc::new(process_config)),
            override_function_registry: Some(Arc::new(functions())),
            ..ExecutorProcessConfig::default()
        };
        Self { client, options: DatasetOptions::default(), config }
    }

    /// Reads datasets with these options, such as the number of requests in flight.
    #[must_use]
    pub fn dataset_options(mut self, options: DatasetOptions) -> Self {
        self.options = options;
        self
    }

    /// Takes tasks from the scheduler on this host and port.
    #[must_use]
    pub fn scheduler(mut self, host: impl Into<String>, port: u16) -> Self {
        (self.config.scheduler_host, self.config.scheduler_port) = (host.into(), port);
        self
    }

    /// Serves results on another address, and takes tasks on another port of it. The scheduler and the other executors have to reach both.
    #[must_use]
    pub fn bind(mut self, results: SocketAddr, tasks_port: u16) -> Self {
        self.config.bind_host = results.ip().to_string();
        (self.config.port, self.config.grpc_port) = (results.port(), tasks_port);
        self
    }

    /// Changes Ballista's own options, such as the number of cores, the memory, the directory for results, and the host name that others reach.
    #[must_use]
    pub fn configure(mut self, change: impl FnOnce(&mut ExecutorProcessConfig)) -> Self {
        change(&mut self.config);
        self
    }

    /// Runs the executor until SIGTERM, SIGINT or the scheduler stops it. The executor completes its tasks first.
    ///
    /// # Errors
    /// The scheduler can't be reached for a minute, a port can't be bound, or an option is not valid.
    ///
    /// # Cancel safety
    /// Dropping the future abandons its tasks, which the scheduler gives to other executors.
    pub async fn run(mut self) -> BallistaResult<()> {
        let datasets = Datasets::new(self.client, self.options);
        self.config.override_logical_codec = Some(Arc::new(LogicalCodec::new(&datasets)));
        self.config.override_physical_codec = Some(Arc::new(PhysicalCodec::new(&datasets)));
        // Removed at the end.
        let directory = match self.config.work_dir {
            Some(_) => None,
            None => Some(tempfile::tempdir()?),
        };
        if let Some(directory) = &directory {
            self.config.work_dir = Some(directory.path().to_string_lossy().into_owned());
        }
        start_executor_process(Arc::new(self.config)).await
    }
}

impl fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SchedulerConfig { bind_host, bind_port, .. } = &self.config;
        f.debug_struct("Scheduler").field("host", bind_host).field("port", bind_port).finish_non_exhaustive()
    }
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ExecutorProcessConfig { bind_host, port, scheduler_host, scheduler_port, .. } = &self.config;
        f.debug_struct("Executor")
            .field("host", bind_host)
            .field("port", port)
            .field("scheduler", &format_args!("{scheduler_host}:{scheduler_port}"))
            .finish_non_exhaustive()
    }
}

/// Returns the options of a process, for what sessions don't set.
fn process_config() -> SessionConfig {
    with_cluster_options(SessionConfig::new_with_ballista())
}

/// Sets the options that differ from Ballista's, in sessions and in processes.
fn with_cluster_options(config: SessionConfig) -> SessionConfig {
    config
        .with_ballista_adaptive_query_planner(false)
        .set_str(BALLISTA_CLIENT_GRPC_TIMEOUT_SECONDS, &REQUEST_TIMEOUT.as_secs().to_string())
        .with_ballista_grpc_client_max_message_size(MAX_MESSAGE_BYTES as usize)
}

/// Returns the functions that a session has. Ballista's own list lacks those of nested values.
fn functions() -> BallistaFunctionRegistry {
    let scalar = SessionStateDefaults::default_scalar_functions().into_iter();
    BallistaFunctionRegistry {
        scalar_functions: scalar.map(|function| (function.name().to_owned(), function)).collect(),
        ..BallistaFunctionRegistry::default()
    }
}

fn address(host: &str, port: u16) -> BallistaResult<SocketAddr> {
    let ip = host.parse().map_err(|_| BallistaError::Configuration(format!("{host:?} is no IP address")))?;
    Ok(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheduler_is_named_by_a_url_or_an_address() {
        for url in ["df://host:5", "http://host:5/", "host:5"] {
            assert_eq!(scheduler_url(url).unwrap(), "http://host:5", "{url}");
        }
        assert_eq!(scheduler_url("df://[::1]").unwrap(), "http://[::1]:50050");
        for url in ["https://host", "df://", "df://a b", "host:port:5"] {
            let error = scheduler_url(url).unwrap_err().to_string();
            assert!(error.contains("no URL of a scheduler"), "{url}: {error}");
        }
    }
}
