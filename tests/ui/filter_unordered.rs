use s3store::{Record, Store};

#[derive(Record)]
#[record(partition_by(day))]
struct Cost {
    day: String,
    tags: Vec<String>,
}

fn read(store: &Store<Cost>) {
    let _ = store.read_all().filter(|c| c.tags.eq(vec!["a".to_owned()]));
}

fn main() {}
