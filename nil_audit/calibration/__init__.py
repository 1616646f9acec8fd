"""From a sweep of shapes to an interval."""
