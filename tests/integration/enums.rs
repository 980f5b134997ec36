//! Enums whose variant `other` takes values that the program does not know.

use chrono::DateTime;
use s3store::testing::Files;
use s3store::{ColumnType, Compression, ErrorKind, Record, View};

use crate::integration::harness::Server;

/// The program that knows every value.
#[derive(Debug, Clone, Copy, PartialEq, ColumnType)]
#[column(rename_all = "lowercase")]
enum New {
    Web,
    Store,
    App,
    Kiosk,
}

#[derive(Debug, Clone, Copy, PartialEq, ColumnType)]
#[column(repr = "u8")]
enum NewLevel {
    Low = 1,
    High = 2,
    Top = 255,
}

#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(part))]
struct Written {
    part: String,
    #[record(default = New::Web)]
    channel: New,
    maybe: Option<New>,
    many: Vec<New>,
    #[record(default = NewLevel::Low)]
    level: NewLevel,
}

fn written(channel: New, level: NewLevel) -> Written {
    Written { part: "p".into(), channel, maybe: Some(channel), many: vec![New::Store, channel], level }
}

/// Knows fewer values, and holds the others.
#[derive(Debug, Clone, PartialEq, ColumnType)]
#[column(rename_all = "lowercase")]
enum Holding {
    #[column(alias = "internet")]
    Web,
    #[column(other)]
    Other(String),
    Store,
}

#[derive(Debug, Clone, Copy, PartialEq, ColumnType)]
#[column(repr = "u8")]
#[repr(u8)]
enum HoldingLevel {
    Low = 1,
    #[column(other)]
    Other(u8),
}

#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(part))]
struct Held {
    part: String,
    #[record(default = Holding::Web)]
    channel: Holding,
    maybe: Option<Holding>,
    many: Vec<Holding>,
    #[record(default = HoldingLevel::Low)]
    level: HoldingLevel,
}

/// Knows fewer values, and only that there are others.
#[derive(Debug, Clone, Copy, PartialEq, ColumnType)]
#[column(rename_all = "lowercase")]
enum Unit {
    Web,
    Store,
    #[column(other)]
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, ColumnType)]
#[column(repr = "u8")]
enum UnitLevel {
    Low = 1,
    #[column(other)]
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(part))]
struct Counted {
    part: String,
    #[record(default = Unit::Web)]
    channel: Unit,
    maybe: Option<Unit>,
    many: Vec<Unit>,
    #[record(default = UnitLevel::Low)]
    level: UnitLevel,
}

fn held(text: &str) -> Holding {
    Holding::Other(text.to_owned())
}

#[tokio::test]
async fn an_older_program_reads_and_keeps_values_that_it_does_not_know() {
    let server = Server::start().await;
    let dataset = server.dataset().await;
    let rows =
        [written(New::Web, NewLevel::Low), written(New::App, NewLevel::High), written(New::Kiosk, NewLevel::Top)];
    dataset.store().write(&rows).await.unwrap();
    let read = dataset.store::<Held>().read_all().await.unwrap();
    let row = |channel: Holding, level| Held {
        part: "p".into(),
        channel: channel.clone(),
        maybe: Some(channel.clone()),
        many: vec![Holding::Store, channel],
        level,
    };
    let expected = [
        row(Holding::Web, HoldingLevel::Low),
        row(held("app"), HoldingLevel::Other(2)),
        row(held("kiosk"), HoldingLevel::Other(255)),
    ];
    assert_eq!(read, expected);
    // Written back, they are the same to the program that knows them.
    let copy = Server::start().await.dataset().await;
    copy.store().write(&read).await.unwrap();
    assert_eq!(copy.store::<Written>().read_all().await.unwrap(), rows);
    // A held text that a variant has is that variant.
    let same = [row(held("web"), HoldingLevel::Other(1)), row(held("internet"), HoldingLevel::Low)];
    let file = Files::<Held>::new(Compression::Snappy).unwrap().encode(&same, DateTime::UNIX_EPOCH).unwrap();
    let web = row(Holding::Web, HoldingLevel::Low);
    assert_eq!(Files::<Held>::new(Compression::Snappy).unwrap().decode(file.clone()).unwrap(), [web.clone(), web]);
    assert_eq!(Files::<Written>::new(Compression::Snappy).unwrap().decode(file).unwrap()[1].channel, New::Web);
}

