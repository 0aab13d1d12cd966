"""The parts of ``python -m carwalk sql``."""
