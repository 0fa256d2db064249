"""The ready-made tools: one ``NAME.bt`` each, and what finds, configures and shows them.

A tool is a script like any other; what its header says (:mod:`prybee.tools.catalogue`) lets
``prybee NAME`` give it options, filters in the kernel, and rows as JSON or CSV.
"""
