//! The commands.

mod bench;
mod copy;
mod publish;
mod records;
mod serve;
mod sql;
mod state;

use clap::CommandFactory as _;

use super::args::{Arguments, Command};
use super::{Done, Outcome};

/// Runs a command.
pub(super) async fn run(arguments: Arguments) -> Outcome<Done> {
    let Arguments { connection, command } = arguments;
    match command {
        Command::Init(init) => state::init(&connection, init).await,
        Command::Info(info) => state::info(&connection, info).await,
        Command::Ls(ls) => state::ls(&connection, ls).await,
        Command::Token(token) => state::token(&connection, token).await,
        Command::Doctor(doctor) => state::doctor(&connection, doctor).await,
        Command::Prune(prune) => state::prune(&connection, prune).await,
        Command::Copy(copy) => copy::copy(&connection, copy).await,
        Command::Publish(publish) => publish::publish(&connection, publish).await,
        Command::Cat(cat) => records::cat(&connection, cat).await,
        Command::Sql(sql) => sql::sql(&connection, sql).await,
        Command::Tail(tail) => records::tail(&connection, tail).await,
        Command::Lookup(lookup) => records::lookup(&connection, lookup).await,
        Command::Bench(bench) => bench::bench(&connection, bench).await,
        Command::Serve(serve) => serve::serve(serve).await,
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "s3store", &mut std::io::stdout());
            Ok(Done::Well)
        }
        Command::Man => {
            clap_mangen::Man::new(Arguments::command()).render(&mut std::io::stdout())?;
            Ok(Done::Well)
        }
    }
}
