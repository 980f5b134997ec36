//! The protocol of writes and of the change stream, as a state machine small enough to be exhausted.
//!
//! One partition, two tokens. Two processes write the same records under token A: the first may crash or give up, and its requests
//! may be applied later, so it becomes a zombie of the second. A third process writes under token B. A follower polls, and a reader takes a
//! snapshot from a listing in two pages. Time passes in ticks.

use std::fmt::Debug;

use stateright::{Model, Property};

/// The commit timeout, in ticks.
const TIMEOUT: i8 = 1;
/// The maximum clock skew, in ticks.
const SKEW: i8 = 1;
/// How far a clock steps back that breaks. It is then further from S3's clock than the skew.
const STEP: i8 = 3;

/// A rule of the protocol that the model leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Broken {
    /// No rule is broken.
    Nothing,
    /// A commit replaces the one that is there, as the Go library puts it.
    UnconditionalCommit,
    /// A poll returns refs without a look at their commits.
    NoGate,
    /// A poll takes refs that are older than the commit timeout, whatever the skew.
    CutoffWithoutSkew,
    /// A writer measures the time of its commit until it sends the PUT, not until the answer.
    LatenessBeforeAnswer,
    /// A writer puts the markers after the commit.
    MarkersAfterCommit,
    /// After an unknown outcome, a writer uses another token.
    RetryWithNewToken,
    /// A writer compares its clock with S3's as both were at the last answer.
    GuardOnOldObservation,
    /// A reader trusts a listing in two pages whatever the age of the commit.
    ResolvingBySlowList,
    /// A writer does not measure the time of a restamp.
    RestampWithoutCheck,
}

/// The three attempts. `ZOMBIE` and `RETRY` are of token A, `OTHER` of token B.
pub const ZOMBIE: usize = 0;
const RETRY: usize = 1;
const OTHER: usize = 2;
const WRITERS: usize = 3;

/// Identifies a ref: its time, and then what tells it from others of the same time. Refs are in this order.
type RefKey = (i8, u8);

/// A commit object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Commit {
    attempt: usize,
    key: RefKey,
    /// S3's time of the object.
    landed: i8,
}

/// A ref that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Ref {
    key: RefKey,
    attempt: usize,
}

/// What a writer does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Step {
    Head,
    Data,
    Stamp,
    /// The PUT of a ref is in flight. The writer read the clocks when it sent it.
    Ref {
        key: RefKey,
        sent: i8,
        applied: bool,
    },
    /// The PUT of the commit is in flight.
    Commit {
        key: RefKey,
        sent: i8,
        /// The elapsed time when the PUT was sent.
        before: i8,
        answer: Option<bool>,
    },
    /// The commit of an attempt may be late.
    Late {
        attempt: usize,
    },
    /// The PUT of a new ref for an attempt is in flight.
    Restamp {
        attempt: usize,
        key: RefKey,
        sent: i8,
        applied: bool,
    },
    Done(Outcome),
    Crashed,
}

/// What a writer reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Outcome {
    /// The attempt is committed, and a follower will receive it at this ref.
    InTime {
        attempt: usize,
        key: RefKey,
    },
    /// The attempt is committed, but followers may have passed it.
    Late {
        attempt: usize,
    },
    NotCommitted,
    Unknown,
}

/// A request that its sender no longer waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Zombie {
    Ref { key: RefKey, attempt: usize },
    Commit { key: RefKey, attempt: usize },
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Writer {
    step: Step,
    /// Its clock minus S3's.
    clock: i8,
    /// Its clock minus S3's at the last answer.
    observed: i8,
    /// The number of refs that it has put for late commits.
    restamps: u8,
    /// The token: 0 for A, 1 for B, 2 for another one.
    token: usize,
}

