//! Tables and scans as bytes, in plans that are sent to a cluster.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use ballista_core::serde::{BallistaLogicalExtensionCodec, BallistaPhysicalExtensionCodec};
use datafusion::catalog::TableProvider;
use datafusion::common::{Result as DataFusionResult, TableReference, exec_datafusion_err, internal_err, plan_err};
use datafusion::datasource::file_format::FileFormatFactory;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{Extension, LogicalPlan};
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::logical_plan::LogicalExtensionCodec;
use datafusion_proto::physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension};
use serde::{Deserialize, Serialize};

use super::super::changes::ChangesTable;
use super::super::condition::{Conditions, Source};
use super::super::external;
use super::super::found::{Found, TableRows};
use super::super::groups::Unit;
use super::super::provider::{DatasetTable, TableColumns};
use super::super::scan::{ScanExec, ScanParts};
use super::super::view::ViewTable;
use super::datasets::{DatasetName, Datasets};
use super::frozen::{FrozenTable, RemoteView};
use super::remote::{RemoteExec, Scan};
use crate::record::Description;
use crate::schema::SchemaView;
use crate::table::Table;

/// The first bytes of what is ours. The last one is the version of the form.
const MAGIC: &[u8] = b"s3store\x01";

/// The rows of a table.
#[derive(Serialize, Deserialize)]
struct RowsForm {
    dataset: DatasetName,
    root: Description,
    /// The columns of the record that the table has.
    columns: Vec<String>,
    is_of_changes: bool,
    has_views: bool,
    history: bool,
}

/// A table in a logical plan.
#[derive(Serialize, Deserialize)]
enum TableForm {
    Files { rows: RowsForm, units: Vec<Unit>, excluded: usize, rows_per_byte: Option<f64> },
    View { dataset: DatasetName, view: SchemaView, has_views: bool },
}

/// A scan in a physical plan. Its files are in the child.
#[derive(Serialize, Deserialize)]
enum ScanForm {
    Files {
        rows: RowsForm,
        excluded: usize,
        rows_per_byte: Option<f64>,
        projection: Vec<usize>,
        conditions: Conditions,
        fetch: Option<usize>,
    },
    View {
        dataset: DatasetName,
        view: SchemaView,
        has_views: bool,
        projection: Vec<usize>,
        conditions: Conditions,
    },
}

impl RowsForm {
    fn of(rows: &TableRows) -> Self {
        let is_entry = |source: &Source| matches!(source, Source::Entry(_));
        let names = rows.table.schema().columns.iter().map(|column| column.name.clone());
        Self {
            dataset: DatasetName::of(rows.table.dataset()),
            root: rows.table.root().as_ref().clone(),
            columns: names.collect(),
            is_of_changes: rows.columns.sources.iter().any(is_entry),
            has_views: rows.columns.has_views(),
            history: rows.history,
        }
    }

    fn rows(self, datasets: &Datasets) -> DataFusionResult<TableRows> {
        let names: Vec<_> = self.columns.iter().map(String::as_str).collect();
        let dataset = datasets.get(&self.dataset).map_err(external)?;
        let table = Table::described(dataset, self.root, &names, Vec::new());
        let columns = if self.is_of_changes { TableColumns::of_changes(&table) } else { TableColumns::of(&table) };
        let columns = Arc::new(if self.has_views { columns } else { columns.without_views() });
        Ok(TableRows { table, columns, history: self.history, in_order: false })
    }
}

fn view_table(
    datasets: &Datasets,
    dataset: &DatasetName,
    view: &SchemaView,
    has_views: bool,
) -> DataFusionResult<ViewTable> {
    let view = ViewTable::new(&datasets.get(dataset).map_err(external)?, view);
    Ok(if has_views { view } else { view.without_views() })
}

/// Returns a value as bytes.
fn encode(form: &impl Serialize, bytes: &mut Vec<u8>) -> DataFusionResult<()> {
    bytes.extend_from_slice(MAGIC);
    serde_json::to_writer(bytes, form).map_err(|error| exec_datafusion_err!("a plan can't be sent: {error}"))
}

/// Returns a value of bytes, or `None` if they are not ours.
///
/// # Errors
/// The bytes are those of another version of the library.
fn decode<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> DataFusionResult<Option<T>> {
    let name = MAGIC.len() - 1;
    if bytes.get(..name) != MAGIC.get(..name) {
        return Ok(None);
    }
    let Some(json) = bytes.strip_prefix(MAGIC) else {
        return plan_err!(
            "the plan is in the form of another version of s3store: use the same in all processes of a cluster"
        );
    };
    serde_json::from_slice(json).map(Some).map_err(|error| exec_datafusion_err!("a plan is not readable: {error}"))
}

/// Encodes the tables of logical plans. Leaves everything else to Ballista.
#[derive(Debug)]
pub(super) struct LogicalCodec {
    datasets: Arc<Datasets>,
    others: BallistaLogicalExtensionCodec,
}

impl LogicalCodec {
    pub(super) fn new(datasets: &Arc<Datasets>) -> Self {
        Self { datasets: Arc::clone(datasets), others: BallistaLogicalExtensionCodec::default() }
    }
}

