//! A batch of rows, for consumers of Arrow data.

use arrow_array::RecordBatch;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyTuple};

use crate::capsules;

/// A batch of rows, as Arrow data.
///
/// `pyarrow.record_batch(batch)` and `polars.DataFrame(batch)` convert it. The columns are shared,
/// not copied.
#[pyclass(frozen, module = "carwalk")]
#[derive(Debug)]
pub(crate) struct Batch(RecordBatch);

impl Batch {
    pub(crate) fn new(batch: RecordBatch) -> Self {
        Batch(batch)
    }
}

#[pymethods]
impl Batch {
    /// The number of rows.
    #[getter]
    fn num_rows(&self) -> usize {
        self.0.num_rows()
    }

    /// The names of the columns, in their order.
    #[getter]
    fn columns(&self) -> Vec<String> {
        names(&self.0.schema())
    }

    /// Returns the schema: a PyCapsule `arrow_schema`.
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        capsules::schema(py, &self.0.schema())
    }

    /// Returns PyCapsules `arrow_schema` and `arrow_array`.
    ///
    /// `requested_schema` is ignored, as the interface allows.
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let _ = requested_schema;
        let schema = capsules::schema(py, &self.0.schema())?;
        (schema, capsules::array(py, &self.0)?).into_pyobject(py)
    }

    fn __len__(&self) -> usize {
        self.0.num_rows()
    }

    fn __repr__(&self) -> String {
        let (rows, columns) = (self.0.num_rows(), names(&self.0.schema()).join(", "));
        format!("<carwalk.Batch of {rows} rows: {columns}>")
    }
}

/// Returns the names of columns.
pub(crate) fn names(schema: &arrow_schema::Schema) -> Vec<String> {
    schema.fields().iter().map(|field| field.name().clone()).collect()
}