/// A reader between two pages of a listing, or after them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Snapshot {
    None,
    /// It has seen these files of token A, at this time of S3.
    Files {
        files: [bool; 2],
        date: i8,
    },
    /// It returns this attempt of token A.
    Took(Option<usize>),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    now: i8,
    writers: [Writer; WRITERS],
    files: [bool; WRITERS],
    markers: [bool; WRITERS],
    refs: Vec<Ref>,
    /// By token.
    commits: [Option<Commit>; 3],
    zombies: Vec<Zombie>,
    /// Some commit was replaced by another.
    replaced: bool,
    /// A clock has stepped.
    stepped: bool,
    follower_clock: i8,
    cursor: Option<RefKey>,
    /// The refs of a poll that has listed them and not yet asked for their commits.
    listed: Option<Vec<Ref>>,
    delivered: [bool; WRITERS],
    snapshot: Snapshot,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    Tick,
    /// The clock of the zombie is set back.
    StepClock,
    /// A writer goes on, or receives the answer to its request.
    Go(usize),
    /// S3 applies the request that a writer waits for.
    Apply(usize),
    /// A writer waits no longer.
    GiveUp(usize),
    Crash(usize),
    /// S3 applies a request that nobody waits for.
    Haunt(usize),
    PollList,
    PollGate,
    ListFiles,
    ListCommits,
}

/// The protocol, with a rule that may be broken.
#[derive(Debug, Clone)]
pub struct Protocol {
    pub broken: Broken,
    /// The last tick.
    pub end: i8,
    /// Whether the clock of the first writer may step.
    pub clock_steps: bool,
    /// Whether writers restamp late commits.
    pub restamps: bool,
    /// Whether the second process takes part, and the first one may crash.
    pub retries: bool,
    /// Whether a reader takes a snapshot.
    pub reads: bool,
    /// Whether a follower polls.
    pub follows: bool,
}

impl State {
    fn commit_of(&self, attempt: usize) -> Option<&Commit> {
        self.commits.iter().flatten().find(|commit| commit.attempt == attempt)
    }

    /// S3 applies a PUT of a commit. Returns whether it was accepted.
    fn put_commit(&mut self, token: usize, attempt: usize, key: RefKey, is_conditional: bool) -> bool {
        let commit = Commit { attempt, key, landed: self.now };
        match &mut self.commits[token] {
            Some(_) if is_conditional => false,
            Some(there) => {
                self.replaced |= there.attempt != attempt;
                *there = commit;
                true
            }
            none => {
                *none = Some(commit);
                true
            }
        }
    }

    fn put_ref(&mut self, key: RefKey, attempt: usize) {
        self.refs.push(Ref { key, attempt });
        self.refs.sort_unstable();
        self.refs.dedup();
    }

    fn haunt(&mut self, zombie: Zombie) {
        self.zombies.push(zombie);
        self.zombies.sort_unstable();
        self.zombies.dedup();
    }

    fn cutoff(&self, broken: Broken) -> i8 {
        let skew = if broken == Broken::CutoffWithoutSkew { 0 } else { SKEW };
        self.now + self.follower_clock - TIMEOUT - skew
    }

    /// The refs that a poll takes now.
    fn pollable(&self, broken: Broken) -> Vec<Ref> {
        let cutoff = self.cutoff(broken);
        let is_new = |one: &&Ref| one.key.0 < cutoff && self.cursor.is_none_or(|cursor| one.key > cursor);
        self.refs.iter().filter(is_new).copied().collect()
    }
}

impl Protocol {
    /// A writer found the commit of its token by HEAD. Decides by S3's time whether it is in time.
    fn found(&self, commit: Commit) -> Step {
        if commit.landed - commit.key.0 <= TIMEOUT {
            Step::Done(Outcome::InTime { attempt: commit.attempt, key: commit.key })
        } else {
            Step::Late { attempt: commit.attempt }
        }
    }

    /// A writer's own commit is there.
    fn own(&self, attempt: usize, key: RefKey, elapsed: i8, by_wall: i8) -> Step {
        match elapsed > TIMEOUT || by_wall > TIMEOUT {
            true => Step::Late { attempt },
            false => Step::Done(Outcome::InTime { attempt, key }),
        }
    }

