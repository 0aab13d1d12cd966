"""The parts of `carwalk.spark`."""
