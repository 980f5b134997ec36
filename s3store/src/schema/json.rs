//! The stored form of a schema.

use serde::{Deserialize, Serialize};

use super::Schema;
use crate::error::{Error, Result};

/// The version of the stored form. A library that meets a higher one leaves the schema unchecked.
const FORMAT: u32 = 1;

#[derive(Serialize)]
struct Stored<'a> {
    format: u32,
    #[serde(flatten)]
    schema: &'a Schema,
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}

impl Schema {
    /// Returns the schema as JSON, in the form that a dataset stores.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Serialising fails only for maps whose keys are not text. A schema has none.
        serde_json::to_string_pretty(&Stored { format: FORMAT, schema: self }).unwrap_or_default()
    }

    /// Parses a stored schema. Returns `None` if a later version of the library wrote it in another form.
    pub(crate) fn from_json(json: &[u8]) -> Result<Option<Self>> {
        let invalid = |error: serde_json::Error| Error::invalid_data(format!("not a readable schema: {error}"));
        let Format { format } = serde_json::from_slice(json).map_err(invalid)?;
        if format > FORMAT {
            return Ok(None);
        }
        serde_json::from_slice(json).map(Some).map_err(invalid)
    }
}