    /// A writer goes on. Returns `None` if it waits.
    fn go(&self, state: &mut State, by: usize) -> Option<Step> {
        let (now, writer) = (state.now, state.writers[by].clone());
        let token = writer.token;
        let wall = now + writer.clock;
        Some(match writer.step {
            Step::Head => match state.commits[token] {
                Some(commit) => self.found(commit),
                None => Step::Data,
            },
            Step::Data => {
                state.files[by] = true;
                if self.broken != Broken::MarkersAfterCommit {
                    state.markers[by] = true;
                }
                Step::Stamp
            }
            Step::Stamp => match self.stamp(&writer, wall, by as u8) {
                Some(key) => Step::Ref { key, sent: now, applied: false },
                None => Step::Done(Outcome::NotCommitted),
            },
            Step::Ref { key, sent, applied: true } => Step::Commit { key, sent, before: now - sent, answer: None },
            Step::Commit { key, sent, before, answer: Some(accepted) } => {
                state.markers[by] = true;
                let is_early = self.broken == Broken::LatenessBeforeAnswer;
                let (elapsed, by_wall) = if is_early { (before, before) } else { (now - sent, wall - key.0) };
                match state.commits[token] {
                    _ if accepted => self.own(by, key, elapsed, by_wall),
                    Some(commit) if commit.attempt == by => self.own(by, key, elapsed, by_wall),
                    Some(commit) => self.found(commit),
                    None => Step::Done(Outcome::NotCommitted),
                }
            }
            Step::Late { attempt } => {
                let is_allowed = self.restamps && writer.restamps == 0;
                match self.stamp(&writer, wall, 4 + by as u8).filter(|_| is_allowed) {
                    Some(key) => Step::Restamp { attempt, key, sent: now, applied: false },
                    None => Step::Done(Outcome::Late { attempt }),
                }
            }
            Step::Restamp { attempt, key, sent, applied: true } => {
                state.writers[by].restamps = 1;
                let is_late = now - sent > TIMEOUT || wall - key.0 > TIMEOUT;
                match is_late && self.broken != Broken::RestampWithoutCheck {
                    true => Step::Done(Outcome::Late { attempt }),
                    false => Step::Done(Outcome::InTime { attempt, key }),
                }
            }
            _ => return None,
        })
    }

    /// Checks a writer's clock, and returns the key of a ref of this moment.
    fn stamp(&self, writer: &Writer, wall: i8, id: u8) -> Option<RefKey> {
        let seen = if self.broken == Broken::GuardOnOldObservation { writer.observed } else { writer.clock };
        (seen.abs() <= SKEW).then_some((wall, id))
    }

    /// S3 applies the request that a writer waits for.
    fn apply(&self, state: &mut State, by: usize) -> Option<Step> {
        let token = state.writers[by].token;
        Some(match state.writers[by].step {
            Step::Ref { key, sent, applied: false } => {
                state.put_ref(key, by);
                Step::Ref { key, sent, applied: true }
            }
            Step::Restamp { attempt, key, sent, applied: false } => {
                state.put_ref(key, attempt);
                Step::Restamp { attempt, key, sent, applied: true }
            }
            Step::Commit { key, sent, before, answer: None } => {
                let accepted = state.put_commit(token, by, key, self.is_conditional());
                Step::Commit { key, sent, before, answer: Some(accepted) }
            }
            _ => return None,
        })
    }

    fn uses_new_token(&self, state: &State) -> bool {
        self.broken == Broken::RetryWithNewToken
            && state.writers[RETRY].step == Step::Head
            && state.writers[ZOMBIE].step == Step::Done(Outcome::Unknown)
    }

    fn is_conditional(&self) -> bool {
        self.broken != Broken::UnconditionalCommit
    }

    /// A writer waits no longer. Its request may have been applied, or be applied later, or never.
    fn give_up(&self, state: &mut State, by: usize) -> Option<Step> {
        let (now, writer) = (state.now, state.writers[by].clone());
        Some(match writer.step {
            Step::Ref { key, applied, .. } => {
                if !applied {
                    state.haunt(Zombie::Ref { key, attempt: by });
                }
                Step::Done(Outcome::NotCommitted)
            }
            Step::Restamp { attempt, key, applied, .. } => {
                if !applied {
                    state.haunt(Zombie::Ref { key, attempt });
                }
                Step::Done(Outcome::Late { attempt })
            }
            // A HEAD decides.
            Step::Commit { key, sent, answer, .. } => {
                if answer.is_none() {
                    state.haunt(Zombie::Commit { key, attempt: by });
                }
                state.markers[by] = true;
                match state.commits[writer.token] {
                    Some(commit) if commit.attempt == by => self.own(by, key, now - sent, now + writer.clock - key.0),
                    Some(commit) => self.found(commit),
                    None => Step::Done(Outcome::Unknown),
                }
            }
            _ => return None,
        })
    }

