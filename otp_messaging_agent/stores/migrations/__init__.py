"""The history of the schema, applied at every start."""
