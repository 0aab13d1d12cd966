"""The parts of `carwalk.polars`."""
