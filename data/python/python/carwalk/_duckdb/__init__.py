"""What `carwalk.duckdb` is made of."""