    fn crash(&self, state: &mut State, by: usize) -> Option<Step> {
        match state.writers[by].step {
            Step::Ref { key, applied: false, .. } => state.haunt(Zombie::Ref { key, attempt: by }),
            Step::Restamp { attempt, key, applied: false, .. } => state.haunt(Zombie::Ref { key, attempt }),
            Step::Commit { key, answer: None, .. } => state.haunt(Zombie::Commit { key, attempt: by }),
            Step::Done(_) | Step::Crashed => return None,
            _ => {}
        }
        Some(Step::Crashed)
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut states = Vec::new();
        for clocks in 0..8u8 {
            let clock = |bit: u8| i8::from(clocks & (1 << bit) != 0);
            let writer = |clock: i8, token| Writer { step: Step::Head, clock, observed: clock, restamps: 0, token };
            states.push(State {
                now: 0,
                writers: [writer(clock(0), 0), writer(clock(1), 0), writer(0, 1)],
                files: [false; WRITERS],
                markers: [false; WRITERS],
                refs: Vec::new(),
                commits: [None; 3],
                zombies: Vec::new(),
                replaced: false,
                stepped: false,
                follower_clock: clock(2),
                cursor: None,
                listed: None,
                delivered: [false; WRITERS],
                snapshot: Snapshot::None,
            });
        }
        states
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.now < self.end {
            actions.push(Action::Tick);
        }
        if self.clock_steps && !state.stepped {
            actions.push(Action::StepClock);
        }
        actions.extend([Action::Go(ZOMBIE), Action::Apply(ZOMBIE), Action::GiveUp(ZOMBIE)]);
        if self.retries {
            // One that crashes is enough.
            actions.extend([Action::Go(RETRY), Action::Apply(RETRY), Action::GiveUp(RETRY), Action::Crash(ZOMBIE)]);
        }
        // The writer of the other token does all at once.
        actions.push(Action::Go(OTHER));
        actions.extend((0..state.zombies.len()).map(Action::Haunt));
        match &state.listed {
            Some(_) => actions.push(Action::PollGate),
            None if self.follows && !state.pollable(self.broken).is_empty() => actions.push(Action::PollList),
            None => {}
        }
        match state.snapshot {
            Snapshot::None if self.reads => actions.push(Action::ListFiles),
            Snapshot::Files { .. } => actions.push(Action::ListCommits),
            Snapshot::None | Snapshot::Took(_) => {}
        }
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        match action {
            Action::Tick => state.now += 1,
            Action::StepClock => {
                state.stepped = true;
                state.writers[ZOMBIE].clock -= STEP;
            }
            Action::Go(OTHER) => {
                let Step::Head = state.writers[OTHER].step else { return None };
                let key = (state.now + state.writers[OTHER].clock, OTHER as u8);
                (state.files[OTHER], state.markers[OTHER]) = (true, true);
                state.put_ref(key, OTHER);
                state.put_commit(1, OTHER, key, true);
                state.writers[OTHER].step = Step::Done(Outcome::InTime { attempt: OTHER, key });
            }
            Action::Go(RETRY) if self.uses_new_token(&state) => {
                state.writers[RETRY].token = 2;
                state.writers[RETRY].step = Step::Data;
            }
            Action::Go(by) | Action::Apply(by) | Action::GiveUp(by) | Action::Crash(by) => {
                let step = match action {
                    Action::Go(_) => self.go(&mut state, by)?,
                    Action::Apply(_) => self.apply(&mut state, by)?,
                    Action::GiveUp(_) => self.give_up(&mut state, by)?,
                    _ => self.crash(&mut state, by)?,
                };
                if matches!(action, Action::Go(_)) && step == Step::Data {
                    // S3 answered.
                    state.writers[by].observed = state.writers[by].clock;
                }
                state.writers[by].step = step;
            }
            Action::Haunt(index) => match state.zombies.remove(index) {
                Zombie::Ref { key, attempt } => state.put_ref(key, attempt),
                Zombie::Commit { key, attempt } => {
                    let token = state.writers[attempt].token;
                    state.put_commit(token, attempt, key, self.is_conditional());
                }
            },
            Action::PollList => state.listed = Some(state.pollable(self.broken)),
            Action::PollGate => {
                let listed = state.listed.take()?;
                for one in &listed {
                    if self.broken == Broken::NoGate || state.commit_of(one.attempt).is_some() {
                        state.delivered[one.attempt] = true;
                    }
                }
                state.cursor = listed.last().map(|last| last.key);
            }
            Action::ListFiles => {
                state.snapshot = Snapshot::Files { files: [state.files[0], state.files[1]], date: state.now };
            }
            Action::ListCommits => {
                let Snapshot::Files { files, date } = state.snapshot else { return None };
                let taken = state.commits[0].map(|commit| {
                    let is_settled = commit.landed < date || self.broken == Broken::ResolvingBySlowList;
                    match files {
                        // One file, and a commit that was there before the listing began.
                        [true, false] if is_settled => ZOMBIE,
                        [false, true] if is_settled => RETRY,
                        _ => commit.attempt,
                    }
                });
                state.snapshot = Snapshot::Took(taken);
            }
        }
        (state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("a token keeps its commit", |_, state: &State| !state.replaced),
            Property::always("what was reported as committed stays", |_, state: &State| {
                state.writers.iter().all(|writer| match writer.step {
                    Step::Done(Outcome::InTime { attempt, .. } | Outcome::Late { attempt }) => {
                        state.commit_of(attempt).is_some()
                    }
                    _ => true,
                })
            }),
            Property::always("what was reported as not committed never is", |_, state: &State| {
                (0..WRITERS).all(|by| {
                    state.writers[by].step != Step::Done(Outcome::NotCommitted) || state.commit_of(by).is_none()
                })
            }),
            Property::always("followers receive only what is committed", |_, state: &State| {
                (0..WRITERS).all(|attempt| !state.delivered[attempt] || state.commit_of(attempt).is_some())
            }),
            Property::always("followers miss nothing that was reported in time", |_, state: &State| {
                state.writers.iter().all(|writer| match writer.step {
                    Step::Done(Outcome::InTime { attempt, key }) => {
                        state.cursor.is_none_or(|cursor| cursor < key) || state.delivered[attempt]
                    }
                    _ => true,
                })
            }),
            Property::always("markers are there before their commit", |_, state: &State| {
                state.commits.iter().flatten().all(|commit| state.markers[commit.attempt])
            }),
            Property::always("records are committed once", |_, state: &State| {
                state.commits[0].is_none() || state.commits[2].is_none()
            }),
            Property::always("snapshots have the committed attempt", |_, state: &State| match state.snapshot {
                Snapshot::Took(Some(attempt)) => state.commit_of(attempt).is_some(),
                _ => true,
            }),
            // Every path ends, because time does.
            Property::eventually(
                "writers end, and followers receive what is settled",
                |model: &Self, state: &State| {
                    let is_over = |(by, writer): (usize, &Writer)| {
                        matches!(writer.step, Step::Done(_) | Step::Crashed) || (by == RETRY && !model.retries)
                    };
                    let cutoff = state.cutoff(Broken::Nothing);
                    let is_there = |writer: &Writer| match writer.step {
                        Step::Done(Outcome::InTime { attempt, key }) if model.follows => {
                            key.0 >= cutoff || state.delivered[attempt]
                        }
                        _ => true,
                    };
                    let writers = || state.writers.iter();
                    state.now == model.end
                        && writers().enumerate().all(is_over)
                        && writers().all(is_there)
                        && state.listed.is_none()
                },
            ),
            Property::sometimes("a late commit", |_, state: &State| {
                state.writers.iter().any(|writer| matches!(writer.step, Step::Done(Outcome::Late { .. })))
            }),
            Property::sometimes("an unknown outcome that becomes a commit", |_, state: &State| {
                state.writers[ZOMBIE].step == Step::Done(Outcome::Unknown) && state.commit_of(ZOMBIE).is_some()
            }),
            Property::sometimes("a retry that returns the commit of the zombie", |_, state: &State| {
                matches!(state.writers[RETRY].step, Step::Done(Outcome::InTime { attempt: ZOMBIE, .. }))
            }),
            Property::sometimes("a zombie whose commit is refused", |_, state: &State| {
                state.writers[ZOMBIE].step == Step::Done(Outcome::Unknown)
                    && state.zombies.is_empty()
                    && state.commits[0].is_some_and(|commit| commit.attempt == RETRY)
            }),
            Property::sometimes("a commit that was reported late, and is missed", |_, state: &State| {
                state.writers.iter().any(|writer| match writer.step {
                    Step::Done(Outcome::Late { attempt }) => {
                        !state.delivered[attempt]
                            && state.commit_of(attempt).is_some_and(|commit| state.cursor > Some(commit.key))
                    }
                    _ => false,
                })
            }),
        ]
    }
}
