//! A table of records or of files, which consumers read.

use arrow_schema::SchemaRef;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict, PyList};

use crate::batch::names;
use crate::iterator::BatchIterator;
use crate::running::{LastFailures, Running, Source};
use crate::stream::Stream;
use crate::{capsules, errors, interpreter};

/// A call of this module, to repeat and to print it.
#[derive(Debug)]
pub(crate) struct Call {
    function: &'static str,
    paths: Py<PyAny>,
    /// The arguments that are not the default.
    options: Py<PyDict>,
}

impl Call {
    pub(crate) fn new(py: Python<'_>, function: &'static str, paths: Bound<'_, PyAny>) -> Self {
        Call { function, paths: paths.unbind(), options: PyDict::new(py).unbind() }
    }

    /// Adds an argument, unless it is the default.
    pub(crate) fn option<'py, T: IntoPyObject<'py>>(
        self,
        py: Python<'py>,
        name: &str,
        value: Option<T>,
    ) -> PyResult<Self> {
        if let Some(value) = value {
            self.options.bind(py).set_item(name, value)?;
        }
        Ok(self)
    }

    /// Returns the call as Python code. Of a long list of paths, only the first is shown.
    fn text(&self, py: Python<'_>) -> PyResult<String> {
        let paths = self.paths.bind(py);
        let mut text = match paths.cast::<PyList>() {
            Ok(list) if list.len() > 3 => format!("[{}, ...]", list.get_item(0)?.repr()?),
            _ => paths.repr()?.to_string(),
        };
        for (name, value) in self.options.bind(py) {
            text.push_str(&format!(", {name}={}", value.repr()?));
        }
        Ok(format!("carwalk.{}({text})", self.function))
    }
}

/// A table whose rows are read from files on demand, as Arrow data.
///
/// `read` and `files` return it. It is converted by `polars.DataFrame(records)`,
/// `pandas.DataFrame.from_arrow(records)` and `pyarrow.table(records)`. In a query, DuckDB finds
/// the variable by its name.
///
/// Every consumer and every iteration is a new scan of the files that the call listed. A scan
/// begins when its first batch is requested. Pickling stores the arguments of the call, and
/// unpickling repeats the call: it lists folders again.
///
/// Iterating returns `Batch` objects. It raises `CarError` for the first input that fails, unless
/// `on_error` is `skip`, and `RuntimeError` for other failures. Consumers of the Arrow stream raise
/// their own errors with the same text.
#[pyclass(frozen, module = "carwalk")]
#[derive(Debug)]
pub(crate) struct Records {
    source: Source,
    schema: SchemaRef,
    call: Call,
    failures: LastFailures,
}

impl Records {
    pub(crate) fn new(source: Source, call: Call) -> Self {
        let schema = source.schema();
        Records { source, schema, call, failures: LastFailures::default() }
    }

    fn scan(&self) -> Running {
        Running::new(self.source.clone(), self.failures.clone())
    }
}

#[pymethods]
impl Records {
    /// The names of the columns, in their order.
    #[getter]
    fn columns(&self) -> Vec<String> {
        names(&self.schema)
    }

    /// The failed inputs of the last scan, in the order of the inputs.
    ///
    /// During a scan, the failures so far. Each is a named tuple `Failure`.
    #[getter]
    fn failures<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let failures = self.failures.list();
        let failures = failures.iter().map(|failure| errors::failure(py, failure));
        PyList::new(py, failures.collect::<PyResult<Vec<_>>>()?)
    }

    /// Returns the schema: a PyCapsule `arrow_schema`.
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        capsules::schema(py, &self.schema)
    }

    /// Returns the stream of a new scan: a PyCapsule `arrow_array_stream`.
    ///
    /// The scan begins when the first batch is requested, and ends when the stream is released.
    /// `requested_schema` is ignored, as the interface allows.
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let _ = requested_schema;
        interpreter::watch_end(py)?;
        capsules::stream(py, Stream::new(self.scan(), SchemaRef::clone(&self.schema)))
    }

    fn __iter__(&self) -> BatchIterator {
        BatchIterator::new(self.scan())
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (Py<PyAny>,))> {
        let function = py.import("carwalk")?.getattr(self.call.function)?;
        let partial = py.import("functools")?.getattr("partial")?;
        let call = partial.call((function,), Some(self.call.options.bind(py)))?;
        Ok((call, (self.call.paths.clone_ref(py),)))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        self.call.text(py)
    }
}
