//! The recording in the guide shows what the commands print.

use std::path::Path;

use s3store::Dataset;
use s3store::testing::{Fault, Operation};

use super::{Cost, World, cost, settle, text};

const BEGIN: &str = "<!-- Recorded by tests/cli/recording.rs: BLESS=1 writes it anew. -->\n\n```text\n";
const END: &str = "```\n";

/// Runs the commands of the recording, and compares what they print, except times and ids.
#[tokio::test(flavor = "multi_thread")]
async fn the_recording_of_the_guide_is_true() {
    let world = World::new().await;
    // An attempt that failed, for doctor.
    world.s3.inject(Fault::on(Operation::Put).key_ends_with(".commit").always().fail(403, "AccessDenied"));
    let dataset = Dataset::open(world.s3.client(), "warehouse", "billing").await.unwrap();
    dataset.store::<Cost>().write(&[cost(1, 9)]).await.unwrap_err();
    world.s3.clear_faults();
    settle().await;

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/guide/command_line.md");
    let guide = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = guide.split_once(BEGIN).expect("the guide has a recording");
    let (recorded, after) = rest.split_once(END).unwrap();
    let commands: Vec<&str> = recorded.lines().filter_map(|line| line.strip_prefix("$ s3store ")).collect();
    let names: Vec<&str> = commands.iter().filter_map(|command| command.split(' ').next()).collect();
    assert_eq!(names, ["info", "cat", "tail", "sql", "doctor"]);
    let mut seen = Vec::new();
    for command in commands {
        let output = world.run(&words(command).iter().map(String::as_str).collect::<Vec<_>>()).await;
        assert!(matches!(output.status.code(), Some(0 | 1)), "{command}: {output:?}");
        // What is not among the rows comes last.
        seen.push(format!("$ s3store {command}\n{}{}", text(&output.stdout), text(&output.stderr)));
    }
    let seen = seen.join("\n").lines().map(str::trim_end).collect::<Vec<_>>().join("\n") + "\n";
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{seen}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(without_times(&seen), without_times(recorded));
}

/// Splits a command into words as a shell does, as far as the recording needs it.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for character in command.chars() {
        match (character, quote) {
            (' ', None) => words.push(std::mem::take(&mut word)),
            ('"' | '\'', None) => quote = Some(character),
            (_, Some(open)) if character == open => quote = None,
            _ => word.push(character),
        }
    }
    words.push(word);
    words
}

/// Replaces times, and the ids in keys.
fn without_times(text: &str) -> String {
    let replaced = |word: &str| {
        let is_time = word.len() > 15 && word.starts_with("20") && word.ends_with('Z');
        if is_time {
            "<time>".to_owned()
        } else if let Some((_, end)) = word.split_once("billing/_ref/") {
            format!("<offset>{}", if end.ends_with('\'') { "'" } else { "" })
        } else if word.contains("billing/data/") {
            "<file>".to_owned()
        } else {
            word.to_owned()
        }
    };
    text.split_inclusive([' ', '\n'])
        .map(|part| {
            let word = part.trim_end_matches([' ', '\n']);
            replaced(word) + &part[word.len()..]
        })
        .collect()
}
