use s3store::ColumnType;

#[derive(ColumnType)]
enum Currency {
    #[column(renam = "EUR")]
    Eur,
}

fn main() {}
