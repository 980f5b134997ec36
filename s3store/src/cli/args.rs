//! The arguments of the command line.

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::{Args, Parser, Subcommand, ValueEnum};

use super::faults::FaultSpec;

/// Reads and looks after datasets of s3store.
#[derive(Debug, Parser)]
#[command(name = "s3store", version, about, max_term_width = 100, arg_required_else_help = true)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) connection: Connection,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// How S3 is reached. Credentials come from the environment, profiles, SSO or the machine, as for every AWS tool.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(super) struct Connection {
    /// The URL of the S3 server [default: that of AWS, or AWS_ENDPOINT_URL]
    #[arg(long, global = true, value_name = "URL", help_heading = "Connection")]
    pub(super) endpoint_url: Option<String>,
    /// The profile in ~/.aws/config
    #[arg(long, global = true, value_name = "NAME", help_heading = "Connection")]
    pub(super) profile: Option<String>,
    /// The region [default: that of the profile or the environment, or us-east-1]
    #[arg(long, global = true, value_name = "NAME", help_heading = "Connection")]
    pub(super) region: Option<String>,
    /// Show the sources of an error, and what is logged; twice for every request
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Connection")]
    pub(super) verbose: u8,
}

impl Command {
    /// Returns whether the command acts on Ctrl-C itself.
    pub(super) fn handles_interrupts(&self) -> bool {
        matches!(self, Self::Bench(_) | Self::Sql(_) | Self::Tail(_))
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Initialise a dataset
    #[command(
        after_help = "Examples:\n  s3store init s3://warehouse/billing\n  s3store init s3://warehouse/billing --commit-timeout 30s"
    )]
    Init(Init),
    /// Show what a dataset contains
    #[command(after_help = "Example:\n  s3store info s3://warehouse/billing")]
    Info(Info),
    /// List partitions, files, commits or orphans
    #[command(
        after_help = "Examples:\n  s3store ls s3://warehouse/billing 'day=2026-03-*/*'\n  s3store ls s3://warehouse/billing --files --json"
    )]
    Ls(Ls),
    /// Print records
    #[command(after_help = "Examples:\n  s3store cat s3://warehouse/billing 'day=2026-03-17/*' --limit 10\n  \
        s3store cat s3://warehouse/billing --columns sku,net --where \"net > 100\" --format csv\n  \
        s3store cat s3://warehouse/billing --history --format parquet --output all.parquet")]
    Cat(Cat),
    /// Print the change stream
    #[command(after_help = "Examples:\n  s3store tail s3://warehouse/billing --since 2026-03-17T00:00:00Z\n  \
        s3store tail -f s3://warehouse/billing --since now --records")]
    Tail(Tail),
    /// Look up the tuples of a view
    #[command(after_help = "Example:\n  s3store lookup s3://warehouse/billing sku_days 'sku=SKU-1/*'")]
    Lookup(Lookup),
    /// Show the commit of a token
    #[command(after_help = "Example:\n  s3store token s3://warehouse/billing day=2026-03-17 job-17")]
    Token(Token),
    /// Report what failed, late and lost writes left behind; exit with 1 if there is anything
    #[command(
        after_help = "Examples:\n  s3store doctor s3://warehouse/billing --since 7d\n  s3store doctor s3://warehouse/billing --restamp"
    )]
    Doctor(Doctor),
    /// Delete the data files and refs of writes that failed; without --yes, show what would be deleted
    #[command(
        after_help = "Examples:\n  s3store prune s3://warehouse/billing\n  s3store prune s3://warehouse/billing --older-than 30d --yes"
    )]
    Prune(Prune),
    /// Publish the committed files as a Delta table, which DuckDB, Spark, Polars and pandas read without a copy
    #[command(
        after_help = "Examples:\n  s3store publish s3://warehouse/billing\n  s3store publish s3://warehouse/billing --reconcile"
    )]
    Publish(Publish),
    /// Copy a dataset, or some partitions, to another bucket, prefix or S3, and verify the copy
    ///
    /// Run it again to continue a copy that was interrupted, or to add what was written since. It overwrites nothing. Start
    /// readers that follow the change stream of the copy after it has ended.
    #[command(after_help = "Examples:\n  s3store copy s3://warehouse/billing s3://backup/billing\n  \
        s3store copy s3://warehouse/billing s3://warehouse/march 'day=2026-03-*/*' --dry-run\n  \
        s3store copy s3://warehouse/billing s3://warehouse/billing --to-endpoint-url https://s3.example.com --to-profile other")]
    Copy(Copy),
    /// Query a dataset: the tables `latest`, `history` and the views, and the function `changes(since, until)`
    #[command(
        after_help = "Examples:\n  s3store sql s3://warehouse/billing \"SELECT customer, sum(net) FROM latest GROUP BY 1\"\n  \
            s3store sql s3://warehouse/billing < report.sql\n  s3store sql s3://warehouse/billing   (a prompt; \\? for help)"
    )]
    Sql(Sql),
    /// Measure a bucket, and test what the library needs of it; exit with 1 if it lacks that
    ///
    /// Writes objects below a new prefix, and removes them at the end. Sends some 6 requests for each object.
    #[command(
        after_help = "Example:\n  s3store bench s3://warehouse/scratch --objects 500 --size 64KiB --concurrency 32"
    )]
    Bench(Bench),
    /// Serve an S3 on a loopback socket, for development and tests
    #[command(
        after_help = "Examples:\n  s3store serve --port 9000 --bucket warehouse --latency 20ms\n  s3store serve --dir ./objects\n  \
            s3store serve --fault 'PUT *.commit 503 10%' --fault 'GET *.parquet delay=2s 3x'"
    )]
    Serve(Serve),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
}

