//! Four changes of the record, each rolled out readers first and writers first.

use s3store::testing::S3;
use s3store::{ColumnType, Dataset, Record, RootRecord};

use crate::{BUCKET, Result};

/// Defines the record of one build. All have the same columns but for the change.
macro_rules! build {
    ($name:ident { $($(#[$attr:meta])* $field:ident: $ty:ty = $value:expr,)* }) => {
        pub mod $name {
            use super::*;

            #[derive(Debug, Clone, PartialEq, Record)]
            #[record(partition_by(period))]
            pub struct Bill {
                #[record(entity)]
                pub period: String,
                #[record(entity)]
                pub id: u64,
                #[record(version)]
                pub revision: u32,
                pub cents: i64,
                $($(#[$attr])* pub $field: $ty,)*
            }

            impl Build for Bill {
                fn bill(id: u64) -> Self {
                    Self { period: "2026-03".to_owned(), id, revision: 1, cents: 100, $($field: $value,)* }
                }
            }
        }
    };
}

trait Build: RootRecord + PartialEq {
    fn bill(id: u64) -> Self;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ColumnType)]
#[column(rename_all = "lowercase")]
pub enum OldState {
    Open,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ColumnType)]
#[column(rename_all = "lowercase")]
pub enum NewState {
    Open,
    Paid,
}

build!(first {
    units: u32 = 7,
    note: Option<String> = Some("n".to_owned()),
    state: OldState = OldState::Open,
});
build!(with_region {
    units: u32 = 7,
    note: Option<String> = Some("n".to_owned()),
    state: OldState = OldState::Open,
    region: Option<String> = Some("eu".to_owned()),
});
build!(with_comment {
    units: u32 = 7,
    #[record(alias = "note")]
    comment: Option<String> = Some("n".to_owned()),
    state: OldState = OldState::Open,
});
build!(with_wide_units {
    units: u64 = 1 << 40,
    note: Option<String> = Some("n".to_owned()),
    state: OldState = OldState::Open,
});
build!(with_paid {
    units: u32 = 7,
    note: Option<String> = Some("n".to_owned()),
    state: NewState = NewState::Paid,
});

/// Rolls all changes out in both orders, each on a prefix of its own.
pub async fn all(s3: &S3) -> Result<()> {
    println!("rolling out changes of the record:");
    both_orders::<with_region::Bill>(s3, "add a column", None).await?;
    both_orders::<with_comment::Bill>(s3, "rename a column", Some("called comment by newer writers")).await?;
    both_orders::<with_wide_units::Bill>(s3, "widen a column", Some("the file has UInt64")).await?;
    both_orders::<with_paid::Bill>(s3, "add a value to an enum", Some("\"paid\" is not a value of OldState")).await
}

/// Rolls a change out in both orders. `refused` is part of the message with which an old reader refuses new records;
/// `None` if it reads them.
async fn both_orders<New: Build>(s3: &S3, change: &str, refused: Option<&str>) -> Result<()> {
    let prefix = format!("rollout/{}", change.replace(' ', "-"));

    // Readers first: nothing ever fails. Old writers go on until the last one is replaced.
    let process = start(s3, format!("{prefix}/readers-first")).await?;
    write::<first::Bill>(&process().await?, 1).await?;
    read::<New>(&process().await?, 1).await?;
    write::<New>(&process().await?, 2).await?;
    write::<first::Bill>(&process().await?, 3).await?;
    read::<New>(&process().await?, 3).await?;

    // Writers first: an old reader reads the new records as they are, or refuses them.
    let process = start(s3, format!("{prefix}/writers-first")).await?;
    write::<first::Bill>(&process().await?, 1).await?;
    write::<New>(&process().await?, 2).await?;
    let outcome = read::<first::Bill>(&process().await?, 2).await;
    match (outcome, refused) {
        (Ok(()), None) => println!("  {change}: any order"),
        (Err(error), Some(reason)) if error.to_string().contains(reason) => {
            println!("  {change}: readers first; an old reader says: {error}");
        }
        (outcome, _) => return Err(format!("{change}, writers first: {outcome:?}").into()),
    }
    read::<New>(&process().await?, 2).await
}

/// Initialises a dataset. Returns a function that opens it as another process would.
async fn start(s3: &S3, prefix: String) -> Result<impl AsyncFn() -> Result<Dataset>> {
    let client = s3.client();
    let _ = Dataset::init(client.clone(), BUCKET, &prefix).await?;
    Ok(async move || Ok(Dataset::open(client.clone(), BUCKET, prefix.clone()).await?))
}

async fn write<B: Build>(dataset: &Dataset, id: u64) -> Result<()> {
    dataset.store::<B>().write(&[B::bill(id)]).token(format!("bill-{id}")).await?;
    Ok(())
}

/// Reads all bills, and checks their number.
async fn read<B: Build>(dataset: &Dataset, expected: usize) -> Result<()> {
    let bills = dataset.store::<B>().read_all().await?;
    if bills.len() == expected { Ok(()) } else { Err(format!("{} bills instead of {expected}", bills.len()).into()) }
}
