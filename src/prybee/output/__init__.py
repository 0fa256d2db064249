"""What users see: values, formats, histograms, maps; as text or as JSON."""
