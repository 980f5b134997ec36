use s3store::Record;

#[derive(Record)]
#[record(partition_by(region = region_of(customer)))]
struct Cost {
    day: String,
    customer: String,
}

fn main() {}
