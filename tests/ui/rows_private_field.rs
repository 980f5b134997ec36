mod records {
    use s3store::Record;

    #[derive(Record)]
    #[record(partition_by(day))]
    pub struct Cost {
        pub day: String,
        amount: i64,
    }
}

fn amount(row: s3store::read::Row<'_, records::Cost>) -> i64 {
    row.amount
}

fn main() {}