#[tokio::test]
async fn a_unit_for_other_values_is_read_but_not_written() {
    let server = Server::start().await;
    let dataset = server.dataset().await;
    let rows = [written(New::Web, NewLevel::Low), written(New::App, NewLevel::High)];
    dataset.store().write(&rows).await.unwrap();
    let store = dataset.store::<Counted>();
    let read = store.read_all().await.unwrap();
    let row = |channel, level| Counted {
        part: "p".into(),
        channel,
        maybe: Some(channel),
        many: vec![Unit::Store, channel],
        level,
    };
    assert_eq!(read, [row(Unit::Web, UnitLevel::Low), row(Unit::Unknown, UnitLevel::Unknown)]);
    store.write(&read[..1]).await.unwrap();
    let web = row(Unit::Web, UnitLevel::Low);
    for (bad, words) in [
        (read[1].clone(), ["row 1", "column channel", "Unit", "Other(String)"]),
        (Counted { maybe: Some(Unit::Unknown), ..web.clone() }, ["row 1", "column maybe", "Unit", "Other(String)"]),
        (Counted { many: vec![Unit::Unknown], ..web.clone() }, ["row 1", "column many", "Unit", "Other(String)"]),
        (Counted { level: UnitLevel::Unknown, ..web.clone() }, ["row 1", "column level", "UnitLevel", "Other(u8)"]),
    ] {
        let error = store.write(&[web.clone(), bad]).await.unwrap_err();
        let cause = error.cause.as_ref().unwrap();
        assert_eq!(cause.kind(), ErrorKind::InvalidInput);
        let text = cause.to_string();
        assert!(words.iter().all(|word| text.contains(word)), "{words:?} in {text}");
    }
    assert_eq!(store.read_all().await.unwrap().len(), 3);
}

/// An enum in a partition and a view.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(channel, level), views(Channels))]
struct Keyed {
    #[record(entity, default = Holding::Web)]
    channel: Holding,
    #[record(entity, default = HoldingLevel::Low)]
    level: HoldingLevel,
    #[record(version)]
    version: i64,
}

#[derive(Debug, PartialEq, View)]
#[view(of = Keyed, name = "channels")]
struct Channels {
    channel: Holding,
    level: HoldingLevel,
}

#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(channel))]
struct KeyedByUnit {
    #[record(default = Unit::Web)]
    channel: Unit,
}

#[tokio::test]
async fn other_values_have_partitions_and_markers_like_known_ones() {
    let dataset = Server::start().await.dataset().await;
    let store = dataset.store::<Keyed>();
    let row = |channel, level, version| Keyed { channel, level, version };
    store
        .write(&[row(held("app"), HoldingLevel::Other(7), 1), row(held("web"), HoldingLevel::Other(1), 1)])
        .await
        .unwrap();
    store.write(&[row(held("internet"), HoldingLevel::Low, 2)]).await.unwrap();
    let read = store.read_all().await.unwrap();
    assert_eq!(read, [row(held("app"), HoldingLevel::Other(7), 1), row(Holding::Web, HoldingLevel::Low, 2)]);
    assert_eq!(store.partition_of(&read[0]).unwrap(), "channel=app/level=7");
    assert_eq!(store.read(Keyed::partitions().channel(held("app"))).await.unwrap().len(), 1);
    let markers = dataset.view::<Channels>().lookup("*").await.unwrap();
    assert_eq!(markers[0], Channels { channel: held("app"), level: HoldingLevel::Other(7) });
    assert_eq!(markers[1..], [Channels { channel: Holding::Web, level: HoldingLevel::Low }]);

    let store = dataset.store::<KeyedByUnit>();
    let error = store.partition_of(&KeyedByUnit { channel: Unit::Unknown }).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("channel") && error.to_string().contains("Unit"), "{error}");
}
