"""What a comparison is given: files, records and lists, joined with what is published, one clean row a model."""
