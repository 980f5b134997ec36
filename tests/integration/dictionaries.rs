//! Columns without a dictionary.

use parquet::file::metadata::ParquetMetaDataReader;
use s3store::{ColumnType, Record};

use crate::integration::harness::{BUCKET, Virtual};

#[derive(Debug, Clone, PartialEq, ColumnType)]
struct Origin {
    city: String,
    #[column(dictionary = false)]
    trace: String,
}

#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(day))]
struct Call {
    day: String,
    #[record(dictionary = false)]
    id: String,
    user: String,
    origin: Option<Origin>,
    #[record(dictionary = false)]
    tags: Vec<String>,
    #[record(bare_list, dictionary = false)]
    hops: Vec<i64>,
}

#[tokio::test(start_paused = true)]
async fn a_column_has_no_dictionary_if_its_field_says_so() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Call>();
    let call = Call {
        day: "2026-03-17".into(),
        id: "4f1c".into(),
        user: "ada".into(),
        origin: Some(Origin { city: "Paris".into(), trace: "9a".into() }),
        tags: vec!["new".into()],
        hops: vec![1, 2],
    };
    let calls = vec![call; 1_000];
    let commits = store.write(&calls).await.unwrap();
    let file = world.s3.object(BUCKET, &commits[0].data_path).unwrap().body;
    let parquet = ParquetMetaDataReader::new().parse_and_finish(&file).unwrap();
    let chunks = parquet.row_group(0).columns().iter().filter(|chunk| chunk.dictionary_page_offset().is_some());
    let with: Vec<_> = chunks.map(|chunk| chunk.column_path().string()).collect();
    assert_eq!(with, ["day", "user", "origin.city"]);
    assert_eq!(store.read_all().await.unwrap(), calls);
}