impl LogicalExtensionCodec for LogicalCodec {
    fn try_decode_table_provider(
        &self,
        bytes: &[u8],
        name: &TableReference,
        schema: SchemaRef,
        context: &TaskContext,
    ) -> DataFusionResult<Arc<dyn TableProvider>> {
        Ok(match decode(bytes)? {
            None => return self.others.try_decode_table_provider(bytes, name, schema, context),
            Some(TableForm::Files { rows, units, excluded, rows_per_byte }) => {
                let found = Found { snapshot: Arc::default(), units, excluded, rows_per_byte };
                Arc::new(FrozenTable { rows: rows.rows(&self.datasets)?, found })
            }
            Some(TableForm::View { dataset, view, has_views }) => {
                Arc::new(RemoteView(view_table(&self.datasets, &dataset, &view, has_views)?))
            }
        })
    }

    fn try_encode_table_provider(
        &self,
        name: &TableReference,
        table: Arc<dyn TableProvider>,
        bytes: &mut Vec<u8>,
    ) -> DataFusionResult<()> {
        if let Some(FrozenTable { rows, found }) = table.downcast_ref::<FrozenTable>() {
            let Found { units, excluded, rows_per_byte, .. } = found.clone();
            return encode(&TableForm::Files { rows: RowsForm::of(rows), units, excluded, rows_per_byte }, bytes);
        }
        let view = table.downcast_ref::<ViewTable>().or_else(|| table.downcast_ref::<RemoteView>().map(|view| &view.0));
        if let Some(view) = view {
            let (dataset, has_views) = (DatasetName::of(view.dataset()), view.columns().has_views());
            return encode(&TableForm::View { dataset, view: view.view().clone(), has_views }, bytes);
        }
        if table.is::<DatasetTable>() || table.is::<ChangesTable>() {
            return internal_err!(
                "the files of {name} were not listed: use a session of s3store::sql::cluster::connect"
            );
        }
        self.others.try_encode_table_provider(name, table, bytes)
    }

    fn try_decode(&self, bytes: &[u8], inputs: &[LogicalPlan], context: &TaskContext) -> DataFusionResult<Extension> {
        self.others.try_decode(bytes, inputs, context)
    }

    fn try_encode(&self, node: &Extension, bytes: &mut Vec<u8>) -> DataFusionResult<()> {
        self.others.try_encode(node, bytes)
    }

    fn try_decode_file_format(
        &self,
        bytes: &[u8],
        context: &TaskContext,
    ) -> DataFusionResult<Arc<dyn FileFormatFactory>> {
        self.others.try_decode_file_format(bytes, context)
    }

    fn try_encode_file_format(&self, bytes: &mut Vec<u8>, format: Arc<dyn FileFormatFactory>) -> DataFusionResult<()> {
        self.others.try_encode_file_format(bytes, format)
    }
}

/// Encodes the scans of physical plans. Leaves everything else to Ballista.
#[derive(Debug)]
pub(super) struct PhysicalCodec {
    datasets: Arc<Datasets>,
    others: BallistaPhysicalExtensionCodec,
}

impl PhysicalCodec {
    pub(super) fn new(datasets: &Arc<Datasets>) -> Self {
        Self { datasets: Arc::clone(datasets), others: BallistaPhysicalExtensionCodec::default() }
    }
}

impl PhysicalExtensionCodec for PhysicalCodec {
    fn try_decode(
        &self,
        bytes: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        context: &TaskContext,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let scan = match decode(bytes)? {
            None => return self.others.try_decode(bytes, inputs, context, converter),
            Some(ScanForm::Files { rows, excluded, rows_per_byte, projection, conditions, fetch }) => {
                Scan::Files(Arc::new(ScanExec::planned(ScanParts {
                    rows: rows.rows(&self.datasets)?,
                    snapshot: Arc::default(),
                    excluded,
                    groups: Arc::from([]),
                    rows_per_byte,
                    projection,
                    conditions,
                    live: Vec::new(),
                    fetch,
                })?))
            }
            Some(ScanForm::View { dataset, view, has_views, projection, conditions }) => {
                let view = view_table(&self.datasets, &dataset, &view, has_views)?;
                Scan::View(Arc::new(view.exec(conditions, Some(&projection))?))
            }
        };
        match inputs {
            [child] => Ok(Arc::new(RemoteExec::with_child(&scan, child)?)),
            _ => internal_err!("a scan has {} children instead of one", inputs.len()),
        }
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        bytes: &mut Vec<u8>,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> DataFusionResult<()> {
        let Some(remote) = node.downcast_ref::<RemoteExec>() else {
            return self.others.try_encode(node, bytes, converter);
        };
        let form = match remote.scan() {
            Scan::Files(scan) => {
                let parts = scan.parts();
                ScanForm::Files {
                    rows: RowsForm::of(&parts.rows),
                    excluded: parts.excluded,
                    rows_per_byte: parts.rows_per_byte,
                    projection: parts.projection.clone(),
                    conditions: parts.conditions.clone(),
                    fetch: parts.fetch,
                }
            }
            Scan::View(scan) => ScanForm::View {
                dataset: DatasetName::of(scan.table().dataset()),
                view: scan.table().view().clone(),
                has_views: scan.table().columns().has_views(),
                projection: scan.projection().to_vec(),
                conditions: scan.conditions().clone(),
            },
        };
        encode(&form, bytes)
    }
}
