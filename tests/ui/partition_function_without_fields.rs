use s3store::Record;

fn region_of(customer: &String) -> String {
    customer.to_lowercase()
}

#[derive(Record)]
#[record(partition_by(region = region_of()))]
struct Cost {
    day: String,
    customer: String,
}

fn main() {}
