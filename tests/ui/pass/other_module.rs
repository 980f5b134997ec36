#![deny(warnings)]
#![allow(dead_code)]

// Private records and fields, projections in other modules, and re-exports.
mod records {
    use s3store::Record;

    #[derive(Record)]
    #[record(partition_by(day), crate = s3store)]
    pub(crate) struct Cost {
        #[record(entity)]
        day: String,
        #[record(version)]
        version: u64,
        amount: Option<Amount>,
    }

    #[derive(Default, s3store::ColumnType)]
    pub(crate) struct Amount {
        #[allow(dead_code)]
        cents: i64,
    }

    #[derive(Default, s3store::ColumnType)]
    struct Hidden(String);

    #[derive(Default, s3store::ColumnType)]
    struct Inner {
        hidden: Hidden,
    }

    // More visible than the types of its fields, which have the names of generated items.
    #[derive(Record)]
    #[record(partition_by(hidden))]
    pub struct Shown {
        hidden: Hidden,
        inner: Inner,
        columns: ShownColumns,
        part: Option<ShownPartitions>,
        row: ShownRow,
        held: ShownHeld,
    }

    #[derive(Default, s3store::ColumnType)]
    struct ShownColumns(u64);

    #[derive(Default, s3store::ColumnType)]
    struct ShownPartitions(u64);

    #[derive(Default, s3store::ColumnType)]
    struct ShownRow(u64);

    #[derive(Default, s3store::ColumnType)]
    struct ShownHeld(u64);

    impl Shown {
        pub fn all(&self) -> (&str, &str, u64, Option<u64>) {
            (&self.hidden.0, &self.inner.hidden.0, self.columns.0, self.part.as_ref().map(|part| part.0))
        }
    }

    pub fn of_row(row: s3store::read::Row<'_, Shown>) -> u64 {
        row.hidden.0.len() as u64 + row.inner.hidden.0.len() as u64 + row.columns.0 + row.row.0 + row.held.0
    }

    impl Cost {
        // Methods with names that a derive could be expected to generate.
        pub(crate) fn day(&self) -> &str {
            &self.day
        }

        pub(crate) fn columns(&self) -> (u64, bool) {
            (self.version, self.amount.is_some())
        }
    }

    pub(crate) mod shared {
        pub(crate) use super::Cost as Shared;
    }
}

mod readers {
    use super::records::Amount;
    use s3store::Record;

    #[derive(Record)]
    #[record(projection_of = super::records::shared::Shared)]
    pub(super) struct Narrow {
        pub(super) amount: Option<Amount>,
    }
}

#[test]
fn visibility_and_modules_do_not_matter() {
    fn same<T: s3store::Record>() -> T::Partitions {
        T::partitions()
    }
    let _ = same::<readers::Narrow>().day("a");
    let _ = records::Shown::all;
    // A row's fields are as visible as the record's. It prints them, although some of its types have no `Debug`.
    let _ = |row: s3store::read::Row<'_, readers::Narrow>| (row.amount.is_some(), format!("{row:?}"));
    let _ = |rows: s3store::read::Rows<records::Shown>| rows.iter().map(records::of_row).sum::<u64>();
    let _ =
        |cost: &records::Cost, narrow: &readers::Narrow| (cost.day().len(), cost.columns(), narrow.amount.is_some());
}
