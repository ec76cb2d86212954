"""Windows: from markers in the drop folder to collections that are due."""
