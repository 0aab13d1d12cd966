"""What `carwalk.polars` is made of."""
