//! Mutated Parquet files: no file ends the process, each gives an error or the right rows, and decoding takes no more
//! memory than the file's size allows.
//!
//! - An error is of the kind `InvalidData`. A panic is a failure, and so is the end of the process.
//! - Rows are right if they are those of the file before, where the mutation touched only what the record does not read.
//!   Where it touched only pages that have a checksum, the file is refused or the rows are those before. Other parts of a
//!   Parquet file have no checksum, so a changed file can be a valid file of other rows. Then their number is the
//!   footer's, and a read of the whole file and one by ranges agree.
//! - The memory is at most what `limit` returns.
//!
//! A mutation depends only on its number. `S3STORE_FUZZ_CASES` sets how many there are, and `S3STORE_FUZZ_FIRST` the first
//! of them. Child processes run the cases, so that one that ends its process is found.

#[path = "fuzz/mutate.rs"]
mod mutate;
#[path = "fuzz/parquet_file.rs"]
mod parquet_file;
#[path = "fuzz/seeds.rs"]
mod seeds;
#[path = "fuzz/thrift.rs"]
mod thrift;

use std::collections::BTreeMap;
use std::io::{Seek, SeekFrom, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use bytes::Bytes;
use peak_alloc::PeakAlloc;
use s3store::ErrorKind;

use self::mutate::{Kind, Mutation, Random};
use self::seeds::{Seed, seeds};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// How many cases run unless `S3STORE_FUZZ_CASES` says otherwise.
const CASES: u64 = 2_000;

/// The cases of a child process, as `first..end step`, and the file into which it writes the case that runs.
const CHILD: &str = "S3STORE_FUZZ_CHILD";
const PROGRESS: &str = "S3STORE_FUZZ_PROGRESS";

/// Returns the most bytes that decoding a file of `size` bytes may allocate at once, for a record with this many columns
/// and records of this size. See `codec/limits.rs`.
fn limit(size: usize, columns: usize, record: usize) -> usize {
    let pages = (64 << 20) + 1_024 * size;
    let rows = (1 << 20) + 1_024 * size;
    2 * pages + rows * (record + 20 * columns)
}

#[test]
fn mutated_files_give_an_error_or_the_right_rows() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let (first, cases) = (number("S3STORE_FUZZ_FIRST").unwrap_or(0), number("S3STORE_FUZZ_CASES").unwrap_or(CASES));
    let workers = std::thread::available_parallelism().map_or(1, |workers| workers.get() as u64);
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let children: Vec<(Child, PathBuf)> = (0..workers)
        .map(|worker| {
            let progress = folder.join(format!("fuzz-{}-{worker}", std::process::id()));
            let child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "child", "--nocapture"])
                .env(CHILD, format!("{} {} {workers}", first + worker, first + cases))
                .env(PROGRESS, &progress)
                .spawn()
                .unwrap();
            (child, progress)
        })
        .collect();
    let mut failed = Vec::new();
    for (mut child, progress) in children {
        let status = child.wait().unwrap();
        if !status.success() {
            let case = std::fs::read_to_string(&progress).unwrap_or_default();
            failed.push(format!("case {}: the process ended with {status}", case.trim()));
        }
        let _ = std::fs::remove_file(progress);
    }
    assert!(failed.is_empty(), "{failed:?}; repeat one with S3STORE_FUZZ_FIRST and S3STORE_FUZZ_CASES=1");
}

/// Runs the cases of a child process.
#[test]
fn child() {
    let (Ok(cases), Ok(progress)) = (std::env::var(CHILD), std::env::var(PROGRESS)) else { return };
    let numbers: Vec<u64> = cases.split(' ').map(|number| number.parse().unwrap()).collect();
    let [first, end, step] = numbers[..] else { panic!("{cases}") };
    // Panics are caught, and too many to print.
    std::panic::set_hook(Box::new(|_| {}));
    let mut progress = std::fs::File::create(Path::new(&progress)).unwrap();
    let seeds = seeds();
    let (mut outcomes, mut most, mut failures) = (BTreeMap::new(), [(0, 0, 0); 2], 0);
    for case in (first..end).step_by(usize::try_from(step).unwrap()) {
        progress.seek(SeekFrom::Start(0)).unwrap();
        write!(progress, "{case:<20}").unwrap();
        let mut random = Random::new(case);
        let seed = &seeds[random.below(seeds.len())];
        let mutation = seed.mutate(&mut random);
        let run = run(seed, &mutation);
        *outcomes.entry((mutation.kind, run.rows.is_ok())).or_insert(0u64) += 1;
        let most = &mut most[usize::from(run.rows.is_ok())];
        *most = (*most).max((run.memory, mutation.file.len(), case));
        if let Err(reason) = check(seed, &mutation, &run) {
            println!("case {case}, {:?} of {}: {reason}", mutation.kind, seed.name);
            failures += 1;
        }
    }
    println!("{outcomes:?}");
    for (what, (memory, size, case)) in ["refused", "read"].into_iter().zip(most) {
        println!("most memory for a file that was {what}: {memory} bytes for {size} (case {case})");
    }
    let _ = std::panic::take_hook();
    assert_eq!(failures, 0, "cases failed");
}

