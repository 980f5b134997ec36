//! Bars on the terminal that show how far a command is. They are on the standard error, and hidden where that is no terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How often a bar moves while nothing is known to happen.
const TICK: Duration = Duration::from_millis(100);

/// A bar of a command whose work is known in advance, or a spinner. It disappears when it is dropped.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// Shows a bar from 0 to `length`, with a unit such as `commits`.
    pub(super) fn bar(task: &str, length: u64, unit: &str) -> Self {
        let template = format!("{{prefix}} [{{bar:30}}] {{pos}} of {{len}} {unit} {{msg}} {{eta}} left");
        Self::styled(ProgressBar::new(length), task, &template)
    }

    /// Shows a spinner.
    pub(super) fn spinner(task: &str) -> Self {
        Self::styled(ProgressBar::new_spinner(), task, "{spinner} {prefix} {msg} {elapsed}")
    }

    fn styled(bar: ProgressBar, task: &str, template: &str) -> Self {
        // Both templates are valid.
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style.progress_chars("█▌ "));
        bar.set_prefix(task.to_owned());
        bar.enable_steady_tick(TICK);
        Self(bar)
    }

    /// Moves a bar.
    pub(super) fn set(&self, position: u64, length: u64) {
        self.0.set_length(length);
        self.0.set_position(position);
    }

    /// Moves a bar by one.
    pub(super) fn advance(&self) {
        self.0.inc(1);
    }

    /// Shows a text beside the bar.
    pub(super) fn note(&self, text: String) {
        self.0.set_message(text);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_valid() {
        for template in
            ["{prefix} [{bar:30}] {pos} of {len} commits {msg} {eta} left", "{spinner} {prefix} {msg} {elapsed}"]
        {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }
}
