//! Queries: one, those of the standard input, or those of a prompt.

use std::collections::BTreeSet;
use std::io::{IsTerminal as _, Read as _};
use std::path::PathBuf;
use std::time::Duration;

use datafusion::prelude::SessionContext;
use datafusion::sql::parser::DFParser;
use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Config, Context, Editor, Helper};

use crate::cli::args::{Connection, Output, Sql};
use crate::cli::output::{new_table, write_rows};
use crate::cli::{Done, Failure, Outcome, connect};
use crate::clock::Clock;

const HELP: &str = "\
A query ends with a semicolon, and may have several lines.
\\d      shows the tables and their columns
\\?      shows this
\\q      ends the prompt, as Ctrl-D does
Tab completes the names of tables and columns, and words of SQL. Ctrl-C stops a query, or leaves a line.";

/// Words that the prompt completes.
const WORDS: &[&str] = &[
    "SELECT",
    "DISTINCT",
    "FROM",
    "WHERE",
    "GROUP BY",
    "ORDER BY",
    "HAVING",
    "LIMIT",
    "JOIN",
    "LEFT JOIN",
    "ON",
    "USING",
    "UNION ALL",
    "WITH",
    "AS",
    "AND",
    "OR",
    "NOT",
    "IN",
    "LIKE",
    "BETWEEN",
    "IS NULL",
    "IS NOT NULL",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "OVER",
    "PARTITION BY",
    "DESC",
    "EXPLAIN",
    "ANALYZE",
    "DESCRIBE",
    "SHOW TABLES",
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "date_trunc",
    "to_timestamp",
    "now",
];

/// Answers queries.
pub(super) async fn sql(connection: &Connection, sql: Sql) -> Outcome<Done> {
    let dataset = connect::open(connection, &sql.location).await?;
    let table = connect::table(&dataset, &sql.table).await?;
    let config = datafusion::prelude::SessionConfig::new().with_information_schema(true);
    let context = SessionContext::new_with_config(config);
    crate::sql::register_as(&context, "history", "latest", "", &table)?;
    let stdin = std::io::stdin();
    let text = match sql.query {
        Some(query) => query,
        None if stdin.is_terminal() => return prompt(&context, &sql.output).await,
        None => {
            let mut text = String::new();
            stdin.lock().read_to_string(&mut text)?;
            text
        }
    };
    tokio::select! {
        outcome = answer_all(&context, &text, &sql.output) => outcome.map(|()| Done::Well),
        _ = tokio::signal::ctrl_c() => Ok(Done::Interrupted),
    }
}

/// Answers the queries of a text, one after the other, until one fails.
async fn answer_all(context: &SessionContext, text: &str, output: &Output) -> Outcome<()> {
    let queries = DFParser::parse_sql(text)?;
    if queries.is_empty() {
        return Err(Failure::new("there is no query").with_hint("give one as an argument or on the standard input"));
    }
    if queries.len() > 1 && output.output.is_some() {
        return Err(Failure::new(format!("{} queries can't be written to one file", queries.len())));
    }
    for query in queries {
        let plan = context.state().statement_to_plan(query).await?;
        let rows = context.execute_logical_plan(plan).await?.execute_stream().await?;
        write_rows(rows, output).await?;
    }
    Ok(())
}

/// Reads queries from the terminal and answers them, until the user ends it.
async fn prompt(context: &SessionContext, output: &Output) -> Outcome<Done> {
    let config = Config::builder().auto_add_history(true).max_history_size(2_000).map_err(readline)?.build();
    let mut editor: Editor<Words, FileHistory> = Editor::with_config(config).map_err(readline)?;
    let words = Words::of(context).await?;
    let history = history_file();
    if let Some(file) = &history {
        // There is none at first.
        let _ = editor.load_history(file);
    }
    eprintln!("tables: {}. \\? for help", words.tables.join(", "));
    editor.set_helper(Some(words));
    let clock = Clock::machine();
    loop {
        let read = tokio::task::spawn_blocking(move || {
            let line = editor.readline("sql> ");
            (editor, line)
        });
        let line;
        (editor, line) = read.await.map_err(|error| Failure::new(error.to_string()))?;
        let line = match line {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => return Ok(Done::Well),
            Err(error) => return Err(readline(error)),
        };
        if let Some(file) = &history {
            // The prompt goes on without a history if the file can't be written.
            let _ = file.parent().map(std::fs::create_dir_all);
            let _ = editor.append_history(file);
        }
        match line.trim() {
            "" => continue,
            "\\q" | "quit" | "exit" => return Ok(Done::Well),
            "\\?" | "help" => say!("{HELP}"),
            "\\d" => show_tables(context).await?,
            text if text.starts_with('\\') => say!("{text} is unknown; \\? for help"),
            text => {
                let began = clock.monotonic();
                let answered = tokio::select! {
                    answered = answer_all(context, text, output) => answered,
                    _ = tokio::signal::ctrl_c() => Err(Failure::new("the query was stopped")),
                };
                match answered {
                    Ok(()) => eprintln!("{}", taken(clock.monotonic().duration_since(began))),
                    Err(failure) => {
                        eprintln!("error: {failure}");
                        failure.causes.iter().for_each(|cause| eprintln!("  {cause}"));
                    }
                }
            }
        }
    }
}

