"""One module per format that is read."""