/// A dataset: a bucket and a key prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) bucket: String,
    pub(super) prefix: String,
}

impl std::str::FromStr for Location {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix("s3://").ok_or("a dataset is given as s3://bucket/prefix")?;
        match rest.split_once('/') {
            Some((bucket, prefix)) if !bucket.is_empty() && !prefix.trim_matches('/').is_empty() => {
                Ok(Self { bucket: bucket.to_owned(), prefix: prefix.trim_end_matches('/').to_owned() })
            }
            _ => Err("the prefix is missing: a dataset is given as s3://bucket/prefix".to_owned()),
        }
    }
}

/// How a dataset's records are understood, in place of what the bucket says.
#[derive(Debug, Clone, Args)]
pub(super) struct TableOptions {
    /// The columns that identify an entity, if no schema is registered
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',', requires = "version_column", help_heading = "Table")]
    pub(super) entity: Vec<String>,
    /// The column that orders the versions of an entity
    #[arg(long = "version-column", value_name = "COLUMN", requires = "entity", help_heading = "Table")]
    pub(super) version_column: Option<String>,
    /// Treat each row as a record of its own
    #[arg(long, conflicts_with = "entity", help_heading = "Table")]
    pub(super) no_key: bool,
    /// The column that marks deleted entities
    #[arg(long, value_name = "COLUMN", help_heading = "Table")]
    pub(super) deleted: Option<String>,
    /// A partition column whose values are the text of a column
    #[arg(long, value_name = "PARTITION=COLUMN", value_parser = pair, help_heading = "Table")]
    pub(super) partition_is: Vec<(String, String)>,
    /// Leave columns out
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',', help_heading = "Table")]
    pub(super) without: Vec<String>,
    /// How many of the newest files are looked at for columns
    #[arg(long, value_name = "FILES", default_value_t = 8, help_heading = "Table")]
    pub(super) sample: usize,
}

#[derive(Debug, Args)]
pub(super) struct Init {
    /// The dataset
    pub(super) location: Location,
    /// How long a write may take from its ref to its commit
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = duration)]
    pub(super) commit_timeout: Duration,
    /// How far the clocks of writers and readers may differ
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    pub(super) max_clock_skew: Duration,
}

