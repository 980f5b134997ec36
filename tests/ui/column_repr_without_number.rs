use s3store::ColumnType;

#[derive(ColumnType)]
#[column(repr = "i32")]
enum Currency {
    Eur = 1,
    Usd,
}

fn main() {}
