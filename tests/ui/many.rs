use s3store::Record;
use s3store::rust_decimal::Decimal;

#[derive(Record)]
#[record(partition_by(charge_perid, customer = customer_id, month = format(sku, "%Y-%m")), dedup = "global", table)]
struct Cost {
    #[record(entity)]
    charge_period: Option<String>,
    #[record(entity, timestamp = "m")]
    customer_id: String,
    #[record(enitty)]
    sku: String,
    #[record(decimal(40, 6))]
    net_cost: Decimal,
    #[record(version)]
    price: f64,
    count: usize,
    #[record(inserted_at)]
    inserted_at: String,
    #[record(rename = "price")]
    gross: f64,
}

fn main() {}
