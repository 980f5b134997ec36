//! Releasing buffers that a batch references but hardly uses.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::ByteViewType;
use arrow_array::{Array, ArrayRef, GenericByteViewArray, RecordBatch};
use arrow_schema::DataType;

/// How many times the size of its own text a column may keep in memory before the text is copied.
const SLACK: usize = 4;

/// Copies the text and bytes of a batch if they keep much larger buffers in memory. A merged or filtered batch references
/// whole decoded pages of its source files. Use this for batches that are kept for some time.
pub(crate) fn slim(batch: &RecordBatch) -> RecordBatch {
    slim_by(batch, SLACK)
}

/// Copies the text and bytes of a batch if they keep larger buffers in memory.
pub(crate) fn compact(batch: &RecordBatch) -> RecordBatch {
    slim_by(batch, 1)
}

fn slim_by(batch: &RecordBatch, slack: usize) -> RecordBatch {
    let columns = batch.columns().iter().map(|column| slim_column(column, slack)).collect();
    RecordBatch::try_new(batch.schema(), columns).unwrap_or_else(|_| batch.clone())
}

fn slim_column(array: &ArrayRef, slack: usize) -> ArrayRef {
    match array.data_type() {
        DataType::Utf8View => {
            slim_views(array.as_string_view(), slack).map_or_else(|| Arc::clone(array), |slim| Arc::new(slim))
        }
        DataType::BinaryView => {
            slim_views(array.as_binary_view(), slack).map_or_else(|| Arc::clone(array), |slim| Arc::new(slim))
        }
        data_type if data_type.is_nested() => {
            let data = array.to_data();
            let children = data.child_data().iter();
            let children =
                children.map(|child| slim_column(&arrow_array::make_array(child.clone()), slack).to_data()).collect();
            data.into_builder().child_data(children).build().map_or_else(|_| Arc::clone(array), arrow_array::make_array)
        }
        _ => Arc::clone(array),
    }
}

fn slim_views<T: ByteViewType>(array: &GenericByteViewArray<T>, slack: usize) -> Option<GenericByteViewArray<T>> {
    let held: usize = array.data_buffers().iter().map(|buffer| buffer.capacity()).sum();
    (held > slack * array.total_buffer_bytes_used()).then(|| array.gc())
}
