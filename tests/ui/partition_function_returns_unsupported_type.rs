use s3store::Record;

fn region_of(customer: &String) -> f64 {
    customer.len() as f64
}

#[derive(Record)]
#[record(partition_by(region = region_of(customer)))]
struct Cost {
    day: String,
    customer: String,
}

fn main() {}
