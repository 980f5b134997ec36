use s3store::{Record, Store};

#[derive(Record)]
#[record(partition_by(day))]
struct Cost {
    day: String,
    sku: String,
}

fn read(store: &Store<Cost>) {
    let _ = store.read_all().filter(|c| c.skuu.eq("a"));
}

fn main() {}
