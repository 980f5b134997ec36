//! The command line on a terminal, by `tmux`. The tests are skipped where that is not installed.

use std::process::Command;
use std::time::{Duration, Instant};

use s3store::Dataset;
use s3store::testing::{ACCESS_KEY, Fault, Operation, SECRET_KEY};

use super::{Cost, LOCATION, World, cost};

/// A terminal of 100 columns with one process.
struct Terminal {
    /// The name of a server of tmux that only this terminal uses.
    server: String,
    _home: tempfile::TempDir,
}

impl Terminal {
    /// Starts the binary. Returns `None` if there is no tmux.
    #[expect(clippy::print_stdout, reason = "the log says which tests were skipped")]
    async fn start(world: &World, name: &str, arguments: &[&str]) -> Option<Self> {
        let home = tempfile::tempdir().unwrap();
        let server = format!("s3store-{name}-{}", std::process::id());
        let mut command = vec!["env".to_owned(), "-i".to_owned()];
        for (name, value) in [
            ("HOME", home.path().to_str().unwrap()),
            ("TERM", "screen"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_ENDPOINT_URL", &world.listener.endpoint()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
        ] {
            command.push(format!("{name}={value}"));
        }
        command.push(env!("CARGO_BIN_EXE_s3store").to_owned());
        command.extend(arguments.iter().map(|&argument| argument.to_owned()));
        // The terminal would end with the process.
        let shell = "trap : INT; \"$@\"; echo \"ended with $?\"; exec sleep 600";
        let options = ["-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "40", "sh", "-c", shell, "sh"];
        let command = command.iter().map(String::as_str);
        let options: Vec<&str> = options.into_iter().chain(command).collect();
        let terminal = Self { server, _home: home };
        let started = terminal.tmux(&options);
        if started.is_err() {
            println!("skipped: tmux is not installed");
            return None;
        }
        Some(terminal)
    }

    /// Runs a command of tmux. Fails if there is no tmux.
    fn tmux(&self, arguments: &[&str]) -> std::io::Result<String> {
        let output = Command::new("tmux").arg("-L").arg(&self.server).args(arguments).output()?;
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        Ok(String::from_utf8(output.stdout).unwrap())
    }

    fn text(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-S", "-200"]).unwrap()
    }

    /// Types a text.
    fn enter(&self, text: &str) {
        // tmux takes a semicolon at the end for the end of its command.
        let text = text.strip_suffix(';').map_or_else(|| text.to_owned(), |text| format!(r"{text}\;"));
        self.tmux(&["send-keys", "-l", &text]).unwrap();
    }

    /// Presses a key, such as `Enter`, `Tab` or `C-c`.
    fn press(&self, key: &str) {
        self.tmux(&["send-keys", key]).unwrap();
    }

    /// Waits until the terminal shows a text for at least the `times`-th time. Returns everything that it shows.
    #[expect(clippy::disallowed_methods, reason = "the binary is another process, whose clock can't be moved")]
    async fn shows(&self, wanted: &str, times: usize) -> String {
        let begun = Instant::now();
        loop {
            let text = self.text();
            if text.matches(wanted).count() >= times {
                return text;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "{wanted:?} is missing:\n{text}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Presses Ctrl-C until the terminal shows a text for at least the `times`-th time. A key that is pressed while the prompt hands
    /// the terminal over is no signal.
    #[expect(clippy::disallowed_methods, reason = "the binary is another process, whose clock can't be moved")]
    async fn interrupted_shows(&self, wanted: &str, times: usize) {
        let begun = Instant::now();
        let is_there = || self.text().matches(wanted).count() >= times;
        while !is_there() {
            self.press("C-c");
            for _ in 0..40 {
                tokio::time::sleep(Duration::from_millis(50)).await;
                if is_there() {
                    return;
                }
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "{wanted:?} is missing:\n{}", self.text());
        }
    }

    /// Waits until the process has ended with an exit code. Returns everything that the terminal shows.
    async fn ends_with(&self, code: i32) -> String {
        self.shows(&format!("ended with {code}\n"), 1).await
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = Command::new("tmux").arg("-L").arg(&self.server).arg("kill-server").output();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_prompt_answers_completes_and_remembers() {
    let world = World::new().await;
    let Some(terminal) = Terminal::start(&world, "prompt", &["sql", LOCATION]).await else { return };
    let text = terminal.shows("sql>", 1).await;
    assert!(text.contains("tables: ") && text.contains("history, latest"), "{text}");
    // A query of two lines.
    terminal.enter("SELECT count(*) AS records");
    terminal.press("Enter");
    terminal.enter("FROM latest;");
    terminal.press("Enter");
    let text = terminal.shows("sql>", 2).await;
    assert!(text.contains("│ records") && text.contains("│       8") || text.contains("8 │"), "{text}");
    // Tab completes a table.
    terminal.enter("SELECT max(sku) AS last FROM lat");
    terminal.press("Tab");
    terminal.shows("FROM latest", 2).await;
    terminal.enter(";");
    terminal.press("Enter");
    terminal.shows("SKU-7", 1).await;
    // The arrow brings the last query back.
    terminal.press("Up");
    terminal.shows("max(sku)", 2).await;
    terminal.press("Enter");
    terminal.shows("SKU-7", 2).await;
    // A query that fails leaves the prompt open.
    terminal.enter("SELECT nothing FROM latest;");
    terminal.press("Enter");
    terminal.shows("error: ", 1).await;
    // Ctrl-C stops a query that would run for hours.
    terminal.enter("SELECT count(*) FROM generate_series(1, 100000000000) AS a, latest;");
    terminal.press("Enter");
    terminal.shows("generate_series", 1).await;
    let prompts = terminal.text().matches("sql>").count();
    terminal.interrupted_shows("sql>", prompts + 1).await;
    terminal.enter(r"\q");
    terminal.press("Enter");
    terminal.ends_with(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_follows_until_it_is_interrupted() {
    let world = World::new().await;
    let Some(terminal) = Terminal::start(&world, "tail", &["tail", "-f", LOCATION, "--only", "*/client=abc"]).await
    else {
        return;
    };
    terminal.shows("records", 4).await;
    let dataset = Dataset::open(world.s3.client(), "warehouse", "billing").await.unwrap();
    dataset.store::<Cost>().write(&[cost(0, 9)]).await.unwrap();
    let text = terminal.shows("1 records  day=2026-03-01/client=abc", 1).await;
    terminal.press("C-c");
    let ended = terminal.ends_with(130).await;
    let resume = ended.split("resume with --since '").nth(1).unwrap_or_else(|| panic!("{text}\n{ended}"));
    let offset: String = resume.split('\'').next().unwrap().split_whitespace().collect();
    assert_eq!(world.ok(&["tail", LOCATION, "--since", &offset]).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_shows_how_far_it_is() {
    let world = World::new().await;
    world.s3.create_bucket("backup");
    // Slow enough to be seen.
    world.s3.inject(Fault::on(Operation::Put).key_contains("copy/").always().delay(Duration::from_millis(400)));
    let copy = ["copy", LOCATION, "s3://backup/copy"];
    let Some(terminal) = Terminal::start(&world, "copy", &copy).await else { return };
    let text = terminal.shows("of 8 commits", 1).await;
    assert!(text.contains("copying ["), "{text}");
    let text = terminal.ends_with(0).await;
    assert!(text.contains("8 commits") && text.contains("verified"), "{text}");
    assert!(!text.contains("copying ["), "the bar disappears: {text}");
    let output = world.run(&copy).await;
    assert!(output.status.success() && output.stderr.is_empty(), "there is no bar in a pipe: {output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_fits_the_terminal() {
    let world = World::new().await;
    let Some(terminal) = Terminal::start(&world, "table", &["cat", LOCATION, "--limit", "3"]).await else { return };
    let text = terminal.ends_with(0).await;
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with(['│', '┌', '╞', '└'])).collect();
    assert!(rows.len() > 5, "{text}");
    assert!(rows.iter().all(|row| row.chars().count() <= 100 && row.ends_with(['│', '┐', '╡', '┘'])), "{text}");
}