/// The result of decoding a file.
struct Run {
    /// The rows as text, or the reason for which there are none.
    rows: Result<Vec<String>, Refusal>,
    /// The number of rows by the reader that fetches ranges.
    by_ranges: Result<usize, Refusal>,
    memory: usize,
}

#[derive(Debug, PartialEq)]
enum Refusal {
    Error(ErrorKind, String),
    Panic(String),
}

fn run(seed: &Seed, mutation: &Mutation) -> Run {
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    let decoded = caught(|| (seed.decode)(mutation.file.clone()));
    let by_ranges = caught(|| (seed.decode_by_ranges)(mutation.file.clone()));
    let memory = MEMORY.peak_usage().saturating_sub(before);
    let rows =
        decoded.map(|rows| if mutation.kind.keeps_rows() { rows.text() } else { vec![String::new(); rows.len()] });
    Run { rows, by_ranges, memory }
}

fn caught<T>(decode: impl FnOnce() -> s3store::Result<T>) -> Result<T, Refusal> {
    match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(decoded) => decoded.map_err(|error| Refusal::Error(error.kind(), error.to_string())),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            Err(Refusal::Panic(
                text.unwrap_or_else(|| panic.downcast_ref::<&str>().copied().unwrap_or_default().to_owned()),
            ))
        }
    }
}

fn check(seed: &Seed, mutation: &Mutation, run: &Run) -> Result<(), String> {
    let most = limit(mutation.file.len(), seed.columns, seed.record);
    if run.memory > most {
        return Err(format!("{} bytes of memory, more than {most}", run.memory));
    }
    for refusal in [run.rows.as_ref().err(), run.by_ranges.as_ref().err()].into_iter().flatten() {
        if !matches!(refusal, Refusal::Error(ErrorKind::InvalidData, _)) {
            return Err(format!("{refusal:?}"));
        }
    }
    match (&run.rows, &run.by_ranges) {
        // Records of a keyed type are deduplicated.
        (Ok(rows), Ok(count)) if seed.keyed || rows.len() == *count => {}
        // Only reading by ranges makes use of the page index, and finds that it is not that of the pages.
        (Ok(_), Err(Refusal::Error(_, reason))) if reason.contains("page index") => {}
        // A value that no record can hold is found only where records are made.
        (Err(_), Ok(_) | Err(_)) => {}
        _ => return Err(format!("{:?} rows, but {:?} by ranges", run.rows.as_ref().map(Vec::len), run.by_ranges)),
    }
    if mutation.kind == Kind::Unread && run.rows.is_err() {
        return Err(format!("refused: {:?}", run.rows));
    }
    match &run.rows {
        Ok(rows) if mutation.kind.keeps_rows() && *rows != seed.rows => Err("other rows".to_owned()),
        _ => Ok(()),
    }
}

/// Every seed is read as it is, and every kind of mutation applies to some.
#[test]
fn seeds_are_read() {
    for seed in seeds() {
        let same = Mutation { kind: Kind::Unread, file: seed.file.clone() };
        check(&seed, &same, &run(&seed, &same)).unwrap_or_else(|reason| panic!("{}: {reason}", seed.name));
        assert!(!seed.rows.is_empty(), "{}", seed.name);
    }
}

/// The rows of a file, of any record type.
trait Rows {
    fn len(&self) -> usize;
    fn text(&self) -> Vec<String>;
}

impl<T: std::fmt::Debug> Rows for Vec<T> {
    fn len(&self) -> usize {
        Vec::len(self)
    }

    fn text(&self) -> Vec<String> {
        self.iter().map(|row| format!("{row:?}")).collect()
    }
}

type Decode<T> = Box<dyn Fn(Bytes) -> s3store::Result<T>>;
