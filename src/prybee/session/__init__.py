"""The life of a trace: attach, wait, act on records, stop, print maps, report losses."""
