//! The command line, as the binary `s3store`.
//!
//! Each command is a function of `commands` that returns what `main` prints as its end: nothing, findings, or a failure with a
//! hint.

#![expect(clippy::print_stderr, reason = "a command prints errors and hints")]

/// Prints a line to the standard output, as `println!` does. Ends the process if nobody reads it any more.
macro_rules! say {
    ($($text:tt)*) => { $crate::cli::print_line(format_args!($($text)*)) };
}

mod args;
mod commands;
mod connect;
mod faults;
mod output;
mod progress;

use std::error::Error as _;
use std::fmt;
use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use datafusion::error::DataFusionError;

use self::args::Arguments;
use crate::error::{Error, ErrorKind};

/// The result of a command.
type Outcome<T> = Result<T, Failure>;

/// The end of a command that did what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    Well,
    /// Something was found that the caller may want to act on. The exit code is 1.
    WithFindings,
    /// The user ended it with Ctrl-C. The exit code is 130.
    Interrupted,
}

/// Why a command failed, in a line, and what helps. The exit code is 2.
#[derive(Debug)]
struct Failure {
    message: String,
    hint: Option<String>,
    /// The chain of causes.
    causes: Vec<String>,
}

impl Failure {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, causes: Vec::new() }
    }

    fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Prints a line. A closed pipe, such as that to `head`, ends the process well.
fn print_line(text: fmt::Arguments<'_>) {
    if writeln!(std::io::stdout().lock(), "{text}").is_err() {
        std::process::exit(0);
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::of(&error)
    }
}

impl Failure {
    fn of(error: &Error) -> Self {
        let hint = match error.kind() {
            ErrorKind::Config => Some("is this the right prefix? `s3store init` initialises a dataset"),
            ErrorKind::Refused => Some("check the credentials, the bucket and --region"),
            ErrorKind::Unavailable => Some("check the network and --endpoint-url"),
            _ => None,
        };
        let mut causes = Vec::new();
        let mut source = error.source();
        while let Some(cause) = source {
            causes.push(cause.to_string());
            source = cause.source();
        }
        Self { message: error.to_string(), hint: hint.map(str::to_owned), causes }
    }
}

impl From<DataFusionError> for Failure {
    fn from(error: DataFusionError) -> Self {
        match error.find_root() {
            DataFusionError::External(inner) => match inner.downcast_ref::<Error>() {
                Some(inner) => Self::of(inner),
                None => Self::new(inner.to_string()),
            },
            root => {
                let text = root.strip_backtrace();
                let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
                Self {
                    message: lines.next().unwrap_or("the query failed").to_owned(),
                    hint: None,
                    causes: lines.map(str::to_owned).collect(),
                }
            }
        }
    }
}

macro_rules! failure_from {
    ($($error:ty),*) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::new(error.to_string())
            }
        }
    )*};
}

failure_from!(std::io::Error, arrow_schema::ArrowError, parquet::errors::ParquetError, csv::Error, serde_json::Error);

/// Runs the command line of the process. Returns its exit code: 0, 1 for findings, 2 for a failure, 130 after Ctrl-C.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return end(Err(error.into()), 0),
    };
    let verbose = arguments.connection.verbose;
    if verbose > 0 {
        let level = if verbose > 1 { tracing::Level::DEBUG } else { tracing::Level::INFO };
        tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).init();
    }
    let handles_interrupts = arguments.command.handles_interrupts();
    let outcome = runtime.block_on(async {
        tokio::select! {
            outcome = commands::run(arguments) => Some(outcome),
            _ = tokio::signal::ctrl_c(), if !handles_interrupts => None,
        }
    });
    // Tasks that put a commit end first.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    match outcome {
        Some(outcome) => end(outcome, verbose),
        None => end(Ok(Done::Interrupted), verbose),
    }
}

fn end(outcome: Outcome<Done>, verbose: u8) -> ExitCode {
    match outcome {
        Ok(Done::Well) => ExitCode::SUCCESS,
        Ok(Done::WithFindings) => ExitCode::from(1),
        Ok(Done::Interrupted) => ExitCode::from(130),
        // Somebody closed the pipe, such as `head`.
        Err(failure) if failure.message.contains("Broken pipe") => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {}", failure.message.replace('\n', " "));
            if let Some(hint) = failure.hint {
                eprintln!("hint: {hint}");
            }
            if verbose > 0 {
                failure.causes.iter().for_each(|cause| eprintln!("caused by: {cause}"));
            }
            ExitCode::from(2)
        }
    }
}
