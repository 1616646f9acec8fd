"""Records on disk, one model's audit, and statistics over many models."""
