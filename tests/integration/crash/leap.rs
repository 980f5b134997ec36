//! Clocks, and the moment at which time leaps.

use std::time::Duration;

use chrono::TimeDelta;
use s3store::Clock;
use s3store::testing::S3;

use crate::integration::harness::Virtual;

/// As configured by [`world`](super::run::world).
pub(super) const COMMIT_TIMEOUT: Duration = Duration::from_secs(15);
pub(super) const SKEW: Duration = Duration::from_secs(1);

/// Beyond the settle window.
const BEYOND: Duration = Duration::from_secs(18);

/// A leap of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leap {
    /// Beyond the settle window, by every clock: what was under way has run into its deadline.
    All,
    /// Beyond the settle window, but for monotonic clocks, which stand still while the machines sleep.
    Wall,
    /// As `Wall`, by the whole commit timeout and no more: what was under way is in time.
    WallInTime,
}

/// When a reader has its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// A request has arrived, and is not done.
    Before,
    /// It is done, and not answered.
    After,
    /// Nobody writes.
    Between,
}

impl Moment {
    /// The leaps that make a difference here. Between the end of a request and the next one nobody reads a clock but for
    /// a ref's time, and that is read alike if the wall clock leaps before the request. What this leaves out is a leap
    /// while a commit is there and its answer is not: told late, or in time, as with the leap before, but nothing can
    /// be missed.
    pub(super) fn leaps(self) -> &'static [Leap] {
        match self {
            Self::After => &[Leap::All],
            Self::Before | Self::Between => &[Leap::All, Leap::Wall, Leap::WallInTime],
        }
    }
}

/// All clocks of a world.
pub(super) struct Clocks {
    /// The writers', behind by all that is allowed.
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
