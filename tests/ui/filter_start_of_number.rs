use s3store::{Record, Store};

#[derive(Record)]
#[record(partition_by(day))]
struct Cost {
    day: String,
    quantity: u32,
}

fn read(store: &Store<Cost>) {
    let _ = store.read_all().filter(|c| c.quantity.starts_with("5"));
}

fn main() {}
