"""A comparison of many models as a page: its words, tables and figures."""
