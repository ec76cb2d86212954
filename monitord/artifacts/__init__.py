"""A window's result as files: their formats, the manifest, and publishing them whole."""
