use s3store::ColumnType;

#[derive(ColumnType)]
enum Currency {
    Eur,
    #[column(alias = "Eur")]
    Euro,
}

fn main() {}
