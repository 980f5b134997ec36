//! Clocks, and the moments at which they leap.

use std::time::Duration;

use chrono::TimeDelta;
use s3store::Clock;
use s3store::testing::S3;

use crate::integration::harness::Virtual;

/// The timing that [`world`](super::run::world) configures.
pub(super) const COMMIT_TIMEOUT: Duration = Duration::from_secs(15);
pub(super) const SKEW: Duration = Duration::from_secs(1);

/// A leap beyond the settle window.
const BEYOND: Duration = Duration::from_secs(18);

/// A leap of the clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leap {
    /// All clocks leap beyond the settle window. Requests in flight run into their deadlines.
    All,
    /// Wall clocks leap beyond the settle window. Monotonic clocks do not advance, as on a sleeping machine.
    Wall,
    /// Like `Wall`, but by exactly the commit timeout, so commits in flight are in time.
    WallInTime,
}

/// The moment at which the reader polls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// A request has arrived and is not applied yet.
    Before,
    /// A request is applied and not answered yet.
    After,
    /// No write is in progress.
    Between,
}

impl Moment {
    /// Returns the leaps that can make a difference at this moment.
    ///
    /// Between the end of a request and the next request, writers read a clock only for the time of a ref. That time is
    /// the same if the wall clock leaps just before the next request. This omits leaps between a commit and its
    /// response: the commit is then reported as late or in time, as after a leap before the request, and no reader can
    /// miss it.
    pub(super) fn leaps(self) -> &'static [Leap] {
        match self {
            Self::After => &[Leap::All],
            Self::Before | Self::Between => &[Leap::All, Leap::Wall, Leap::WallInTime],
        }
    }
}

/// The clocks of all processes.
pub(super) struct Clocks {
    /// The writers' clock, which is behind by the maximum skew.
    pub(super) writers: Clock,
    behind: TimeDelta,
    others: Clock,
    s3: S3,
}

impl Clocks {
    pub(super) fn of(world: &Virtual) -> Self {
        let writers = Clock::virtual_time();
        let behind = world.clock.now() - writers.now() - TimeDelta::from_std(SKEW).unwrap();
        writers.set_offset(behind);
        Self { writers, behind, others: world.clock.clone(), s3: world.s3.clone() }
    }

    pub(super) async fn leap(&self, leap: Leap) {
        match leap {
            Leap::All => tokio::time::advance(BEYOND).await,
            Leap::Wall => self.shift(BEYOND),
            Leap::WallInTime => self.shift(COMMIT_TIMEOUT),
        }
    }

    fn shift(&self, by: Duration) {
        let by = TimeDelta::from_std(by).unwrap();
        self.writers.set_offset(self.behind + by);
        self.others.set_offset(by);
        self.s3.set_clock_offset(by);
    }
}
