"""What ``python -m carwalk sql`` is made of."""
