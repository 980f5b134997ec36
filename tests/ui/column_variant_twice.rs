use s3store::ColumnType;

#[derive(ColumnType)]
#[column(rename_all = "UPPERCASE")]
enum Currency {
    Eur,
    #[column(rename = "EUR")]
    Euro,
}

fn main() {}
