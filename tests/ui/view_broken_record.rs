use s3store::rust_decimal::Decimal;
use s3store::{Record, View};

#[derive(Record)]
#[record(partition_by(dya), views(ByDay))]
struct Cost {
    day: String,
    #[record(decimal(18, 6))]
    net: Decimal,
}

#[derive(View)]
#[view(of = Cost, name = "by_day")]
struct ByDay {
    day: String,
    #[view(with = positive(net))]
    net: bool,
}

fn positive(net: &Decimal) -> Option<bool> {
    Some(net.is_sign_positive())
}

fn main() {}
