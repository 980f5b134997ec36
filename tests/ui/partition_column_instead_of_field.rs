use s3store::Record;

#[derive(Record)]
#[record(partition_by(customer))]
struct Cost {
    day: String,
    #[record(rename = "customer")]
    customer_id: String,
}

fn main() {}
