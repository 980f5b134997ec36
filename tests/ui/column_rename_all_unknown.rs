use s3store::ColumnType;

#[derive(ColumnType)]
#[column(rename_all = "snakecase")]
enum Currency {
    Eur,
}

fn main() {}
