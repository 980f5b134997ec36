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

/// Serde and the column have one list of values.
mod with_serde {
    use std::collections::BTreeMap;
    use std::fmt::Debug;

    use serde::Serialize;
    use serde::de::DeserializeOwned;
    use serde_json::{Value, from_value, json, to_value};

    use super::*;

    #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, ColumnType)]
    #[column(rename_all = "kebab-case", serde)]
    enum Channel {
        WebShop,
        #[column(rename = "POS", alias = "till", alias = "kiosk")]
        Store,
        #[column(other)]
        Other(String),
    }

    #[derive(Debug, Clone, Copy, PartialEq, ColumnType)]
    #[column(serde)]
    enum Strict {
        Web,
        r#Type,
        #[column(other)]
        Unknown,
    }

    #[derive(Debug, Clone, Copy, PartialEq, ColumnType)]
    #[column(serde)]
    enum Closed {
        Web,
        Store,
    }

    #[derive(Debug, Clone, Copy, PartialEq, ColumnType)]
    #[column(repr = "u8", serde)]
    #[repr(u8)]
    enum Level {
        Low = 1,
        Top = 200,
        #[column(other)]
        Other(u8),
    }

    #[derive(Debug, Clone, PartialEq, Record, Serialize, serde::Deserialize)]
    #[record(partition_by(channel))]
    struct Row {
        channel: Channel,
        strict: Strict,
        closed: Closed,
        level: Level,
        many: Vec<Channel>,
        maybe: Option<Level>,
    }

    /// The same columns as plain values.
    #[derive(Debug, Clone, PartialEq, Record)]
    #[record(partition_by(channel))]
    struct Stored {
        channel: String,
        strict: String,
        closed: String,
        level: u8,
        many: Vec<String>,
        maybe: Option<u8>,
    }

    /// Returns what the file of a row has.
    fn stored(row: &Row) -> Stored {
        let files = Files::<Row>::new(Compression::Snappy).unwrap();
        let file = files.encode(std::slice::from_ref(row), DateTime::UNIX_EPOCH).unwrap();
        Files::<Stored>::new(Compression::Snappy).unwrap().decode(file).unwrap().remove(0)
    }

    #[test]
    fn values_are_those_of_the_column() {
        let other = |text: &str| Channel::Other(text.to_owned());
        for channel in [Channel::WebShop, Channel::Store, other("new"), other("till")] {
            for (strict, closed) in [(Strict::Web, Closed::Web), (Strict::r#Type, Closed::Store)] {
                for level in [Level::Low, Level::Top, Level::Other(7), Level::Other(1)] {
                    let many = vec![channel.clone(), Channel::Store];
                    let row = Row { channel: channel.clone(), strict, closed, level, many, maybe: Some(level) };
                    let Stored { channel, strict, closed, level, many, maybe } = stored(&row);
                    let json = to_value(&row).unwrap();
                    let expected = json!({
                        "channel": channel, "strict": strict, "closed": closed,
                        "level": level, "many": many, "maybe": maybe,
                    });
                    assert_eq!(json, expected);
                    // Both read the same values back.
                    let file = Files::<Row>::new(Compression::Snappy).unwrap();
                    let read = file.decode(file.encode(&[row], DateTime::UNIX_EPOCH).unwrap()).unwrap().remove(0);
                    assert_eq!(from_value::<Row>(json).unwrap(), read);
                }
            }
        }
    }

    fn read<T: DeserializeOwned>(value: Value) -> Result<T, String> {
        from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn aliases_and_other_values_are_read() {
        for text in ["POS", "till", "kiosk"] {
            assert_eq!(read(json!(text)), Ok(Channel::Store));
        }
        assert_eq!(read(json!("Store")), Ok(Channel::Other("Store".into())), "the name is not the text");
        assert_eq!(read(json!("new")), Ok(Strict::Unknown));
        assert_eq!(read(json!(7)), Ok(Level::Other(7)));
        let keys: BTreeMap<Channel, u8> = [(Channel::WebShop, 1), (Channel::Other("x".into()), 2)].into();
        let json = serde_json::to_string(&keys).unwrap();
        assert_eq!(json, r#"{"web-shop":1,"x":2}"#);
        assert_eq!(serde_json::from_str::<BTreeMap<Channel, u8>>(&json).unwrap(), keys);
    }

    #[test]
    fn values_of_no_variant_are_errors() {
        fn fails<T: DeserializeOwned + Debug>(value: Value, message: &str) {
            assert_eq!(read::<T>(value).unwrap_err(), message);
        }
        fails::<Closed>(json!("new"), "unknown variant `new`, expected `Web` or `Store`");
        fails::<Closed>(json!(1), "invalid type: integer `1`, expected a value of Closed");
        fails::<Level>(json!(256), "invalid value: integer `256`, expected u8");
        let error = to_value(Strict::Unknown).unwrap_err().to_string();
        assert!(error.contains("the Strict marked `other`") && error.contains("can't be written"), "{error}");
    }
}
