"""What is wrong with a script, without running it: for ``prybee check`` and editors."""

from __future__ import annotations

import re

from prybee.diagnostics import ERROR, Diagnostic, PrybeeError, ScriptError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.diagnostics import Source
    from prybee.language import tree
    from prybee.language.frontend import CompileOptions
    from prybee.language.registry import Registry
    from prybee.plan.target import Target

# What a message is about, by its words: names that editors show and let users filter by.
_CODES = (
    ("unknown-function", r"Unknown function"),
    ("unknown-identifier", r"Unknown identifier"),
    ("unknown-type", r"Unknown (?:struct|type|union|enum)|Cannot resolve unknown type"),
    ("unknown-field", r"(?:[Ss]truct|[Uu]nion).* does not (?:have|contain)"),
    ("undefined-variable", r"Undefined or undeclared variable|used before it was assigned"),
    ("undefined-map", r"Undefined map"),
    ("probe-not-found", r"No matches for|No probes? to attach|[Nn]o such (?:probe|function)"),
    ("probe-type", r"Invalid probe type|can not be used with '.*' probes"),
    ("type-mismatch", r"Type mismatch|type.*mismatch|cannot be assigned|Different .* unsupported"),
    ("deprecated", r"deprecated|is now (?:called|written)|old"),
    ("unused", r"Unused|Unreachable|Return value discarded|Unnecessary cast"),
    ("redefinition", r"Redefinition|declared twice"),
    ("config", r"configuration option|environment variable|Invalid .* setting"),
    ("import", r"import"),
    ("argument", r"\(\) (?:only |expects|takes|requires|cannot|can not|does not|argument)|usage:"),
    ("syntax", r"expected|unexpected|syntax|unterminated|Syntax"),
)  # fmt: skip


def diagnose(
    source: Source, target: Target, registry: Registry, options: CompileOptions
) -> list[Diagnostic]:
    """Errors and warnings of a script, compiled for a target."""
    return diagnose_with_tree(source, target, registry, options)[0]


def diagnose_with_tree(
    source: Source, target: Target, registry: Registry, options: CompileOptions
) -> tuple[list[Diagnostic], tree.Program | None]:
    """The same, and the script's tree with types, where it can be compiled."""
    from prybee.language.frontend import compile_script

    try:
        made = compile_script(source, target, registry, options)
    except ScriptError as error:
        return list(error.diagnostics), None
    except PrybeeError as error:
        return [Diagnostic(ERROR, str(error))], None
    return list(made.warnings), made.program


def check_with_tree(
    source: Source, target: Target, registry: Registry, options: CompileOptions
) -> tuple[list[Diagnostic], tree.Program | None]:
    """The same as soon as types are known: programs are not made, which takes most of the time.

    What is missed are scripts whose programs turn out too large for the kernel.
    """
    from prybee.language.frontend import check_script

    try:
        program, warnings = check_script(source, target, registry, options)
    except ScriptError as error:
        return list(error.diagnostics), None
    except PrybeeError as error:
        return [Diagnostic(ERROR, str(error))], None
    return warnings, program


def code(diagnostic: Diagnostic) -> str:
    """A short name for what a diagnostic is about; empty for what has none."""
    for name, pattern in _CODES:
        if re.search(pattern, diagnostic.message):
            return name
    return ""


def as_json(diagnostic: Diagnostic, name: str) -> dict[str, object]:
    """A diagnostic as editors and CI read it: lines and columns from 1, ends exclusive."""
    found: dict[str, object] = {
        "file": name,
        "severity": diagnostic.severity.lower(),
        "message": diagnostic.message,
    }
    if named := code(diagnostic):
        found["code"] = named
    span = diagnostic.span
    if span is not None:
        line, column = span.source.position(span.start)
        end_line, end_column = span.source.position(span.end)
        found |= {"line": line, "column": column, "end_line": end_line, "end_column": end_column}
    if diagnostic.hints:
        found["hints"] = list(diagnostic.hints)
    return found
