"""Data that ship with the package: the builtin probe text and the demo model. See README.md in this folder."""
