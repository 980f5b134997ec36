use s3store::ColumnType;

#[derive(ColumnType)]
#[column(repr = "i32")]
enum Currency {
    #[column(rename = "EUR")]
    Eur = 1,
}

fn main() {}
