"""Arrays in, estimates with their errors out. Knows no model."""
