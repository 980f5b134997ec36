//! Rows as tables, CSV, JSON lines and Parquet.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write};

use arrow::json::LineDelimitedWriter;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use arrow_array::RecordBatch;
use arrow_schema::{DataType, SchemaRef};
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use datafusion::execution::SendableRecordBatchStream;
use futures_util::StreamExt as _;
use parquet::arrow::ArrowWriter;

use super::args::{Format, Output};
use super::progress::Progress;
use super::{Failure, Outcome};

/// The most rows of a table on a terminal that are held to find the widths of its columns.
const TABLE_ROWS: usize = 1_000;

/// Writes all rows of a stream. Returns their number.
pub(super) async fn write_rows(mut rows: SendableRecordBatchStream, output: &Output) -> Outcome<u64> {
    let is_terminal = output.output.is_none() && io::stdout().is_terminal();
    let format = output.format.unwrap_or(if is_terminal { Format::Table } else { Format::Csv });
    if format == Format::Parquet && is_terminal {
        return Err(Failure::new("Parquet is not for a terminal").with_hint("add --output FILE"));
    }
    let out: Box<dyn Write + Send> = match &output.output {
        Some(path) => {
            let file = File::create(path).map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
            Box::new(io::BufWriter::new(file))
        }
        None => Box::new(io::BufWriter::new(io::stdout())),
    };
    let mut writer = RowWriter::new(format, rows.schema(), out)?;
    let mut count = 0;
    // Rows on the terminal are progress enough.
    let progress = output.output.is_some().then(|| Progress::spinner("writing"));
    while let Some(batch) = rows.next().await {
        let batch = batch?;
        count += batch.num_rows() as u64;
        writer.write(&batch)?;
        if let Some(progress) = &progress {
            progress.note(format!("{count} rows"));
        }
    }
    writer.finish()?;
    Ok(count)
}

enum RowWriter {
    Table { schema: SchemaRef, rows: Vec<Vec<String>>, out: Box<dyn Write + Send> },
    Csv(csv::Writer<Box<dyn Write + Send>>),
    Json(LineDelimitedWriter<Box<dyn Write + Send>>),
    Parquet(Box<ArrowWriter<Box<dyn Write + Send>>>),
}

impl RowWriter {
    fn new(format: Format, schema: SchemaRef, out: Box<dyn Write + Send>) -> Outcome<Self> {
        Ok(match format {
            Format::Table => Self::Table { schema, rows: Vec::new(), out },
            Format::Csv => {
                let mut writer = csv::Writer::from_writer(out);
                writer.write_record(schema.fields().iter().map(|field| field.name()))?;
                Self::Csv(writer)
            }
            Format::Json => Self::Json(LineDelimitedWriter::new(out)),
            Format::Parquet => Self::Parquet(Box::new(ArrowWriter::try_new(out, schema, None)?)),
        })
    }

    fn write(&mut self, batch: &RecordBatch) -> Outcome<()> {
        match self {
            Self::Table { schema, rows, out } => {
                rows.extend(texts(batch)?);
                if rows.len() >= TABLE_ROWS {
                    writeln!(out, "{}", table(schema, std::mem::take(rows)))?;
                }
            }
            Self::Csv(writer) => {
                for row in texts(batch)? {
                    writer.write_record(row)?;
                }
            }
            Self::Json(writer) => writer.write(batch)?,
            Self::Parquet(writer) => writer.write(batch)?,
        }
        Ok(())
    }

    fn finish(self) -> Outcome<()> {
        match self {
            Self::Table { schema, rows, mut out } => {
                if !rows.is_empty() {
                    writeln!(out, "{}", table(&schema, rows))?;
                }
                out.flush()?;
            }
            Self::Csv(mut writer) => writer.flush()?,
            Self::Json(mut writer) => {
                writer.finish()?;
                writer.into_inner().flush()?;
            }
            Self::Parquet(writer) => writer.into_inner()?.flush()?,
        }
        Ok(())
    }
}

/// Returns the values of a batch as text, row by row.
fn texts(batch: &RecordBatch) -> Outcome<Vec<Vec<String>>> {
    let options = FormatOptions::default();
    let columns = batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options));
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let row = |row: usize| columns.iter().map(|column| column.value(row).to_string()).collect();
    Ok((0..batch.num_rows()).map(row).collect())
}

fn table(schema: &SchemaRef, rows: Vec<Vec<String>>) -> Table {
    let aligned = |data_type: &DataType| match data_type.is_numeric() {
        true => CellAlignment::Right,
        false => CellAlignment::Left,
    };
    let mut table = new_table(schema.fields().iter().map(|field| field.name().clone()));
    for row in rows {
        let fields = schema.fields().iter();
        table.add_row(
            row.into_iter().zip(fields).map(|(text, field)| Cell::new(text).set_alignment(aligned(field.data_type()))),
        );
    }
    table
}

/// Returns a table that fits the terminal.
pub(super) fn new_table(header: impl IntoIterator<Item = String>) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header.into_iter().map(Cell::new));
    table
}

/// Returns a size in bytes for people, such as `1.4 GiB`.
#[expect(clippy::cast_precision_loss, reason = "one digit after the point is shown")]
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];

    let mut number = bytes as f64;
    let mut unit = "B";
    for larger in UNITS {
        if number < 1024.0 {
            break;
        }
        number /= 1024.0;
        unit = larger;
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{number:.1} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded() {
        let sizes = [0, 1_023, 1_024, 1_536, 5 << 30].map(size);
        assert_eq!(sizes, ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "5.0 GiB"]);
    }
}
