//! The schema that a dataset keeps, and records that do or do not fit it.

use std::time::Duration;

use s3store::dataset::SchemaCheck;
use s3store::schema::{Schema, SchemaType};
use s3store::testing::{Fault, Operation};
use s3store::{Dataset, ErrorKind, Offset, Record, RootRecord, View};

use crate::integration::harness::{BUCKET, PREFIX, Virtual, listen, sleep, within};
use crate::integration::warnings::Warnings;

/// Defines a record `Row` in a module, and a function that makes one.
macro_rules! rows {
    ($($name:ident($($attr:tt)*) { $($(#[$field_attr:meta])* $field:ident: $ty:ty = $value:expr,)* })*) => {$(
        mod $name {
            use super::*;

            #[derive(Debug, Clone, PartialEq, Record)]
            #[record($($attr)*)]
            pub struct Row {
                $($(#[$field_attr])* pub $field: $ty,)*
            }

            impl super::Sample for Row {
                fn sample() -> Self {
                    Self { $($field: $value,)* }
                }
            }
        }
    )*};
}

trait Sample: RootRecord + Clone {
    fn sample() -> Self;
}

rows! {
    base(partition_by(day)) {
        #[record(entity)] day: String = "2026-03-17".to_owned(),
        #[record(entity)] sku: String = "SKU-1".to_owned(),
        #[record(version)] rev: i64 = 1,
        amount: i32 = 42,
    }
    other_partition(partition_by(month)) {
        #[record(entity)] month: String = "2026-03".to_owned(),
        #[record(entity)] sku: String = "SKU-1".to_owned(),
        #[record(version)] rev: i64 = 1,
        amount: i32 = 42,
    }
    other_entity(partition_by(day)) {
        #[record(entity)] day: String = "2026-03-17".to_owned(),
        sku: String = "SKU-1".to_owned(),
        #[record(version)] rev: i64 = 1,
        amount: i32 = 42,
    }
    no_key(partition_by(day)) {
        day: String = "2026-03-17".to_owned(),
        sku: String = "SKU-1".to_owned(),
        rev: i64 = 1,
        amount: i32 = 42,
    }
    other_version(partition_by(day)) {
        #[record(entity)] day: String = "2026-03-17".to_owned(),
        #[record(entity)] sku: String = "SKU-1".to_owned(),
        rev: i64 = 1,
        #[record(version)] amount: i32 = 42,
    }
    other_type(partition_by(day)) {
        #[record(entity)] day: String = "2026-03-17".to_owned(),
        #[record(entity)] sku: String = "SKU-1".to_owned(),
        #[record(version)] rev: i64 = 1,
        amount: String = "42".to_owned(),
    }
    letter_case(partition_by(day)) {
        #[record(entity)] day: String = "2026-03-17".to_owned(),
        #[record(entity)] sku: String = "SKU-1".to_owned(),
        #[record(version)] rev: i64 = 1,
        #[record(rename = "Amount")] amount: i32 = 42,
    }
    wider(partition_by(day)) {
        #[record(entity)] day: String = "2026-03-17".to_owned(),
        #[record(entity)] sku: String = "SKU-1".to_owned(),
        #[record(version)] rev: i64 = 1,
        amount: i64 = 1 << 40,
    }
    added(partition_by(day)) {
        #[record(entity)] day: String = "2026-03-17".to_owned(),
        #[record(entity)] sku: String = "SKU-1".to_owned(),
        #[record(version)] rev: i64 = 1,
        amount: i32 = 42,
        note: Option<String> = Some("new".to_owned()),
    }
    renamed(partition_by(day)) {
        #[record(entity)] day: String = "2026-03-17".to_owned(),
        #[record(entity)] sku: String = "SKU-1".to_owned(),
        #[record(version)] rev: i64 = 1,
        #[record(alias = "amount")] cents: i32 = 42,
    }
    renamed_otherwise(partition_by(day)) {
        #[record(entity)] day: String = "2026-03-17".to_owned(),
        #[record(entity)] sku: String = "SKU-1".to_owned(),
        #[record(version)] rev: i64 = 1,
        #[record(alias = "amount")] price: i32 = 42,
    }
    optional(partition_by(day)) {
        #[record(entity)] day: String = "2026-03-17".to_owned(),
        #[record(entity)] sku: String = "SKU-1".to_owned(),
        #[record(version)] rev: i64 = 1,
        amount: Option<i32> = None,
    }
    by_time(partition_by(day = format(at, "%Y-%m-%d"))) {
        at: chrono::DateTime<chrono::Utc> = chrono::DateTime::UNIX_EPOCH,
    }
    by_time_otherwise(partition_by(day = format(at, "%d.%m.%Y"))) {
        at: chrono::DateTime<chrono::Utc> = chrono::DateTime::UNIX_EPOCH,
    }
    with_view(partition_by(day), views(Skus)) {
        #[record(entity)] day: String = "2026-03-17".to_owned(),
        #[record(entity)] sku: String = "SKU-1".to_owned(),
        #[record(version)] rev: i64 = 1,
        amount: i32 = 42,
    }
    with_other_view(partition_by(day), views(SkuDays)) {
        #[record(entity)] day: String = "2026-03-17".to_owned(),
        #[record(entity)] sku: String = "SKU-1".to_owned(),
        #[record(version)] rev: i64 = 1,
        amount: i32 = 42,
    }
}

#[derive(Debug, PartialEq, View)]
#[view(of = with_view::Row, name = "skus")]
struct Skus {
    sku: String,
}

#[derive(Debug, PartialEq, View)]
#[view(of = with_other_view::Row, name = "skus")]
struct SkuDays {
    sku: String,
    day: String,
}

/// Opens the dataset with the check on, as a new process does.
async fn open(world: &Virtual) -> Dataset {
    open_with(world, SchemaCheck::Refuse).await
}

async fn open_with(world: &Virtual, check: SchemaCheck) -> Dataset {
    world.dataset_with(world.options().schema_check(check)).await
}

async fn write<T: Sample>(world: &Virtual) -> Result<(), s3store::WriteError> {
    open(world).await.store::<T>().write(&[T::sample()]).await.map(drop)
}

async fn read<T: Sample>(world: &Virtual) -> s3store::Result<Vec<T>> {
    open(world).await.store::<T>().read_all().await
}

async fn registered(world: &Virtual) -> Schema {
    open(world).await.schema().await.unwrap().unwrap()
}

fn schemas(world: &Virtual) -> usize {
    world.keys_with("_config/schema/").len()
}

#[tokio::test(start_paused = true)]
async fn the_first_writer_registers_its_record() {
    let world = Virtual::new();
    assert_eq!(open(&world).await.schema().await.unwrap(), None);
    write::<with_view::Row>(&world).await.unwrap();
    assert_eq!(world.keys_with("_config/schema/"), [format!("{PREFIX}/_config/schema/000001.json")]);
    let schema = registered(&world).await;
    let mut own = Schema::of::<with_view::Row>();
    assert_eq!(schema.views[0].name, "skus");
    own.views = schema.views.clone();
    assert_eq!(schema, own);
    assert_eq!(schema.column("amount").unwrap().data_type, SchemaType::Int32);
    assert_eq!((schema.entity.join("/"), schema.version.as_deref()), ("day/sku".to_owned(), Some("rev")));
    // The stored form is JSON, and that of serde.
    let key = format!("{PREFIX}/_config/schema/000001.json");
    let body = world.s3.object(BUCKET, &key).unwrap().body;
    assert_eq!(serde_json::from_slice::<Schema>(&body).unwrap(), schema);
    assert_eq!(body, schema.to_json());
    assert!(std::str::from_utf8(&body).unwrap().contains("\"format\": 1"));
}

#[tokio::test(start_paused = true)]
async fn each_handle_asks_once() {
    let world = Virtual::new();
    let dataset = open(&world).await;
    world.s3.clear_requests();
    // PUT, HEAD, GET, LIST: the schemas, the refs, the registration, the schemas again, and the write.
    dataset.store::<base::Row>().write(&[Sample::sample()]).await.unwrap();
    assert_eq!(world.counts(), [4, 0, 1, 3]);
    dataset.store::<base::Row>().write(&[Sample::sample()]).await.unwrap();
    assert_eq!(world.counts(), [3, 0, 0, 0]);
    // A record that the handle has not compared yet needs no request.
    dataset.store::<added::Row>().read_all().await.unwrap();
    assert_eq!(world.counts(), [0, 0, 2, 1]);

    for use_it in [0, 1, 2, 3, 4] {
        let dataset = open(&world).await;
        let store = dataset.store::<base::Row>();
        world.s3.clear_requests();
        let own = match use_it {
            0 => store.write(&[Sample::sample()]).await.map(|_| [3, 0, 0, 0]).unwrap(),
            1 => store.read_all().await.map(|_| [0, 0, 3, 1]).unwrap(),
            2 => store.poll(&Offset::START).await.map(|_| [0, 0, 0, 1]).unwrap(),
            3 => store.partitions("*").await.map(|_| [0, 0, 0, 1]).unwrap(),
            _ => dataset.view::<Skus>().lookup("*").await.map(|_| [0, 0, 0, 1]).unwrap(),
        };
        let [put, head, get, list] = world.counts();
        assert_eq!([put, head, get - 1, list - 1], own, "use {use_it}");
        let _ = store.clone().poll(&Offset::START).await.unwrap();
        assert_eq!(world.counts()[3], 1, "use {use_it}");
    }
    assert_eq!(schemas(&world), 1);
}

#[tokio::test(start_paused = true)]
async fn an_invalid_call_sends_nothing() {
    let world = Virtual::new();
    let dataset = open(&world).await;
    world.s3.clear_requests();
    let store = dataset.store::<base::Row>();
    assert_eq!(store.read("month=1").await.unwrap_err().kind(), ErrorKind::InvalidInput);
    let mut row = base::Row::sample();
    row.day = "a/b".to_owned();
    assert!(store.write(&[row]).await.is_err());
    assert!(store.write(&[]).await.unwrap().is_empty());
    assert_eq!(store.poll(&Offset::START).limit(0).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(world.counts(), [0, 0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_reader_of_a_dataset_without_a_schema_sends_one_list() {
    let world = Virtual::new();
    open_with(&world, SchemaCheck::Off).await.store::<base::Row>().write(&[Sample::sample()]).await.unwrap();
    let dataset = open(&world).await;
    world.s3.clear_requests();
    assert_eq!(dataset.store::<base::Row>().read_all().await.unwrap(), [base::Row::sample()]);
    assert_eq!(world.counts(), [0, 0, 1, 2]);
    assert_eq!(schemas(&world), 0);
}

/// Writes `Old`, then uses `New`, and returns the messages for writing and for reading.
async fn refusals<Old: Sample, New: Sample>() -> [Option<String>; 2] {
    let world = Virtual::new();
    write::<Old>(&world).await.unwrap();
    let before = world.s3.keys(BUCKET);
    let written = write::<New>(&world).await.err();
    if let Some(error) = &written {
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.committed.is_empty() && !error.is_transient());
        assert_eq!(world.s3.keys(BUCKET), before, "a refused write leaves objects");
    }
    let read = read::<New>(&world).await.err();
    if let Some(error) = &read {
        assert!(matches!(error.kind(), ErrorKind::Config | ErrorKind::InvalidData), "{error}");
    }
    [written.map(|error| error.to_string()), read.map(|error| error.to_string())]
}

/// Checks that a record is refused for both, and why.
async fn refused<Old: Sample, New: Sample>(reason: &str) {
    let [written, read] = refusals::<Old, New>().await;
    for (message, verb) in [(written, "written"), (read, "read")] {
        let message = message.unwrap_or_else(|| panic!("the record is {verb}: {reason}"));
        let expected = format!(
            "Row can't be {verb} in the dataset \"d\" of bucket s3store-tests, because it does not fit \
             d/_config/schema/000001.json: {reason}; check the record and the prefix, or see SchemaCheck"
        );
        assert!(message.ends_with(&expected), "{message}\nexpected {expected}");
    }
}

#[tokio::test(start_paused = true)]
async fn records_that_can_not_share_the_dataset_are_refused() {
    refused::<base::Row, other_partition::Row>(
        "the dataset is partitioned by day, the record by month; the dataset's entity is day, sku, the record's is month, sku",
    )
    .await;
    refused::<base::Row, other_entity::Row>("the dataset's entity is day, sku, the record's is day").await;
    refused::<base::Row, no_key::Row>(
        "the dataset's entity is day, sku, the record's is none; the dataset's version is rev, the record's is none",
    )
    .await;
    refused::<base::Row, other_version::Row>("the dataset's version is rev, the record's is amount").await;
    refused::<base::Row, other_type::Row>("column amount is int32 in the dataset, text in the record").await;
    refused::<base::Row, letter_case::Row>(
        "column Amount differs from amount only in letter case; add `alias = \"amount\"` to the field",
    )
    .await;
    refused::<by_time::Row, by_time_otherwise::Row>(
        "partition column day is at in the format \"%Y-%m-%d\" in the dataset, at in the format \"%d.%m.%Y\" in the record",
    )
    .await;
    refused::<renamed::Row, renamed_otherwise::Row>(
        "column price is called cents by other writers, which do not know its name; add `alias = \"cents\"` to the field",
    )
    .await;
    let [written, _] = refusals::<with_view::Row, with_other_view::Row>().await;
    let message = written.unwrap();
    assert!(message.contains("view skus has the columns sku in the dataset, sku, day in the record"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_does_not_know_a_new_name_is_refused() {
    let world = Virtual::new();
    write::<base::Row>(&world).await.unwrap();
    write::<renamed::Row>(&world).await.unwrap();
    let error = read::<base::Row>(&world).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(
        error.to_string().contains(
            "column amount is called cents by newer writers, so their values would be missing; add `alias = \"cents\"` to \
             the field"
        ),
        "{error}"
    );
    // An old writer may go on: the new reader knows its name.
    write::<base::Row>(&world).await.unwrap();
    assert_eq!(read::<renamed::Row>(&world).await.unwrap(), [renamed::Row::sample()]);
}

#[tokio::test(start_paused = true)]
async fn additions_are_registered_once_whatever_the_order() {
    let world = Virtual::new();
    write::<base::Row>(&world).await.unwrap();
    write::<wider::Row>(&world).await.unwrap();
    write::<added::Row>(&world).await.unwrap();
    write::<optional::Row>(&world).await.unwrap();
    write::<renamed::Row>(&world).await.unwrap();
    write::<with_view::Row>(&world).await.unwrap();
    assert_eq!(schemas(&world), 6);
    let schema = registered(&world).await;
    let cents = schema.column("amount").unwrap();
    assert_eq!((cents.name.as_str(), &cents.data_type, cents.nullable), ("cents", &SchemaType::Int64, true));
    assert_eq!(cents.aliases, ["amount"]);
    let note = schema.column("note").unwrap();
    assert!(note.may_be_missing && note.nullable);
    assert!(!schema.column("sku").unwrap().may_be_missing);
    assert_eq!(schema.views.len(), 1);
    // Old instances start again and again during a rolling deployment.
    for _ in 0..3 {
        write::<wider::Row>(&world).await.unwrap();
        write::<base::Row>(&world).await.unwrap();
        write::<renamed::Row>(&world).await.unwrap();
    }
    assert_eq!(schemas(&world), 6);
    assert_eq!(registered(&world).await, schema);
}

#[tokio::test(start_paused = true)]
async fn older_programs_are_warned() {
    let world = Virtual::new();
    write::<base::Row>(&world).await.unwrap();
    write::<wider::Row>(&world).await.unwrap();
    write::<optional::Row>(&world).await.unwrap();
    write::<with_view::Row>(&world).await.unwrap();
    let warnings = Warnings::default();
    let _guard = listen(warnings.clone());
    write::<base::Row>(&world).await.unwrap();
    let seen = warnings.take().join("\n");
    for warning in [
        "column amount may be int64, which the record's int32 does not read",
        "column amount may contain nulls; make the field an `Option`, or add a `default`",
        "view skus is not maintained by this record",
    ] {
        assert!(seen.contains(warning), "{warning} is missing in {seen}");
    }
    // The newest program has nothing to fear.
    write::<with_view::Row>(&world).await.unwrap();
    assert!(!warnings.take().join("\n").contains("view skus"));
}

#[tokio::test(start_paused = true)]
async fn refusing_can_be_a_warning_or_off() {
    let world = Virtual::new();
    write::<base::Row>(&world).await.unwrap();
    let warnings = Warnings::default();
    let guard = listen(warnings.clone());
    let store = open_with(&world, SchemaCheck::Warn).await.store::<other_type::Row>();
    store.write(&[Sample::sample()]).await.unwrap();
    assert!(warnings.take().join("\n").contains("column amount is int32 in the dataset, text in the record"));
    store.write(&[Sample::sample()]).await.unwrap();
    assert_eq!(warnings.take(), [""; 0]);
    drop(guard);
    assert_eq!(schemas(&world), 1, "a record that does not fit is not registered");

    let dataset = open_with(&world, SchemaCheck::Off).await;
    world.s3.clear_requests();
    dataset.store::<other_type::Row>().write(&[Sample::sample()]).await.unwrap();
    assert_eq!(world.counts(), [3, 0, 0, 0]);
}

/// Writers that may only put can go on.
#[tokio::test(start_paused = true)]
async fn a_writer_without_permissions_is_not_checked() {
    let world = Virtual::new();
    write::<base::Row>(&world).await.unwrap();
    for struck in [Operation::List, Operation::Get] {
        let dataset = open(&world).await;
        world.s3.inject(Fault::on(struck).key_contains("_config/schema").always().fail(403, "AccessDenied"));
        let warnings = Warnings::default();
        let _guard = listen(warnings.clone());
        dataset.store::<other_type::Row>().write(&[Sample::sample()]).await.unwrap();
        let seen = warnings.take();
        assert!(seen.len() == 1 && seen[0].contains("the dataset's schema is not checked"), "{seen:?}");
        dataset.store::<other_type::Row>().write(&[Sample::sample()]).await.unwrap();
        assert_eq!(warnings.take(), [""; 0]);
        world.s3.clear_faults();
    }
    // The same for the PUT.
    let dataset = open(&world).await;
    world.s3.inject(Fault::on(Operation::Put).key_contains("_config/schema").always().fail(403, "AccessDenied"));
    dataset.store::<added::Row>().write(&[Sample::sample()]).await.unwrap();
    world.s3.clear_faults();
    assert_eq!(schemas(&world), 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_is_transient() {
    let world = Virtual::new();
    let dataset = open(&world).await;
    world.s3.inject(Fault::on(Operation::List).key_contains("_config/schema").always().fail(503, "SlowDown"));
    let store = dataset.store::<base::Row>();
    let error = store.write(&[Sample::sample()]).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Unavailable && error.is_transient(), "{error}");
    assert!(store.read_all().await.unwrap_err().is_transient());
    world.s3.clear_faults();
    store.write(&[Sample::sample()]).await.unwrap();
    assert_eq!(schemas(&world), 1);
}

/// A schema that a later version of the library wrote in another form is left alone.
#[tokio::test(start_paused = true)]
async fn a_schema_in_a_later_form_is_not_checked() {
    let world = Virtual::new();
    write::<base::Row>(&world).await.unwrap();
    let later = format!("{PREFIX}/_config/schema/000002.json");
    world.s3.put_object(BUCKET, &later, r#"{"format": 2, "columns": "in another form"}"#);
    write::<other_type::Row>(&world).await.unwrap();
    assert_eq!(schemas(&world), 2);
    let error = open(&world).await.schema().await.unwrap_err();
    assert!(error.to_string().contains("update s3store"), "{error}");

    world.s3.put_object(BUCKET, &later, "<html>");
    let error = write::<base::Row>(&world).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(error.to_string().contains("000002.json: not a readable schema"), "{error}");
}

/// A dataset whose writers register nothing: those of Go, and of older versions.
#[tokio::test(start_paused = true)]
async fn the_first_writer_compares_itself_with_a_recent_file() {
    let without = async || {
        let world = Virtual::new();
        open_with(&world, SchemaCheck::Off).await.store::<added::Row>().write(&[Sample::sample()]).await.unwrap();
        world
    };
    // The columns that only the file has are registered, too.
    let world = without().await;
    let dataset = open(&world).await;
    world.s3.clear_requests();
    dataset.store::<base::Row>().write(&[Sample::sample()]).await.unwrap();
    assert_eq!(world.counts(), [4, 0, 2, 4]);
    let schema = registered(&world).await;
    assert!(schema.column("note").unwrap().may_be_missing);
    assert_eq!(schema.version.as_deref(), Some("rev"));

    let world = without().await;
    let error = write::<other_type::Row>(&world).await.unwrap_err().to_string();
    assert!(error.contains("column amount is int32 in the dataset, text in the record"), "{error}");
    assert!(error.contains("data/day=2026-03-17/"), "{error}");
    let error = write::<other_partition::Row>(&world).await.unwrap_err().to_string();
    assert!(error.contains("the newest commit is in the partition day=2026-03-17, the record is partitioned by month"));
    assert_eq!(schemas(&world), 0);

    // The file is gone, or is none.
    let world = without().await;
    let [file] = &world.keys_with(".parquet")[..] else { panic!() };
    world.s3.put_object(BUCKET, file, "no parquet");
    write::<other_type::Row>(&world).await.unwrap();
    let world = without().await;
    let [file] = &world.keys_with(".parquet")[..] else { panic!() };
    world.s3.remove_object(BUCKET, file);
    write::<other_type::Row>(&world).await.unwrap();
    assert_eq!(schemas(&world), 1);
}

#[tokio::test(start_paused = true)]
async fn the_newest_of_many_refs_is_compared() {
    let world = Virtual::new();
    let old = open_with(&world, SchemaCheck::Off).await;
    old.store::<other_type::Row>().write(&[Sample::sample()]).await.unwrap();
    sleep(Duration::from_secs(3_600)).await;
    old.store::<base::Row>().write(&[Sample::sample()]).await.unwrap();
    sleep(Duration::from_secs(30)).await;
    world.s3.set_page_size(1);
    // The oldest file would not fit.
    write::<wider::Row>(&world).await.unwrap();
}

/// Stops one writer before or after each of its requests, while another one registers.
async fn two_writers<A: Sample, B: Sample>(check: impl Fn(Result<(), String>, Result<(), String>, Schema)) {
    for applied in [false, true] {
        for stopped_at in 0.. {
            let world = Virtual::new();
            let (a, b) = (open(&world).await, open(&world).await);
            let stop = Fault::any().skip(stopped_at).times(1);
            let pause = Duration::from_secs(20);
            world.s3.inject(if applied { stop.delay_answer(pause) } else { stop.delay(pause) });
            let first = tokio::spawn(async move { a.store::<A>().write(&[A::sample()]).await });
            sleep(Duration::from_secs(5)).await;
            let was_stopped = !first.is_finished();
            let second = b.store::<B>().write(&[B::sample()]).await;
            let first = first.await.unwrap();
            let text = |result: Result<Vec<s3store::Commit>, s3store::WriteError>| {
                result.map(drop).map_err(|error| error.to_string())
            };
            check(text(first), text(second), registered(&world).await);
            if !was_stopped {
                assert!(stopped_at >= 6, "{stopped_at} requests were stopped");
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn two_first_writers_of_one_record_register_one_schema() {
    two_writers::<base::Row, base::Row>(|first, second, schema| {
        assert_eq!((first, second), (Ok(()), Ok(())));
        assert_eq!(schema, Schema::of::<base::Row>());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn two_first_writers_of_compatible_records_register_the_union() {
    two_writers::<wider::Row, added::Row>(|first, second, schema| {
        assert_eq!((first, second), (Ok(()), Ok(())));
        assert_eq!(schema.column("amount").unwrap().data_type, SchemaType::Int64);
        assert!(schema.column("note").is_some());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn of_two_first_writers_that_do_not_fit_one_is_refused() {
    two_writers::<base::Row, other_type::Row>(|first, second, schema| {
        let amount = &schema.column("amount").unwrap().data_type;
        match (first, second) {
            (Ok(()), Err(error)) => assert!(*amount == SchemaType::Int32 && error.contains("column amount"), "{error}"),
            (Err(error), Ok(())) => assert!(*amount == SchemaType::Utf8 && error.contains("column amount"), "{error}"),
            other => panic!("{other:?}"),
        }
    })
    .await;
}

/// A caller that has begun a call and polls it no more must not keep others waiting.
#[tokio::test(start_paused = true)]
async fn a_call_that_is_not_polled_blocks_nobody() {
    let records = [base::Row::sample()];
    for polls in 1..30 {
        let world = Virtual::new();
        let store = open(&world).await.store::<base::Row>();
        let mut waiting = Box::pin(store.write(&records).into_future());
        for _ in 0..polls {
            if futures_util::poll!(&mut waiting).is_ready() {
                return;
            }
            tokio::task::yield_now().await;
        }
        let other = within(Duration::from_secs(60), store.write(&records).into_future()).await;
        other.unwrap_or_else(|| panic!("a call waits for one that was polled {polls} times")).unwrap();
        assert_eq!(schemas(&world), 1);
        drop(waiting);
    }
}
