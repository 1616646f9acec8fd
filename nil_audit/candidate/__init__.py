"""An architecture before it is trained: where it stands and what else its budget buys."""
