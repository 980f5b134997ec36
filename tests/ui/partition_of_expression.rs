use s3store::Record;

#[derive(Record)]
#[record(partition_by(day = self.day))]
struct Cost {
    day: String,
}

fn main() {}
