//! The processes of a cluster.

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::AppName;
use s3store::datafusion::prelude::{SessionConfig, SessionContext};
use s3store::sql::cluster::ballista_core::extension::SessionConfigExt;
use s3store::sql::cluster::{Executor, Scheduler, connect_with};
use s3store::testing::{ACCESS_KEY, Operation, REGION, S3, SECRET_KEY};

use crate::harness::{BUCKET, Server, sleep};

/// The variable with the role and the ports of a child process: `scheduler:PORT`, or `executor-NUMBER:SCHEDULER:RESULTS:TASKS`.
const ROLE: &str = "S3STORE_CLUSTER_ROLE";

pub const EXECUTORS: usize = 3;

/// The scheduler's address.
const SCHEDULER: [u8; 4] = [127, 0, 0, 2];

/// A scheduler and its executors, each in a process of its own. They end with this one.
pub struct Fleet {
    scheduler: u16,
    _scheduler: Child,
    executors: Vec<Child>,
}

/// The S3 that child processes reach, if the environment names none.
struct Shared {
    s3: S3,
    endpoint: String,
}

/// Returns the in-process S3 of all tests, on a socket, or `None` if the environment names a server.
fn shared() -> Option<&'static Shared> {
    static SHARED: OnceLock<Option<Shared>> = OnceLock::new();
    let start = || {
        if std::env::var_os("S3STORE_TEST_ENDPOINT").is_some() {
            return None;
        }
        let (sender, receiver) = std::sync::mpsc::channel();
        let s3 = S3::with_bucket(BUCKET);
        let served = s3.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = served.listen("127.0.0.1:0").await.unwrap();
                sender.send(listener.endpoint()).unwrap();
                std::future::pending::<()>().await;
            });
        });
        Some(Shared { s3, endpoint: receiver.recv().unwrap() })
    };
    SHARED.get_or_init(start).as_ref()
}

/// Returns a server that the processes reach.
pub async fn server() -> Server {
    static STARTED: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let mut server = Server::start().await;
    if let Some(shared) = shared() {
        server.client = shared.s3.client();
        server.prefix = format!("tests/{}", STARTED.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    }
    server
}

/// Returns the requests of each executor, and then those of this process, for keys below a prefix. Returns `None` if the S3
/// does not log them.
pub fn requests(prefix: &str) -> Option<[Vec<Operation>; EXECUTORS + 1]> {
    let mut found: [Vec<Operation>; EXECUTORS + 1] = Default::default();
    for request in shared()?.s3.requests() {
        if request.target().is_some_and(|target| target.starts_with(prefix)) {
            let is_sender = |number: &usize| crate::harness::sent_by(&request, &format!("executor-{number}"));
            let sender = (0..EXECUTORS).find(is_sender).unwrap_or(EXECUTORS);
            found[sender].push(request.operation);
        }
    }
    Some(found)
}

/// Returns the fleet that the tests share.
pub async fn fleet() -> &'static Fleet {
    static FLEET: tokio::sync::OnceCell<Fleet> = tokio::sync::OnceCell::const_new();
    FLEET.get_or_init(|| Fleet::start(EXECUTORS)).await
}

impl Fleet {
    pub async fn start(executors: usize) -> Self {
        let ports: Vec<u16> = free_ports(1 + 2 * executors);
        let scheduler = ports[0];
        let process = spawn(&format!("scheduler:{scheduler}"));
        listens(SCHEDULER, scheduler).await;
        let role = |(number, ports): (usize, &[u16])| {
            spawn(&format!("executor-{number}:{scheduler}:{}:{}", ports[0], ports[1]))
        };
        let executors = ports[1..].chunks(2).enumerate().map(role).collect();
        for port in &ports[1..] {
            listens([127, 0, 0, 1], *port).await;
        }
        // They register after they listen.
        sleep(Duration::from_secs(1)).await;
        Self { scheduler, _scheduler: process, executors }
    }

    /// Returns a session whose queries run on the cluster.
    pub fn session(&self, partitions: usize) -> SessionContext {
        let config = SessionConfig::new_with_ballista().with_target_partitions(partitions);
        connect_with(&format!("df://127.0.0.2:{}", self.scheduler), config).unwrap()
    }

    pub fn kill(&mut self, executor: usize) {
        self.executors[executor].kill().unwrap();
        self.executors[executor].wait().unwrap();
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for child in self.executors.iter_mut().chain([&mut self._scheduler]) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Returns ports that nothing listens on.
fn free_ports(count: usize) -> Vec<u16> {
    // All are held until the last is known, so that they differ.
    let sockets: Vec<_> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    sockets.iter().map(|socket| socket.local_addr().unwrap().port()).collect()
}

fn spawn(role: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "cluster::fleet::child", "--nocapture"]).env(ROLE, role);
    if let Some(shared) = shared() {
        command.env("S3STORE_TEST_ENDPOINT", &shared.endpoint).env("S3STORE_TEST_SERVER", "a socket");
        command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY).env("AWS_REGION", REGION);
    }
    if role.starts_with("scheduler") {
        // It reads nothing.
        command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    }
    // The child ends when its standard input does: with this process.
    command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap()
}

async fn listens(ip: [u8; 4], port: u16) {
    for _ in 0..600 {
        if TcpStream::connect(SocketAddr::from((ip, port))).is_ok() {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("nothing listens on port {port}");
}

/// The main function of a child process.
#[test]
fn child() {
    let Ok(role) = std::env::var(ROLE) else { return };
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let parts: Vec<&str> = role.split(':').collect();
    let ports: Vec<u16> = parts[1..].iter().map(|port| port.parse().unwrap()).collect();
    let address = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let ended = runtime.block_on(async {
        match ports[..] {
            // Not the loopback address of everything else, so that a report to another one fails.
            [port] => Scheduler::new().bind(SocketAddr::from((SCHEDULER, port))).run().await,
            [scheduler, results, tasks] => {
                let client = Server::start().await.client;
                let config = client.config().to_builder().app_name(AppName::new(parts[0].to_owned()).unwrap());
                let executor = Executor::new(Client::from_conf(config.build())).scheduler("127.0.0.2", scheduler);
                let few =
                    |config: &mut s3store::sql::cluster::ballista_executor::executor_process::ExecutorProcessConfig| {
                        config.vcores = 2;
                        config.memory_pool_size = Some(1 << 30);
                    };
                executor.bind(address(results), tasks).configure(few).run().await
            }
            _ => panic!("{role} is no role"),
        }
    });
    panic!("{role} ended: {ended:?}");
}
