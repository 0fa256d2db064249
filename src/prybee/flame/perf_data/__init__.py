"""The file that ``perf record`` writes, read without perf.

``records`` takes the file apart, ``symbols`` names addresses as of the time of the capture, and
``reader`` makes a profile of both (tools/perf/Documentation/perf.data-file-format.txt).
"""
