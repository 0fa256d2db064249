"""C in scripts and headers: tokens, the preprocessor, constant expressions, declarations, layout.

No C compiler: what is read are types and constants.  Functions, variables and whatever else stands
in a header is passed over.  Everything here is imported only for a script with a C part.
"""
