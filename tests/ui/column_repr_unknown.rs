use s3store::ColumnType;

#[derive(ColumnType)]
#[column(repr = "i3")]
enum Currency {
    Eur = 1,
    Usd = 2,
}

fn main() {}
