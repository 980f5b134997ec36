//! Values in the plans that are sent to other processes, where a derive of `serde` does not suffice.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, Field, Schema};
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::DefaultValue;

/// The array as a stream of Arrow's IPC format.
impl Serialize for DefaultValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let array = self.array().map_err(S::Error::custom)?;
        let schema = Arc::new(Schema::new(vec![Field::new("value", array.data_type().clone(), true)]));
        let stream = || -> Result<Vec<u8>, ArrowError> {
            let batch = RecordBatch::try_new(Arc::clone(&schema), vec![array])?;
            let mut writer = StreamWriter::try_new(Vec::new(), &schema)?;
            writer.write(&batch)?;
            writer.into_inner()
        };
        stream().map_err(S::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for DefaultValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stream = Vec::<u8>::deserialize(deserializer)?;
        let batch = StreamReader::try_new(stream.as_slice(), None).and_then(|mut reader| reader.next().transpose());
        let batch = batch.map_err(D::Error::custom)?;
        let column = batch.as_ref().and_then(|batch| batch.columns().first());
        column
            .map(|column| Self::Array(Arc::clone(column)))
            .ok_or_else(|| D::Error::custom("a default without a value"))
    }
}

/// Floats as their bits, because JSON has neither infinities nor NaN.
pub(super) mod float_bits {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(in crate::record) fn serialize<S: Serializer>(float: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        float.to_bits().serialize(serializer)
    }

    pub(in crate::record) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        u64::deserialize(deserializer).map(f64::from_bits)
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use arrow_array::{ArrayRef, Int64Array};

    use super::*;
    use crate::record::{KeyPart, Literal};

    #[test]
    fn a_default_is_made_where_it_is_sent() {
        let made = DefaultValue::Made(|| Ok(Arc::new(Int64Array::from(vec![7])) as ArrayRef));
        let sent: DefaultValue = serde_json::from_str(&serde_json::to_string(&made).unwrap()).unwrap();
        assert!(matches!(&sent, DefaultValue::Array(array) if array.as_primitive::<Int64Type>().value(0) == 7));
        assert!(serde_json::from_str::<DefaultValue>("[]").is_err());
    }

    #[test]
    fn literals_are_the_same_after_a_round_trip() {
        for float in [0.1, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::MIN_POSITIVE] {
            let json = serde_json::to_string(&Literal::Float(float)).unwrap();
            let Literal::Float(back) = serde_json::from_str(&json).unwrap() else { panic!("{json}") };
            assert_eq!(back.to_bits(), float.to_bits());
        }
        for part in [KeyPart::Int(i128::MIN), KeyPart::Int(i128::MAX), KeyPart::Text("ä\"\0".into())] {
            let json = serde_json::to_string(&Literal::Part(part.clone())).unwrap();
            assert_eq!(serde_json::from_str::<Literal>(&json).unwrap(), Literal::Part(part));
        }
    }
}
