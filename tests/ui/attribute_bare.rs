use s3store::Record;

#[derive(Record)]
#[record]
struct Cost {
    day: String,
}

fn main() {}
