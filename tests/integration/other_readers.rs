//! A dataset as other Parquet readers see it. `.ci/check-readers.py` runs the guide's recipes on it.

use std::path::Path;

use s3store::{Offset, Record};

use crate::integration::harness::{BUCKET, PREFIX, Virtual, put, sleep};

/// Values of which readers of Hive partitions change some.
pub const PARTS: [&str; 11] =
    ["plain", "12", "007", "a%25b", "a%2Fb", "__HIVE_DEFAULT_PARTITION__", "a b", "x=y", "what?", "true", "2026-03-17"];

#[derive(Debug, Clone, Record)]
#[record(partition_by(part))]
struct Row {
    part: String,
    id: i64,
    note: String,
}

/// A listing of `data/` contains files of failed attempts and empty objects beside the committed files.
///
/// `S3STORE_WRITE_DATASET=folder` puts the objects into a folder, and the rows and paths of the committed files into
/// `expected.json` there.
#[tokio::test(start_paused = true)]
async fn a_listing_also_shows_uncommitted_files() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Row>();
    let rows = |note: &str| -> Vec<Row> {
        PARTS.iter().zip(1..).map(|(part, id)| Row { part: (*part).to_owned(), id, note: note.to_owned() }).collect()
    };
    store.write(&rows("committed")).await.unwrap();
    store.write_partition("part=plain", &rows("with a token")[..1]).token("job-1").await.unwrap();
    world.s3.inject(put(".commit").fail(403, "AccessDenied"));
    store.write_partition("part=plain", &rows("uncommitted")[..1]).await.unwrap_err();
    sleep(std::time::Duration::from_secs(60)).await;

    let entries = store.poll(&Offset::START).await.unwrap().entries;
    let rows = store.read_all().await.unwrap();
    assert_eq!((entries.len(), rows.len()), (PARTS.len() + 1, PARTS.len() + 1));
    assert_eq!(world.keys_with(".parquet").len(), entries.len() + 1);
    assert!(world.s3.object(BUCKET, &world.keys_with(".commit")[0]).unwrap().body.is_empty());

    let Some(folder) = std::env::var_os("S3STORE_WRITE_DATASET") else { return };
    let folder = Path::new(&folder);
    for key in world.s3.keys(BUCKET) {
        let path = folder.join(key.strip_prefix(PREFIX).unwrap().trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, &world.s3.object(BUCKET, &key).unwrap().body).unwrap();
    }
    let files: Vec<_> = entries.iter().map(|entry| &entry.data_path[PREFIX.len() + 1..]).collect();
    let rows: Vec<_> = rows.iter().map(|row| (&row.part, row.id, &row.note)).collect();
    let expected = serde_json::json!({ "files": files, "rows": rows });
    std::fs::write(folder.join("expected.json"), expected.to_string()).unwrap();
}