fn taken(time: Duration) -> String {
    match time.as_secs() {
        0 => format!("{} ms", time.as_millis()),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

fn readline(error: ReadlineError) -> Failure {
    Failure::new(format!("the terminal: {error}"))
}

/// Returns the file of the prompt's history, below `XDG_STATE_HOME` or the home directory.
fn history_file() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    state.or_else(home).map(|state| state.join("s3store/sql_history"))
}

/// Shows the tables of the session and their columns.
async fn show_tables(context: &SessionContext) -> Outcome<()> {
    for name in table_names(context) {
        let mut columns = new_table([name.clone(), "type".to_owned()]);
        for field in context.table_provider(name.as_str()).await?.schema().fields() {
            columns.add_row([field.name().clone(), field.data_type().to_string()]);
        }
        say!("{columns}");
    }
    say!("changes(since, until) has the columns of history, and offset, stamped_at and inserted_at");
    Ok(())
}

fn table_names(context: &SessionContext) -> Vec<String> {
    let catalog = context.catalog("datafusion");
    let mut names =
        catalog.and_then(|catalog| catalog.schema("public")).map(|schema| schema.table_names()).unwrap_or_default();
    names.sort_unstable();
    names
}

/// The words that the prompt completes.
struct Words {
    tables: Vec<String>,
    all: BTreeSet<String>,
}

impl Words {
    async fn of(context: &SessionContext) -> Outcome<Self> {
        let mut tables = table_names(context);
        let mut all: BTreeSet<String> = WORDS.iter().map(|word| (*word).to_owned()).collect();
        for table in &tables {
            let schema = context.table_provider(table.as_str()).await?.schema();
            all.extend(schema.fields().iter().map(|field| field.name().clone()));
        }
        tables.push("changes()".to_owned());
        all.extend(tables.iter().cloned());
        Ok(Self { tables, all })
    }

    /// Returns where the word before a position begins, and the words that start as it does, in any letter case.
    fn starting(&self, line: &str, position: usize) -> (usize, Vec<&str>) {
        let before = line.get(..position).unwrap_or_default();
        let begin = before.rfind(|letter: char| !letter.is_alphanumeric() && letter != '_').map_or(0, |index| {
            index + before.get(index..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8)
        });
        let word = before.get(begin..).unwrap_or_default();
        if word.is_empty() {
            return (position, Vec::new());
        }
        let starts = |other: &&String| other.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        (begin, self.all.iter().filter(starts).map(String::as_str).collect())
    }
}

impl Completer for Words {
    type Candidate = Pair;

    fn complete(&self, line: &str, position: usize, _context: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let (begin, words) = self.starting(line, position);
        let pair = |word: &str| Pair { display: word.to_owned(), replacement: word.to_owned() };
        Ok((begin, words.into_iter().map(pair).collect()))
    }
}

impl Validator for Words {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(if is_complete(context.input()) { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

/// Returns whether what was typed is a command, or ends with a semicolon.
fn is_complete(input: &str) -> bool {
    let input = input.trim();
    input.is_empty() || input.starts_with('\\') || ["quit", "exit", "help"].contains(&input) || input.ends_with(';')
}

impl Hinter for Words {
    type Hint = String;
}

impl Highlighter for Words {}

impl Helper for Words {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_completed_in_any_letter_case() {
        let all = ["latest", "history", "SELECT", "sku", "sku_days", "größe"].map(str::to_owned);
        let words = Words { tables: Vec::new(), all: all.into() };
        let complete = |line: &str| {
            let (begin, found) = words.starting(line, line.len());
            (begin, found.join(" "))
        };
        assert_eq!(complete("sel"), (0, "SELECT".to_owned()));
        assert_eq!(complete("SELECT sK"), (7, "sku sku_days".to_owned()));
        assert_eq!(complete("SELECT max(sku_"), (11, "sku_days".to_owned()));
        assert_eq!(complete("SELECT \u{1f600}la"), (11, "latest".to_owned()));
        assert_eq!(complete("SELECT grö"), (7, "größe".to_owned()));
        assert_eq!(complete("SELECT "), (7, String::new()));
    }

    #[test]
    fn a_query_ends_with_a_semicolon() {
        assert!(["", "\\d", " quit ", "SELECT 1;", "SELECT\n1 ;\n"].into_iter().all(is_complete));
        assert!(!["SELECT 1", "quit now", ";x"].into_iter().any(is_complete));
    }
}
