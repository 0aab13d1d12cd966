"""What `carwalk.spark` is made of."""
