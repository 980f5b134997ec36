use s3store::ColumnType;

#[derive(ColumnType)]
struct Sku(#[column(rename = "sku")] String);

fn main() {}
