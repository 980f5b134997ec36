#![deny(warnings)]

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

    impl Cost {
        // Getters named like what a derive could have claimed.
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
    use crate::records::Amount;
    use s3store::Record;

    #[derive(Record)]
    #[record(projection_of = crate::records::shared::Shared)]
    pub(super) struct Narrow {
        pub(super) amount: Option<Amount>,
    }
}

fn main() {
    fn same<T: s3store::Record>() -> T::Partitions {
        T::partitions()
    }
    let _ = same::<readers::Narrow>().day("a");
    let _ = |cost: &records::Cost, narrow: &readers::Narrow| (cost.day().len(), cost.columns(), narrow.amount.is_some());
}
