use std::collections::BTreeMap;

use s3store::Record;

#[derive(Record)]
#[record(partition_by(day))]
struct Cost {
    #[record(bare_list)]
    day: String,
    #[record(bare_list)]
    maybe: Option<Vec<i64>>,
    #[record(bare_list)]
    bytes: Vec<u8>,
    #[record(bare_list)]
    of_options: Vec<Option<i64>>,
    #[record(bare_list)]
    of_lists: Vec<Vec<i64>>,
    #[record(bare_list)]
    of_maps: Vec<BTreeMap<String, i64>>,
    #[record(bare_list, skip)]
    skipped: Vec<i64>,
    #[record(bare_list = true)]
    valued: Vec<i64>,
}

fn main() {}
