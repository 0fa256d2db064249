"""Python functions of running programs: CPython 3.11 to 3.15, 64 bits, read from outside.

The interpreter has a chain of frames for each thread, in its memory: ``_PyRuntime`` (a symbol of
the program, or of its libpython) leads to the interpreters, each to its threads, each to the frame
that runs, that to the one before.  A frame has its code object, which has the function's name, file
and first line, and the instruction that runs, which a table of the code object turns into a line.

* ``layouts``: where in those objects what is, by version.
* ``interpreters``: whether a file is CPython, which version, where its objects are.
* ``records``: what eBPF programs are told of a process, and what they tell (``pystack``).
* ``lines``: the table of lines.
* ``memory`` and ``stacks``: the same walk by reading the memory of a process, which needs no eBPF.

What is read may change while it is read.  So nothing is believed that was not checked: a code
object is one only if its type is ``PyCode_Type``, a thread state only if it names the thread.
Anything else is "not resolved", and counted.
"""
