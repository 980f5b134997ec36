use s3store::ColumnType;

#[derive(ColumnType)]
#[column(repr = "u8")]
enum Currency {
    Eur = 978,
}

fn main() {}
