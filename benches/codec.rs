//! Compares encoding and decoding of rows with arrow-rs's own writer and reader on prepared batches.
//!
//! Run `cargo bench -p benches --bench codec`, also with `--features mimalloc`. It prints, for each shape and size, the
//! medians of interleaved runs in one process, and the median of the rounds' ratios. Compare the ratios: single times
//! vary too much on a shared machine.
//!
//! Sorted rows come in two shapes. In the first, the rows' texts are in memory in the order of the rows. In the second,
//! the rows were sorted in memory, which moves the structs but not their texts. Reading these texts jumps around in
//! memory, which arrow-rs avoids because it gets prepared batches.
//!
//! Word arguments select the shapes whose names contain all of them, and numbers select sizes:
//! `cargo bench -p benches --bench codec -- encode sorted 50000`.

use std::cmp::Ordering;
use std::env;
use std::hint::black_box;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use benches::{Keyed, Plain, Properties, arrow_decode, arrow_encode};
use bytes::Bytes;
use s3store::chrono::{DateTime, Utc};
use s3store::read::{RowStruct, Rows};
use s3store::testing::Files;
use s3store::{Compression, RootRecord};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ALLOCATOR_NAME: &str = if cfg!(feature = "mimalloc") { "mimalloc" } else { "the system's" };

const SIZES: [usize; 4] = [8, 5_000, 50_000, 1_000_000];

fn main() {
    let chosen = Chosen::from_args();
    println!("allocator: {ALLOCATOR_NAME}; medians of interleaved runs; ratio: ours over arrow-rs on prepared batches");
    println!(
        "{:<26} {:>9}  {:>12} {:>12} {:>6}  {:>12} {:>6}",
        "", "rows", "ours", "same options", "ratio", "defaults", "ratio"
    );
    for rows in chosen.sizes("encode, no key") {
        let records = Plain::shuffled(rows);
        encode("encode, no key", &records, &Plain::batches(&records));
    }
    for rows in chosen.sizes("encode, key, sorted") {
        let records = in_memory_order(&Keyed::sorted(rows));
        encode("encode, key, sorted", &records, &Keyed::batches(&records));
    }
    for rows in chosen.sizes("encode, key, scattered") {
        let records = Keyed::sorted(rows);
        encode("encode, key, scattered", &records, &Keyed::batches(&records));
        scatter(&records);
    }
    for rows in chosen.sizes("encode, key, shuffled") {
        let records = Keyed::shuffled(rows);
        encode("encode, key, shuffled", &records, &Keyed::batches(&Keyed::sorted(rows)));
        sort(&records);
    }
    println!("{:<26} {:>9}  {:>12} {:>12} {:>6}", "", "rows", "ours", "arrow-rs", "ratio");
    for rows in chosen.sizes("decode, no key") {
        decode("decode, no key", &Plain::shuffled(rows), Plain::weigh, Plain::weigh_batches);
    }
    for rows in chosen.sizes("decode, key, one file") {
        decode("decode, key, one file", &Keyed::sorted(rows), Keyed::weigh, Keyed::weigh_batches);
    }
}

/// The shapes and sizes to measure: all, unless arguments select some.
struct Chosen {
    words: Vec<String>,
    sizes: Vec<usize>,
}

impl Chosen {
    fn from_args() -> Self {
        // Cargo adds `--bench`.
        let (sizes, words): (Vec<_>, Vec<_>) =
            env::args().skip(1).filter(|word| !word.starts_with('-')).partition(|word| word.parse::<usize>().is_ok());
        let sizes: Vec<_> = sizes.iter().filter_map(|size| size.parse().ok()).collect();
        Self { words, sizes: if sizes.is_empty() { SIZES.to_vec() } else { sizes } }
    }

    /// Returns the sizes to measure for a shape.
    fn sizes(&self, shape: &str) -> Vec<usize> {
        let named = self.words.iter().all(|word| shape.split([',', ' ']).any(|part| part == word));
        if named { self.sizes.clone() } else { Vec::new() }
    }
}

fn encode<T: RootRecord>(shape: &str, records: &[T], batches: &[RecordBatch]) {
    let files = Files::<T>::new(Compression::Snappy).expect("a schema");
    let now = DateTime::<Utc>::UNIX_EPOCH;
    let ([ours, same, defaults], [_, to_same, to_defaults]) = medians(
        records.len(),
        [
            &mut || drop(black_box(files.encode(black_box(records), now).expect("a file"))),
            &mut || drop(black_box(arrow_encode(black_box(batches), Properties::Ours))),
            &mut || drop(black_box(arrow_encode(black_box(batches), Properties::Default))),
        ],
    );
    println!(
        "{shape:<26} {:>9}  {ours:>12.2?} {same:>12.2?} {to_same:>6.2}  {defaults:>12.2?} {to_defaults:>6.2}",
        records.len(),
    );
    digest(&files, records);
}

