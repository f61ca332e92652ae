//! How far reading has come, on standard error, for whoever waits.

use std::sync::Once;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What is over sooner needs no bar.
const PATIENCE: Duration = Duration::from_secs(1);

const LINE: &str = "reading {bar:24} {percent:>3} % of {total_bytes}, {eta} left";

/// A bar that appears when reading takes its time, and leaves nothing behind.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    appears: Once,
}

impl Progress {
    /// Nothing of so many bytes has been read. Whether there is a terminal to show that on, the bar finds out itself.
    pub(super) fn new(bytes: u64) -> Self {
        let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::hidden());
        // The line is a constant; were it wrong, the bar would have its own.
        let style = ProgressStyle::with_template(LINE).unwrap_or_else(|_| ProgressStyle::default_bar());
        Self { bar: bar.with_style(style.progress_chars("█▌·")), appears: Once::new() }
    }

    /// So many more bytes have been.
    pub(super) fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
        if self.bar.elapsed() > PATIENCE {
            self.appears.call_once(|| self.bar.set_draw_target(ProgressDrawTarget::stderr()));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
