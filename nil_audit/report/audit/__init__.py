"""The audit of one or several models in words, tables and pictures: the answer first."""