#[derive(Debug, Args)]
pub(super) struct Info {
    /// The dataset
    pub(super) location: Location,
    /// Also count the records: 1 HEAD for each commit
    #[arg(long)]
    pub(super) records: bool,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) table: TableOptions,
}

#[derive(Debug, Args)]
pub(super) struct Ls {
    /// The dataset
    pub(super) location: Location,
    /// The partitions, such as 'day=2026-03-*/*' [default: all]
    pub(super) patterns: Vec<String>,
    /// List the committed data files
    #[arg(long, group = "what")]
    pub(super) files: bool,
    /// List the commits of the change stream
    #[arg(long, group = "what", conflicts_with = "patterns")]
    pub(super) commits: bool,
    /// List data files and refs without a commit
    #[arg(long, group = "what", conflicts_with = "patterns")]
    pub(super) orphans: bool,
    /// Print JSON lines
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Cat {
    /// The dataset
    pub(super) location: Location,
    /// The partitions, such as 'day=2026-03-*/*' [default: all]
    pub(super) patterns: Vec<String>,
    /// The columns, in this order [default: all]
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    pub(super) columns: Vec<String>,
    /// A condition in SQL
    #[arg(long = "where", value_name = "CONDITION")]
    pub(super) condition: Option<String>,
    /// Print every version of each entity
    #[arg(long)]
    pub(super) history: bool,
    /// Print at most so many records
    #[arg(long, value_name = "RECORDS")]
    pub(super) limit: Option<usize>,
    #[command(flatten)]
    pub(super) output: Output,
    #[command(flatten)]
    pub(super) table: TableOptions,
}

#[derive(Debug, Args)]
pub(super) struct Tail {
    /// The dataset
    pub(super) location: Location,
    /// Wait for more
    #[arg(short, long)]
    pub(super) follow: bool,
    /// Where to begin: an offset, an instant, a time before now such as 1h, or `now` [default: the first commit]
    #[arg(long, value_name = "PLACE")]
    pub(super) since: Option<String>,
    /// Print the records instead of the entries
    #[arg(long)]
    pub(super) records: bool,
    /// Only these partitions
    #[arg(long, value_name = "PATTERN")]
    pub(super) only: Vec<String>,
    /// Print JSON lines
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) table: TableOptions,
}

#[derive(Debug, Args)]
pub(super) struct Lookup {
    /// The dataset
    pub(super) location: Location,
    /// The view
    pub(super) view: String,
    /// The tuples, such as 'sku=SKU-1/*' [default: all]
    pub(super) patterns: Vec<String>,
    /// The view's columns, if no schema is registered
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    pub(super) columns: Vec<String>,
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Debug, Args)]
pub(super) struct Token {
    /// The dataset
    pub(super) location: Location,
    /// The partition, name=value/name=value
    pub(super) partition: String,
    /// The token
    pub(super) token: String,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// The dataset
    pub(super) location: Location,
    /// Where the examination begins: an instant, or a time before now such as 7d [default: the first write]
    #[arg(long, value_name = "PLACE")]
    pub(super) since: Option<String>,
    /// Skip the footers of data files
    #[arg(long)]
    pub(super) no_record_counts: bool,
    /// Restamp late commits and commits without a ref, after asking
    #[arg(long)]
    pub(super) restamp: bool,
    /// Do not ask
    #[arg(long, requires = "restamp")]
    pub(super) yes: bool,
    /// Print JSON lines
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Prune {
    /// The dataset
    pub(super) location: Location,
    /// The least age of what is deleted; longer than any process is paused for, and at least 24h
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = duration)]
    pub(super) older_than: Duration,
    /// Delete
    #[arg(long)]
    pub(super) yes: bool,
    /// Print JSON lines
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Copy {
    /// The dataset
    pub(super) source: Location,
    /// Where the copy is made
    pub(super) destination: Location,
    /// The partitions, such as 'day=2026-03-*/*' [default: all]
    pub(super) patterns: Vec<String>,
    /// The URL of the destination's S3 server [default: that of the source]
    #[arg(long, value_name = "URL", help_heading = "Connection")]
    pub(super) to_endpoint_url: Option<String>,
    /// The profile for the destination [default: that of the source]
    #[arg(long, value_name = "NAME", help_heading = "Connection")]
    pub(super) to_profile: Option<String>,
    /// The region of the destination [default: that of the source]
    #[arg(long, value_name = "NAME", help_heading = "Connection")]
    pub(super) to_region: Option<String>,
    /// Write nothing, and show what would be copied
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Publish {
    /// The dataset
    pub(super) location: Location,
    /// List the dataset, add what late commits left out, and report files that are missing
    #[arg(long)]
    pub(super) reconcile: bool,
    /// Leave a column out of a new table, for readers that fail on its type; may be repeated
    #[arg(long, value_name = "COLUMN")]
    pub(super) leave_out: Vec<String>,
    /// Publish nothing, and print a query of the latest versions for an engine that reads the table
    #[arg(long, value_name = "DIALECT", conflicts_with_all = ["reconcile", "follow", "json"])]
    pub(super) latest_sql: Option<Dialect>,
    /// Go on until Ctrl-C
    #[arg(short, long)]
    pub(super) follow: bool,
    /// How long to wait after each look at the change stream
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration, requires = "follow")]
    pub(super) interval: Duration,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) table: TableOptions,
}

