//! A history of writes, drawn from a seed: what writers do, and what S3 does to them.

use std::collections::BTreeMap;
use std::time::Duration;

use s3store::testing::{Fault, FaultBuilder, Operation};
use s3store::{Commit, CommitError, Store};

use super::model::Written;
use crate::integration::harness::{BUCKET, PREFIX, Virtual, pass};
use crate::integration::records::Item;

/// Partition values, with characters that keys, refs and listings escape in different ways.
const PARTS: [&str; 6] = ["a", "a-b", "ü 1", "x=y;z", "100%", "q+w&\"<"];
const TOKENS: [&str; 4] = ["t", "job-7", "0190a8d9b7c47f7e8a9b0c1d2e3f4a5b", "~!$"];

/// Names under `_ref/` that are none of a ref, `{}` being the time.
const MALFORMED: [&str; 4] = ["{}", "{}-t;part=a.ref", "{}-0190a8d9b7c47f7e8a9b0c1d2e3f4a5b;part=a.ref", "0{};x"];

/// What happens to a write's commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Luck {
    Clean,
    Refused,
    Failing,
    FailingApplied,
    Slow,
    SlowRef,
    Lost,
}

const LUCKS: [Luck; 10] = [
    Luck::Clean,
    Luck::Clean,
    Luck::Clean,
    Luck::Clean,
    Luck::Refused,
    Luck::Failing,
    Luck::FailingApplied,
    Luck::Slow,
    Luck::SlowRef,
    Luck::Lost,
];

/// The writers, and what they were told.
pub struct History {
    world: Virtual,
    writers: [Store<Item>; 2],
    random: u64,
    written: Written,
    /// Whether the commit of a ref was told to be in time.
    told: BTreeMap<String, bool>,
    commits: Vec<Commit>,
    counts: BTreeMap<&'static str, usize>,
}

impl History {
    pub async fn new(world: &Virtual, seed: u64) -> Self {
        world.dataset().await;
        let writers = [world.process("one").await.store(), world.process("two").await.store()];
        let world = Virtual { s3: world.s3.clone(), clock: world.clock.clone() };
        let (written, told) = (Written::new(), BTreeMap::new());
        let random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        Self { world, writers, random, written, told, commits: Vec::new(), counts: BTreeMap::new() }
    }

    /// The records of every write, whether or not it committed.
    pub fn written(&self) -> &Written {
        &self.written
    }

    /// What the writer of a ref was told: `None` where it never heard of a commit with it.
    pub fn was_in_time(&self, key: &str) -> Option<bool> {
        self.told.get(key).copied()
    }

    /// Asserts that everything came up that a history is made of.
    pub fn assert_colourful(&self) {
        for kind in ["in time", "late", "not committed", "unknown", "found again", "restamped twice", "malformed"] {
            assert!(self.counts.contains_key(kind), "no {kind} in {:?}", self.counts);
        }
    }

    /// One operation, some time after the one before.
    pub async fn step(&mut self) {
        pass(Duration::from_millis(1 + self.draw(3_000))).await;
        match self.draw(10) {
            0 => self.put_malformed(),
            1 | 2 if !self.commits.is_empty() => self.restamp().await,
            _ => self.write().await,
        }
        self.world.s3.clear_faults();
    }

    /// xorshift64*: the same history for a seed, everywhere.
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
        let told = write.token_opt(token).await.map(Option::unwrap);
        self.note(told);
    }

    /// A fault for the next write, or none.
    fn strike(&mut self) {
        let put = |suffix: &str| -> FaultBuilder { Fault::on(Operation::Put).key_ends_with(suffix) };
        let fault = match self.pick(&LUCKS) {
            Luck::Clean => return,
            Luck::Refused => put(".commit").fail(403, "AccessDenied"),
            Luck::Failing => put(".commit").times(2).fail(503, "SlowDown"),
            Luck::FailingApplied => put(".commit").fail_applied(500, "InternalError"),
            Luck::Slow => put(".commit").times(4).hang(),
            Luck::SlowRef => put(".ref").times(4).hang_applied(),
            Luck::Lost => put(".commit").always().drop_connection(),
        };
        self.world.s3.inject(fault);
    }

    async fn restamp(&mut self) {
        let place = usize::try_from(self.draw(self.commits.len())).unwrap();
        let commit = self.commits[place].clone();
        let before = self.told.len();
        let again = self.writers[0].dataset().restamp(&commit).await;
        let first = format!("{:016}", commit.inserted_at.timestamp_micros());
        if !commit.ref_path.contains(&first) && self.counts.contains_key("restamped") {
            self.count("restamped twice");
        }
        self.count("restamped");
        self.note(again);
        assert_eq!(self.told.len(), before + 1);
    }

    /// Takes note of what a writer was told.
    fn note(&mut self, told: Result<Commit, CommitError>) {
        let (commit, in_time) = match told {
            Ok(commit) => (commit, true),
            Err(CommitError::Late(commit)) => (*commit, false),
            Err(CommitError::NotCommitted(_)) => return self.count("not committed"),
            Err(CommitError::Unknown(_)) => return self.count("unknown"),
            Err(other) => panic!("{other:?}"),
        };
        self.count(if in_time { "in time" } else { "late" });
        if self.told.contains_key(&commit.ref_path) {
            self.count("found again");
        }
        // A late commit that is found by its token is as late as it was.
        self.told.entry(commit.ref_path.clone()).and_modify(|told| *told &= in_time).or_insert(in_time);
        self.commits.push(commit);
    }
}
