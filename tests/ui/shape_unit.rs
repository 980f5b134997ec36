use s3store::Record;

#[derive(Record)]
struct Cost;

fn main() {}
