"""Why the kernel's verifier refused a program, in the terms of the script.

The verifier tells of registers and instructions.  Here its log is read (``log``), the deciding
message looked up in one table (``messages``), and the way execution took to the mistake followed
back (``history``), all placed in the script by means of the compiler's spans.
"""

from __future__ import annotations

from prybee.compiler.explain.explanation import Explanation, explain

__all__ = ["Explanation", "explain"]