/// A dialect of SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Dialect {
    Duckdb,
    Spark,
    Trino,
}

#[derive(Debug, Args)]
pub(super) struct Sql {
    /// The dataset
    pub(super) location: Location,
    /// The query [default: a prompt on a terminal, otherwise the queries of the standard input]
    pub(super) query: Option<String>,
    #[command(flatten)]
    pub(super) output: Output,
    #[command(flatten)]
    pub(super) table: TableOptions,
}

#[derive(Debug, Args)]
pub(super) struct Serve {
    /// The port; 0 for a free one
    #[arg(long, default_value_t = 9000)]
    pub(super) port: u16,
    /// Buckets that exist at the start
    #[arg(long = "bucket", value_name = "NAME", default_values_t = ["warehouse".to_owned()])]
    pub(super) buckets: Vec<String>,
    /// Keep the objects in a folder, and serve what it has; it must not be in use by another server
    #[arg(long, value_name = "DIR")]
    pub(super) dir: Option<PathBuf>,
    /// Delay every request
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) latency: Option<Duration>,
    /// Let requests fail: 'REQUEST KEY EFFECT [HOW OFTEN]'; may be repeated, and the first that strikes counts
    ///
    /// REQUEST is PUT, GET, HEAD, LIST, DELETE, UPLOAD (the requests of multipart uploads) or *. KEY is the key, or the prefix of a
    /// LIST, in which * stands for any text. EFFECT is a status (the request is not applied), lost (it is applied, and the
    /// connection is closed), drop (it is not applied, and the connection is closed) or delay=TIME. HOW OFTEN is a rate such as
    /// 10% (every tenth request) or a number of times such as 3x; otherwise always.
    #[arg(long = "fault", value_name = "SPEC")]
    pub(super) faults: Vec<FaultSpec>,
}

#[derive(Debug, Args)]
pub(super) struct Bench {
    /// Where objects may be written
    pub(super) location: Location,
    /// The number of objects
    #[arg(long, value_name = "COUNT", default_value_t = 200)]
    pub(super) objects: usize,
    /// The size of an object
    #[arg(long, value_name = "SIZE", default_value = "64KiB", value_parser = byte_size)]
    pub(super) size: usize,
    /// How many requests are in flight
    #[arg(long, value_name = "REQUESTS", default_value_t = 16)]
    pub(super) concurrency: usize,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// The form of rows.
#[derive(Debug, Clone, Args)]
pub(super) struct Output {
    /// The form of the rows [default: table on a terminal, otherwise csv]
    #[arg(long, value_name = "FORM")]
    pub(super) format: Option<Format>,
    /// Write to a file
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A table that fits the terminal
    Table,
    /// Comma-separated values with a header
    Csv,
    /// One JSON object a line
    Json,
    /// A Parquet file
    Parquet,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, column) = text.split_once('=').ok_or("expected PARTITION=COLUMN")?;
    Ok((name.to_owned(), column.to_owned()))
}

