use s3store::Record;

#[derive(Record)]
#[record(partition_by(day))]
struct Cost<'a> {
    day: String,
    sku: &'a str,
}

fn main() {}
