use s3store::{ColumnType, Record, View};

#[derive(Default, ColumnType)]
enum Currency {
    #[default]
    Eur,
    #[column(rename = "Eur")]
    Euro,
}

#[derive(Record)]
#[record(partition_by(currency), views(ByCurrency))]
struct Cost {
    currency: Currency,
}

#[derive(View)]
#[view(of = Cost, name = "by_currency")]
struct ByCurrency {
    currency: Currency,
}

fn main() {
    let _ = ByCurrency::patterns().currency(Currency::Euro);
}