/// Prints the time with the digest that a write with a token makes, and its ratio to the time without.
fn digest<T: RootRecord>(files: &Files<T>, records: &[T]) {
    let now = DateTime::<Utc>::UNIX_EPOCH;
    let ([with, _], [_, ratio]) = medians(
        records.len(),
        [&mut || drop(black_box(files.encode_with_digest(black_box(records), now).expect("a file"))), &mut || {
            drop(black_box(files.encode(black_box(records), now).expect("a file")))
        }],
    );
    println!("{:<26} {:>9}  {with:>12.2?}, {ratio:.3} of ours", "  with the digest", records.len());
}

/// Clones the records, so that their texts are in memory in the records' order.
fn in_memory_order<T: Clone>(records: &[T]) -> Vec<T> {
    records.to_vec()
}

/// Prints the cost of scattered texts: the same records with their texts out of order and in order.
fn scatter(scattered: &[Keyed]) {
    difference("  of which the scatter", scattered, &in_memory_order(scattered));
}

/// Prints the cost of sorting: the same records shuffled and sorted, both with their texts in order.
fn sort(shuffled: &[Keyed]) {
    difference("  of which the sort", shuffled, &in_memory_order(&Keyed::sorted(shuffled.len())));
}

fn difference(name: &str, records: &[Keyed], others: &[Keyed]) {
    let files = Files::<Keyed>::new(Compression::Snappy).expect("a schema");
    let now = DateTime::<Utc>::UNIX_EPOCH;
    let ([with, without], _) = medians(
        records.len(),
        [&mut || drop(black_box(files.encode(black_box(records), now).expect("a file"))), &mut || {
            drop(black_box(files.encode(black_box(others), now).expect("a file")))
        }],
    );
    println!("{name:<26} {:>9}  {:>12.2?}", records.len(), with.saturating_sub(without));
}

fn decode<T: RootRecord + RowStruct<Held: Send>>(
    shape: &str,
    records: &[T],
    weigh: fn(&Rows<T>) -> u64,
    weigh_batches: fn(&[RecordBatch]) -> u64,
) {
    let files = Files::<T>::new(Compression::Snappy).expect("a schema");
    let file: Bytes = files.encode(records, DateTime::<Utc>::UNIX_EPOCH).expect("a file");
    let ([ours, arrow], [_, to_arrow]) = medians(
        records.len(),
        [&mut || drop(black_box(files.decode(black_box(file.clone())).expect("records"))), &mut || {
            drop(black_box(arrow_decode(black_box(file.clone()))))
        }],
    );
    println!("{shape:<26} {:>9}  {ours:>12.2?} {arrow:>12.2?} {to_arrow:>6.2}", records.len());
    let rows = || {
        let batches = files.decode_rows(black_box(file.clone())).expect("rows");
        black_box(batches.iter().map(weigh).fold(0, u64::wrapping_add))
    };
    let values = || black_box(weigh_batches(&arrow_decode(black_box(file.clone()))));
    assert_eq!(rows(), values(), "the rows of both");
    let ([ours, arrow], [_, to_arrow]) =
        medians(records.len(), [&mut || assert_ne!(rows(), 0), &mut || assert_ne!(values(), 0)]);
    println!("{:<26} {:>9}  {ours:>12.2?} {arrow:>12.2?} {to_arrow:>6.2}", "  all values, as rows", records.len());
}

/// Runs the pieces of work in turns. Returns the median time of each, and the median ratio of the first one's time to
/// each.
#[expect(clippy::disallowed_methods, reason = "a benchmark reads the machine's clock")]
fn medians<const N: usize>(rows: usize, mut work: [&mut dyn FnMut(); N]) -> ([Duration; N], [f64; N]) {
    let (rounds, calls) = match rows {
        0..100 => (300, 50),
        100..10_000 => (100, 3),
        10_000..100_000 => (40, 1),
        _ => (9, 1),
    };
    let mut times: [Vec<Duration>; N] = std::array::from_fn(|_| Vec::with_capacity(rounds));
    for round in 0..=rounds {
        for (piece, times) in work.iter_mut().zip(&mut times) {
            let start = Instant::now();
            for _ in 0..calls {
                piece();
            }
            // The first round warms up.
            if round > 0 {
                times.push(start.elapsed() / calls);
            }
        }
    }
    let ratios = times.each_ref().map(|others| {
        let ratio = |(ours, other): (&Duration, &Duration)| ours.as_secs_f64() / other.as_secs_f64();
        median(times[0].iter().zip(others).map(ratio).collect(), f64::total_cmp)
    });
    (times.map(|times| median(times, Duration::cmp)), ratios)
}

fn median<T: Copy>(mut values: Vec<T>, order: fn(&T, &T) -> Ordering) -> T {
    values.sort_unstable_by(order);
    values[values.len() / 2]
}
