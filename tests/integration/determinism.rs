//! The same write gives the same bytes, also in another process, where hash maps iterate in another order.

use std::collections::HashMap;
use std::process::Command;

use s3store::testing::S3;
use s3store::{Compression, Dataset, Record};

use crate::integration::harness::{BUCKET, at};
use crate::integration::records::Item;

#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(part))]
struct Tagged {
    #[record(entity)]
    part: String,
    #[record(entity)]
    id: i64,
    #[record(version)]
    version: i64,
    tags: HashMap<String, i64>,
    weight: Option<f64>,
}

/// If set, the test binary runs as the child process and prints its files.
const CHILD: &str = "S3STORE_TEST_CHILD";

const CODECS: [Compression; 4] = [Compression::Snappy, Compression::Zstd, Compression::Gzip, Compression::Uncompressed];

async fn files() -> Vec<String> {
    let s3 = S3::with_bucket(BUCKET);
    let dataset = Dataset::init(s3.client(), BUCKET, "d").await.unwrap().into_dataset();
    let store = dataset.store::<Tagged>();
    let tags = |id: i64| (0..20).map(|tag| (format!("tag-{tag}"), id * tag)).collect();
    // Out of order, so that the writer sorts them, and with ties, which must keep their order.
    let record = |n: i64| {
        let id = n * 7 % 50;
        Tagged { part: "a".into(), id, version: 1, tags: tags(n), weight: (n % 3 > 0).then_some(0.5) }
    };
    let records: Vec<Tagged> = (0..100).map(record).collect();
    let mut files = Vec::new();
    for codec in CODECS {
        let commits = store.write(&records).compression(codec).inserted_at(at(1_700_000_000_000_000)).await.unwrap();
        let body = s3.object(BUCKET, &commits[0].data_path).unwrap().body;
        files.push(body.iter().map(|byte| format!("{byte:02x}")).collect());
    }
    files
}

#[tokio::test]
async fn same_bytes_in_two_processes() {
    let here = files().await;
    assert_eq!(files().await, here);
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "integration::determinism::child", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let printed = String::from_utf8(child.stdout).unwrap();
    let there: Vec<&str> = printed.lines().filter_map(|line| line.split_once("file ")).map(|(_, hex)| hex).collect();
    assert_eq!(there, here);
    assert!(here.iter().all(|file| file.len() > 1_000));
    let distinct: std::collections::BTreeSet<_> = here.iter().collect();
    assert_eq!(distinct.len(), CODECS.len());
}

/// The bytes do not depend on how much of the file was written before the first row out of order.
#[tokio::test]
async fn rows_in_any_order_give_the_same_bytes() {
    let s3 = S3::with_bucket(BUCKET);
    let dataset = Dataset::init(s3.client(), BUCKET, "d").await.unwrap().into_dataset();
    let store = dataset.store::<Item>();
    let rows = 20_000;
    let sorted: Vec<_> =
        (0..rows).map(|row| Item::new(["a", "b"][row % 2], row as i64 / 2, 0, &format!("{row}"))).collect();
    let write = async |records: &[Item]| {
        let commits = store.write(records).inserted_at(at(1_700_000_000_000_000)).await.unwrap();
        commits.iter().map(|commit| s3.object(BUCKET, &commit.data_path).unwrap().body).collect::<Vec<_>>()
    };
    let expected = write(&sorted).await;
    assert_eq!(expected.len(), 2);
    for (a, b) in [(0, 2), (0, rows - 2), (rows - 4, rows - 2), (16_382, 16_384), (8_192, 8_195)] {
        let mut records = sorted.clone();
        records.swap(a, b);
        assert!(write(&records).await == expected, "{a} {b}");
    }
    assert!(write(&sorted.iter().rev().cloned().collect::<Vec<_>>()).await == expected);
    // One partition per write, so that the writer gets no other rows.
    let (one, other): (Vec<_>, Vec<_>) = sorted.into_iter().partition(|item| item.part == "a");
    assert!(write(&one).await == expected[..1]);
    assert!(write(&other.into_iter().rev().collect::<Vec<_>>()).await == expected[1..]);
    assert_eq!(store.read("part=a").await.unwrap(), one);
}

/// The child process of the test above runs this. In the normal test run it does nothing.
#[tokio::test]
async fn child() {
    if std::env::var_os(CHILD).is_some() {
        println!();
        files().await.iter().for_each(|file| println!("file {file}"));
    }
}
