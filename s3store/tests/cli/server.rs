//! The commands on a real S3 server, if `S3STORE_TEST_ENDPOINT` names one, and otherwise on the in-process S3.

use std::process::Command;

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use s3store::Dataset;
use s3store::testing::{ACCESS_KEY, S3, SECRET_KEY};
use serde_json::Value;

use super::{Cost, cost, lines, settle, text};

/// A server, and a bucket on it.
struct Server {
    endpoint: String,
    key: String,
    secret: String,
    bucket: String,
    _listener: Option<s3store::testing::Listener>,
}

impl Server {
    async fn start() -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        let listener = match variable("S3STORE_TEST_ENDPOINT") {
            Some(_) => None,
            None => Some(S3::new().listen("127.0.0.1:0").await.unwrap()),
        };
        let or = |name: &str, other: &str| variable(name).unwrap_or_else(|| other.to_owned());
        let server = match &listener {
            Some(listener) => (listener.endpoint(), ACCESS_KEY.to_owned(), SECRET_KEY.to_owned()),
            None => (or("S3STORE_TEST_ENDPOINT", ""), or("AWS_ACCESS_KEY_ID", ""), or("AWS_SECRET_ACCESS_KEY", "")),
        };
        let (endpoint, key, secret) = server;
        let bucket = format!("cli-{}", std::process::id());
        let server = Self { endpoint, key, secret, bucket, _listener: listener };
        server.client().create_bucket().bucket(&server.bucket).send().await.unwrap();
        server
    }

    fn client(&self) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(&self.endpoint)
            .force_path_style(true)
            .credentials_provider(Credentials::new(&self.key, &self.secret, None, None, "test"))
            .http_client(aws_smithy_http_client::Builder::new().build_http());
        aws_sdk_s3::Client::from_conf(config.build())
    }

    /// Returns what a command prints, if it ends with an exit code.
    async fn run(&self, code: i32, arguments: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_s3store"));
        command.env_clear().env("HOME", "/nonexistent").env("AWS_EC2_METADATA_DISABLED", "true").args(arguments);
        command.env("AWS_ENDPOINT_URL", &self.endpoint);
        command.env("AWS_ACCESS_KEY_ID", &self.key).env("AWS_SECRET_ACCESS_KEY", &self.secret);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
        text(&output.stdout)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_works_on_a_server() {
    let server = Server::start().await;
    let (location, target) = (format!("s3://{}/billing", server.bucket), format!("s3://{}/copy/of", server.bucket));
    let (location, target) = (location.as_str(), target.as_str());
    server.run(0, &["init", location, "--commit-timeout", "1500ms", "--max-clock-skew", "100ms"]).await;
    let dataset = Dataset::open(server.client(), &server.bucket, "billing").await.unwrap();
    for version in 1..3 {
        let costs: Vec<_> = (0..8).map(|index| cost(index, version)).collect();
        dataset.store::<Cost>().write(&costs).token(format!("job-{version}")).await.unwrap();
    }
    settle().await;
    let info: Value = serde_json::from_str(&server.run(0, &["info", location, "--records", "--json"]).await).unwrap();
    assert_eq!((&info["files"], &info["records"]), (&8.into(), &16.into()));
    assert_eq!(lines(&server.run(0, &["ls", location, "--json"]).await).len(), 4);
    assert_eq!(lines(&server.run(0, &["tail", location, "--json"]).await).len(), 8);
    let query = "SELECT client, sum(net) AS net FROM latest GROUP BY 1 ORDER BY 1";
    assert_eq!(server.run(0, &["sql", location, query]).await, "client,net\nabc,106.0\n\"x, y\",188.0\n");
    let days = server.run(0, &["lookup", location, "sku_days", "sku=SKU-3/*"]).await;
    assert_eq!(days, "sku,day\nSKU-3,2026-03-02\n");
    server.run(0, &["token", location, "day=2026-03-01/client=abc", "job-2"]).await;
    server.run(1, &["token", location, "day=2026-03-01/client=abc", "job-3"]).await;
    assert!(server.run(0, &["doctor", location]).await.starts_with("0 findings among 8 commits"));
    assert!(server.run(0, &["prune", location]).await.contains("0 files"));

    let copied: Value = serde_json::from_str(&server.run(0, &["copy", location, target, "--json"]).await).unwrap();
    assert_eq!((&copied["new_commits"], &copied["verified"]), (&8.into(), &true.into()));
    let again: Value = serde_json::from_str(&server.run(0, &["copy", location, target, "--json"]).await).unwrap();
    assert_eq!(again["new_commits"], 0);
    let history = async |place| server.run(0, &["cat", place, "--history", "--format", "json"]).await;
    assert_eq!(history(location).await, history(target).await);

    let published: Value = serde_json::from_str(&server.run(0, &["publish", location, "--json"]).await).unwrap();
    assert_eq!((&published["version"], &published["files"]), (&0.into(), &8.into()));
    assert!(
        server
            .run(0, &["publish", location, "--reconcile"])
            .await
            .starts_with("0 files added; the version of the table is 0")
    );

    let query = server.run(0, &["publish", location, "--latest-sql", "spark"]).await;
    let window = "PARTITION BY `day`, `customer`, `sku` ORDER BY `revised_at` DESC";
    assert!(query.contains(window) && query.contains("FROM delta.`s3a://"), "{query}");

    let scratch = format!("s3://{}/scratch", server.bucket);
    let measured = server.run(0, &["bench", &scratch, "--objects", "10", "--size", "2KiB", "--json"]).await;
    let measured: Value = serde_json::from_str(&measured).unwrap();
    assert!(measured["tests"].as_array().unwrap().iter().all(|test| test["passed"] == true), "{measured}");
}
