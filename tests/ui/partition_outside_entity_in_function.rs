use s3store::Record;

fn region_of(customer: &String) -> String {
    customer.to_lowercase()
}

#[derive(Record)]
#[record(partition_by(sku, region = region_of(customer)))]
struct Cost {
    day: String,
    #[record(entity)]
    sku: String,
    customer: String,
    #[record(version)]
    updated: u64,
}

fn main() {}
