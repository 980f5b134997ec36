//! The command line of s3store.

use std::process::ExitCode;

fn main() -> ExitCode {
    s3store::cli::main()
}
