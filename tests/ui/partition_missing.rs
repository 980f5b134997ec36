use s3store::Record;

#[derive(Record)]
struct Cost {
    day: String,
    sku: String,
}

fn main() {}
