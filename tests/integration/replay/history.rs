//! A random history of writes, determined by a seed: what the writers do, and how S3 fails.

use std::collections::BTreeMap;
use std::time::Duration;

use s3store::testing::{Fault, FaultBuilder, Operation};
use s3store::write::RestampError;
use s3store::{Commit, CommitError, Store};

use super::model::Written;
use crate::integration::harness::{BUCKET, PREFIX, Virtual, sleep};
use crate::integration::records::Item;

/// Partition values, with characters that keys, refs and listings escape in different ways.
const PARTS: [&str; 6] = ["a", "a-b", "ü 1", "x=y;z", "100%", "q+w&\"<"];
const TOKENS: [&str; 4] = ["t", "job-7", "0190a8d9b7c47f7e8a9b0c1d2e3f4a5b", "~!$"];

/// Malformed names under `_ref/`. `{}` stands for the time.
const MALFORMED: [&str; 4] = ["{}", "{}-t;part=a.ref", "{}-0190a8d9b7c47f7e8a9b0c1d2e3f4a5b;part=a.ref", "0{};x"];

/// The fault that strikes a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum WriteFault {
    Clean,
    Refused,
    Failing,
    FailingApplied,
    Slow,
    SlowRef,
    Lost,
}

const WRITE_FAULTS: [WriteFault; 10] = [
    WriteFault::Clean,
    WriteFault::Clean,
    WriteFault::Clean,
    WriteFault::Clean,
    WriteFault::Refused,
    WriteFault::Failing,
    WriteFault::FailingApplied,
    WriteFault::Slow,
    WriteFault::SlowRef,
    WriteFault::Lost,
];

/// The writers, and the outcomes that they reported.
pub struct History {
    world: Virtual,
    writers: [Store<Item>; 2],
    random: u64,
    written: Written,
    /// One entry per ref: true if its writer reported the commit as in time.
    in_time_by_ref: BTreeMap<String, bool>,
    commits: Vec<Commit>,
    counts: BTreeMap<&'static str, usize>,
}

impl History {
    pub async fn new(world: &Virtual, seed: u64) -> Self {
        world.dataset().await;
        let writers = [world.process("one").await.store(), world.process("two").await.store()];
        let world = Virtual { s3: world.s3.clone(), clock: world.clock.clone() };
        let (written, in_time_by_ref) = (Written::new(), BTreeMap::new());
        let random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        Self { world, writers, random, written, in_time_by_ref, commits: Vec::new(), counts: BTreeMap::new() }
    }

    /// The records of every write, whether or not it committed.
    pub fn written(&self) -> &Written {
        &self.written
    }

    /// Returns whether the writer reported the commit of this ref as in time. `None` if no writer reported a commit
    /// with it.
    pub fn was_in_time(&self, key: &str) -> Option<bool> {
        self.in_time_by_ref.get(key).copied()
    }

    /// Asserts that every kind of operation and outcome occurred.
    pub fn assert_varied(&self) {
        for kind in ["in time", "late", "not committed", "unknown", "found again", "restamped twice", "malformed"] {
            assert!(self.counts.contains_key(kind), "{kind:?} never occurred: {:?}", self.counts);
        }
    }

    /// Performs one operation, some time after the previous one.
    pub async fn step(&mut self) {
        sleep(Duration::from_millis(1 + self.draw(3_000))).await;
        match self.draw(10) {
            0 => self.put_malformed(),
            1 | 2 if !self.commits.is_empty() => self.restamp().await,
            _ => self.write().await,
        }
        self.world.s3.clear_faults();
    }

    /// xorshift64*: a seed gives the same history on every machine.
    fn draw(&mut self, below: usize) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % u64::try_from(below).unwrap()
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.draw(from.len())).unwrap()]
    }

    fn count(&mut self, kind: &'static str) {
        *self.counts.entry(kind).or_default() += 1;
    }

    fn put_malformed(&mut self) {
        let name = self.pick(&MALFORMED).replace("{}", &self.world.clock.now().timestamp_micros().to_string());
        self.world.s3.put_object(BUCKET, &format!("{PREFIX}/_ref/{name}"), "");
        self.count("malformed");
    }

    async fn write(&mut self) {
        let (part, token) = (self.pick(&PARTS), self.pick(&TOKENS));
        let token = (self.draw(3) > 0).then_some(token);
        let inserted_at = self.world.clock.now();
        let id = i64::try_from(self.draw(3)).unwrap();
        let note = inserted_at.timestamp_micros().to_string();
        let items = [Item::new(part, id, 1, &note), Item::new(part, id + 1, i64::from(self.draw(4) > 1), &note)];
        self.written.insert(inserted_at.timestamp_micros(), items.to_vec());
        self.strike();
        let writer = self.pick(&[0, 1]);
        let write = self.writers[writer].write_partition(format!("part={part}"), &items).inserted_at(inserted_at);
        let write = write.token_opt(token).accept_other_records();
        let result = write.report_late().await.map(Option::unwrap);
        self.note(result);
    }

    /// Injects a fault for the next write, or none.
    fn strike(&mut self) {
        let put = |suffix: &str| -> FaultBuilder { Fault::on(Operation::Put).key_ends_with(suffix) };
        let fault = match self.pick(&WRITE_FAULTS) {
            WriteFault::Clean => return,
            WriteFault::Refused => put(".commit").fail(403, "AccessDenied"),
            WriteFault::Failing => put(".commit").times(2).fail(503, "SlowDown"),
            WriteFault::FailingApplied => put(".commit").fail_applied(500, "InternalError"),
            WriteFault::Slow => put(".commit").times(4).hang(),
            WriteFault::SlowRef => put(".ref").times(4).hang_applied(),
            WriteFault::Lost => put(".commit").always().drop_connection(),
        };
        self.world.s3.inject(fault);
    }

    async fn restamp(&mut self) {
        let index = usize::try_from(self.draw(self.commits.len())).unwrap();
        let commit = self.commits[index].clone();
        let before = self.in_time_by_ref.len();
        let again = self.writers[0].dataset().restamp(&commit).await;
        let first = format!("{:016}", commit.inserted_at.timestamp_micros());
        if !commit.ref_path.contains(&first) && self.counts.contains_key("restamped") {
            self.count("restamped twice");
        }
        self.count("restamped");
        self.note(again.map_err(|error| match error {
            RestampError::Late(commit) => CommitError::Late(commit),
            other => panic!("{other:?}"),
        }));
        assert_eq!(self.in_time_by_ref.len(), before + 1);
    }

    /// Records the outcome of a write or restamp.
    fn note(&mut self, result: Result<Commit, CommitError>) {
        let (commit, in_time) = match result {
            Ok(commit) => (commit, true),
            Err(CommitError::Late(commit)) => (*commit, false),
            Err(CommitError::NotCommitted(_)) => return self.count("not committed"),
            Err(CommitError::Unknown(_)) => return self.count("unknown"),
            Err(other) => panic!("{other:?}"),
        };
        self.count(if in_time { "in time" } else { "late" });
        if self.in_time_by_ref.contains_key(&commit.ref_path) {
            self.count("found again");
        }
        // A late commit that a retry finds by its token stays late.
        self.in_time_by_ref.entry(commit.ref_path.clone()).and_modify(|known| *known &= in_time).or_insert(in_time);
        self.commits.push(commit);
    }
}
