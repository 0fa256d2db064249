"""A compiled question as plain data: programs, maps, probes, records. Knows no kernel."""
