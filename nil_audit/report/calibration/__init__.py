"""A calibration as a page: its words, tables and figures."""
