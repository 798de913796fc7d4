//! What a person at the terminal sees of a long run. Everything goes to stderr.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::log::EpochLog;

/// Progress bars and lines; silent when asked, and without bars when stderr is no terminal.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    quiet: bool,
}

impl Progress {
    /// `quiet` hides everything.
    #[must_use]
    pub fn new(quiet: bool) -> Self {
        Self { quiet }
    }

    /// A bar whose length is set by whoever counts.
    #[must_use]
    pub fn bar(&self, what: &str) -> ProgressBar {
        if self.quiet {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template(
            "{prefix:>18} {wide_bar} {pos}/{len} {per_sec} eta {eta} {msg}",
        )
        .unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.with_style(style).with_prefix(what.to_owned())
    }

    /// A line.
    pub fn note(&self, line: &str) {
        if !self.quiet {
            eprintln!("{line}");
        }
    }

    /// The line of a finished epoch.
    pub fn epoch(&self, log: &EpochLog, of: usize) {
        let families: Vec<String> = log
            .auroc
            .iter()
            .map(|(family, auroc)| {
                let delivered = log.delivered_auroc.get(family).copied().unwrap_or(f64::NAN);
                format!("{family} {auroc:.3}/{delivered:.3}")
            })
            .collect();
        self.note(&format!(
            "epoch {:>3}/{of}  loss {:.4}  worst {:.4}{}  {:.0} tiles/s  {:.0}+{:.0} s  {}",
            log.epoch,
            log.loss,
            log.selection,
            if log.best { " *" } else { "  " },
            log.tiles_per_second,
            log.seconds[0],
            log.seconds[1],
            families.join("  "),
        ));
    }
}
