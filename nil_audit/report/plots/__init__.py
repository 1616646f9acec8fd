"""The plots of a report, one file each: small values in, a matplotlib ``Figure`` out."""
