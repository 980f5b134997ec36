use s3store::Record;

struct Cost {
    day: String,
}

#[derive(Record)]
#[record(projection_of = Cost)]
struct Narrow {
    day: String,
}

fn main() {}
