"""What is wrong with a script, without running it: for ``prybee check`` and editors."""

from __future__ import annotations

from prybee.diagnostics import ERROR, Diagnostic, PrybeeError, ScriptError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.diagnostics import Source
    from prybee.language import tree
    from prybee.language.frontend import CompileOptions
    from prybee.language.registry import Registry
    from prybee.plan.target import Target


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


def as_json(diagnostic: Diagnostic, name: str) -> dict[str, object]:
    """A diagnostic as editors and CI read it: lines and columns from 1, ends exclusive."""
    found: dict[str, object] = {
        "file": name,
        "severity": diagnostic.severity.lower(),
        "message": diagnostic.message,
    }
    span = diagnostic.span
    if span is not None:
        line, column = span.source.position(span.start)
        end_line, end_column = span.source.position(span.end)
        found |= {"line": line, "column": column, "end_line": end_line, "end_column": end_column}
    if diagnostic.hints:
        found["hints"] = list(diagnostic.hints)
    return found
