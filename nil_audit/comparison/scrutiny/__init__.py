"""What the answer hangs on: every choice, every model, every family, the floor, and data not fitted on."""
