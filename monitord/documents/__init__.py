"""What users write: strict YAML, validation by line and column, and the small languages in it. Pure."""
