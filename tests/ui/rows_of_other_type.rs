use s3store::read::Row;

fn length(row: Row<'_, String>) -> usize {
    row.len()
}

fn main() {}
