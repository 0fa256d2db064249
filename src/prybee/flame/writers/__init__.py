"""One module per format that is written."""
