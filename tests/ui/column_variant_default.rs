use s3store::ColumnType;

#[derive(ColumnType)]
enum Currency {
    #[column(default)]
    Eur,
    Usd,
}

fn main() {}