/// Parses a size such as `512`, `64KiB`, `8MiB` or `1GiB`.
fn byte_size(text: &str) -> Result<usize, String> {
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let invalid = || format!("{text:?} is no size; write 512, 64KiB, 8MiB or 1GiB");
    let each = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(invalid()),
    };
    number.parse().ok().and_then(|number: usize| number.checked_mul(each)).ok_or_else(invalid)
}

/// Parses a time span such as `1500ms`, `15s`, `10m`, `2h` or `7d`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let invalid = || format!("{text:?} is no time span; write 1500ms, 15s, 10m, 2h or 7d");
    let number: u64 = number.parse().map_err(|_| invalid())?;
    let seconds = |each: u64| number.checked_mul(each).map(Duration::from_secs).ok_or_else(invalid);
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => seconds(1),
        "m" => seconds(60),
        "h" => seconds(3_600),
        "d" => seconds(24 * 3_600),
        _ => Err(invalid()),
    }
}

/// A place in the change stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Instant(DateTime<Utc>),
    Offset(String),
}

impl Place {
    /// Parses an offset, an instant, a time span before `now`, or `now`.
    pub(super) fn parse(text: &str, now: DateTime<Utc>) -> Result<Self, String> {
        if text == "now" {
            return Ok(Self::Instant(now));
        }
        if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
            return Ok(Self::Instant(instant.to_utc()));
        }
        if let Ok(date) = text.parse::<chrono::NaiveDate>() {
            return Ok(Self::Instant(date.and_time(chrono::NaiveTime::MIN).and_utc()));
        }
        if let Ok(span) = duration(text) {
            let before = chrono::TimeDelta::from_std(span).ok().and_then(|span| now.checked_sub_signed(span));
            return before.map(Self::Instant).ok_or_else(|| format!("{text:?} is too long ago"));
        }
        if text.contains("/_ref/") {
            return Ok(Self::Offset(text.to_owned()));
        }
        Err(format!("{text:?} is neither an offset nor an instant; write 2026-03-17T12:00:00Z, 2026-03-17, 1h or now"))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn locations_are_buckets_and_prefixes() {
        let location = "s3://warehouse/a/b/".parse::<Location>().unwrap();
        assert_eq!(location, Location { bucket: "warehouse".to_owned(), prefix: "a/b".to_owned() });
        for wrong in ["warehouse/a", "s3://", "s3://warehouse", "s3://warehouse/", "s3:///a"] {
            assert!(wrong.parse::<Location>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(["0", "512B", "64KiB", "2MiB"].map(byte_size), [Ok(0), Ok(512), Ok(65_536), Ok(2 << 20)]);
        for wrong in ["", "KiB", "1KB", "1.5MiB", "99999999999999999999", "99999999999GiB"] {
            assert!(byte_size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn places_are_offsets_instants_and_spans() {
        let now = DateTime::from_timestamp_micros(1_000_000_000).unwrap();
        let instant = |micros| Ok(Place::Instant(DateTime::from_timestamp_micros(micros).unwrap()));
        assert_eq!(Place::parse("now", now), instant(1_000_000_000));
        assert_eq!(Place::parse("10s", now), instant(990_000_000));
        assert_eq!(Place::parse("1970-01-01T00:00:01Z", now), instant(1_000_000));
        assert_eq!(Place::parse("1970-01-02", now), instant(86_400_000_000));
        assert_eq!(Place::parse("d/_ref/1", now), Ok(Place::Offset("d/_ref/1".to_owned())));
        assert!(Place::parse("yesterday", now).unwrap_err().contains("neither an offset nor an instant"));
    }
}
