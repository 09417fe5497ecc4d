//! An expression that may fail on an event: evaluated on nothing but the events at hand, and its
//! failure told without their values.
//!
//! A dictionary may have values of events that were filtered out, and functions are evaluated
//! on dictionaries value by value. So an expression of a caller sees texts in place of them.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use arrow::error::ArrowError;
use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::utils::collect_columns;

use crate::error::QueryError;

/// The same columns with texts in place of dictionaries.
pub(crate) fn flat(columns: &Schema) -> Schema {
    let fields = columns.fields().iter().map(|field| match field.data_type() {
        DataType::Dictionary(_, value) => {
            Field::clone(field).with_data_type(DataType::clone(value))
        }
        _ => Field::clone(field),
    });
    Schema::new(fields.collect::<Vec<_>>())
}

/// The expression of a parameter `where`, over the flat columns.
#[derive(Debug, Eq)]
pub(crate) struct Guarded {
    condition: Arc<dyn PhysicalExpr>,
    /// Positions of the columns it looks at.
    columns: Vec<usize>,
}

impl Guarded {
    pub(crate) fn new(condition: Arc<dyn PhysicalExpr>) -> Self {
        let columns = collect_columns(&condition).iter().map(|column| column.index()).collect();
        Self { condition, columns }
    }

    /// A batch with the columns that are looked at flat.
    fn flat_columns(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let (mut fields, mut columns) = (Vec::new(), Vec::<ArrayRef>::new());
        for (position, field) in batch.schema_ref().fields().iter().enumerate() {
            let column = batch.column(position);
            match field.data_type() {
                DataType::Dictionary(_, value) if self.columns.contains(&position) => {
                    columns.push(cast(column, value)?);
                    let field = Field::clone(field).with_data_type(DataType::clone(value));
                    fields.push(FieldRef::new(field));
                }
                _ => {
                    columns.push(Arc::clone(column));
                    fields.push(FieldRef::clone(field));
                }
            }
        }
        let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let schema = Arc::new(Schema::new(fields));
        Ok(RecordBatch::try_new_with_options(schema, columns, &rows)?)
    }
}

// Not derived: the derived one would move out of the shared expression.
impl PartialEq for Guarded {
    fn eq(&self, other: &Self) -> bool {
        self.condition.eq(&other.condition)
    }
}

impl Hash for Guarded {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.condition.hash(state);
    }
}

impl fmt::Display for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.condition)
    }
}

impl PhysicalExpr for Guarded {
    fn data_type(&self, _input: &Schema) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn nullable(&self, _input: &Schema) -> Result<bool> {
        Ok(true)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        self.condition.evaluate(&self.flat_columns(batch)?).map_err(without_values)
    }

    fn return_field(&self, _input: &Schema) -> Result<FieldRef> {
        Ok(Arc::new(Field::new("where", DataType::Boolean, true)))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.condition]
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let condition = children.into_iter().next();
        Ok(Arc::new(Self::new(condition.unwrap_or_else(|| Arc::clone(&self.condition)))))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.condition.fmt_sql(f)
    }
}

/// What went wrong, by its kind: the message of the kernel quotes the value.
fn without_values(error: DataFusionError) -> DataFusionError {
    let kind = match error.find_root() {
        DataFusionError::ResourcesExhausted(_) => None,
        DataFusionError::ArrowError(source, _) => Some(match source.as_ref() {
            ArrowError::DivideByZero => "a division by zero",
            ArrowError::ArithmeticOverflow(_) => "a number that is too large",
            ArrowError::CastError(_) | ArrowError::ParseError(_) => "a cast of what it cannot be",
            _ => "a value that does not fit",
        }),
        _ => Some("a value that does not fit"),
    };
    match kind {
        None => error,
        Some(kind) => DataFusionError::External(Box::new(QueryError::Invalid(format!(
            "where: the expression failed on an event: {kind}; try_cast gives null instead"
        )))),
    }
}
