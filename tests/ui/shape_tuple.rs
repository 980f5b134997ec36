use s3store::Record;

#[derive(Record)]
struct Cost(String, u64);

fn main() {}
