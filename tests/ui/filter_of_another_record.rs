use s3store::{Record, Store};

#[derive(Record)]
#[record(partition_by(day))]
struct Cost {
    day: String,
    sku: String,
}

#[derive(Record)]
#[record(partition_by(day))]
struct Sale {
    day: String,
    sku: String,
}

fn read(store: &Store<Cost>) {
    let _ = store.read_all().filter(|_| Sale::COLUMNS.sku.eq("a"));
}

fn main() {}
