use s3store::ColumnType;

#[derive(ColumnType)]
union Number {
    integer: i64,
    float: f64,
}

fn main() {}
