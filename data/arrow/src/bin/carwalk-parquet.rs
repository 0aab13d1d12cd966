//! The program `carwalk-parquet`: `carwalk export` into Parquet files.

use std::process::ExitCode;

use carwalk_arrow::parquet::ParquetEncoding;
use carwalk_cli::ExportProgram;

const PROGRAM: ExportProgram = ExportProgram {
    name: "carwalk-parquet",
    version: env!("CARGO_PKG_VERSION"),
    about: "Writes the records of many CARs as Parquet",
    format: "parquet",
    waiting: ParquetEncoding::WAITING,
};

fn main() -> ExitCode {
    carwalk_cli::export_main(&PROGRAM, |columns, threads| {
        ParquetEncoding::new(columns).threads(threads)
    })
}
