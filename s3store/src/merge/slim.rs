//! Batches that hold on to no more than their rows need.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::ByteViewType;
use arrow_array::{Array, ArrayRef, GenericByteViewArray, RecordBatch};
use arrow_schema::DataType;

/// A batch may keep this many times the bytes of its own text.
const SLACK: usize = 4;

/// Copies the text and bytes of a batch that is to be held, where they keep much larger buffers alive: a merged or
/// filtered batch refers to whole pages of the files that it was taken from.
pub(crate) fn slim(batch: &RecordBatch) -> RecordBatch {
    let columns = batch.columns().iter().map(column).collect();
    RecordBatch::try_new(batch.schema(), columns).unwrap_or_else(|_| batch.clone())
}

fn column(array: &ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::Utf8View => views(array.as_string_view()).map_or_else(|| Arc::clone(array), |slim| Arc::new(slim)),
        DataType::BinaryView => views(array.as_binary_view()).map_or_else(|| Arc::clone(array), |slim| Arc::new(slim)),
        data_type if data_type.is_nested() => {
            let data = array.to_data();
            let children = data.child_data().iter();
            let children = children.map(|child| column(&arrow_array::make_array(child.clone())).to_data()).collect();
            data.into_builder().child_data(children).build().map_or_else(|_| Arc::clone(array), arrow_array::make_array)
        }
        _ => Arc::clone(array),
    }
}

fn views<T: ByteViewType>(array: &GenericByteViewArray<T>) -> Option<GenericByteViewArray<T>> {
    let held: usize = array.data_buffers().iter().map(|buffer| buffer.capacity()).sum();
    (held > SLACK * array.total_buffer_bytes_used()).then(|| array.gc())
}
