"""The parts of `carwalk.duckdb`."""
