"""From a script's text to a :class:`~prybee.plan.plan.Plan`: all stages, in order.

parse → settings → types → probes → names → types of everything → SSA → bytes → plan.  No stage
enters the kernel: what is to be known of it comes from the :class:`~prybee.plan.target.Target`.
"""

from __future__ import annotations

import re
import sys

from prybee.data import Data
from prybee.diagnostics import ERROR, Diagnostic, ScriptError
from prybee.language import config_table, tree
from prybee.language.checker import Checker
from prybee.language.expansion import Expansion, expand
from prybee.language.kernel_types import TypeTable
from prybee.language.parser import parse
from prybee.language.planning import assemble
from prybee.language.resolve import Resolver
from prybee.language.script import Parameters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from prybee.diagnostics import Source
    from prybee.language.config_table import Config
    from prybee.language.expansion import ProbeBlock
    from prybee.language.registry import Registry
    from prybee.plan.plan import Plan
    from prybee.plan.target import Target

# Where a script may have idioms of old releases.
_OLD = re.compile(
    r"->|\b(?:BEGIN|END|kfunc|kretfunc|stack|sym|sarg\d|override_return)\b"
    r"|\bdata_loc_|\bdelete\s*\(\s*@\w*\s*\["
)

# What -d can show.
STAGES = ("ast", "types", "ssa", "asm")


class CompileOptions(Data):
    """What the command line says about compiling.

    Attributes:
        positional: the values of ``$1`` and so on.
        named: the parameters after ``--``; None for one without a value.
        pid: only this process (``-p``), or the child of ``-c``.
        child: ``pid`` is the child of ``-c``.
        unsafe: functions that change the system are allowed.
        careful: warn of what a run has no use for, too: variables that are never used.
        misses: count reads of map elements that do not exist (``-k``).
        environment: variables, for settings.
        stages: those of :data:`STAGES` whose text is wanted.
        folders: where imports are looked for behind the script's own folder (``-I``).
        headers: C headers to read before the script (``--include``).
        mode: ``test`` or ``bench``: only probes of this type (and ``begin`` and ``end``) take part.
        probe_filter: of these, only those whose name this regular expression finds.
        patient: what ``print`` sends need not be shown at once: it waits in the buffer until the
            reader comes by, or a part of the buffer is full.
        edit: changes the tree as parsed, before anything else looks at it.
    """

    positional: tuple[str, ...] = ()
    named: Mapping[str, str | None] = {}
    pid: int | None = None
    child: bool = False
    unsafe: bool = False
    careful: bool = False
    misses: bool = False
    environment: Mapping[str, str] = {}
    stages: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    mode: str = ""
    probe_filter: str = ""
    patient: bool = False
    edit: Callable[[tree.Program], None] | None = None


class Compilation:
    """A compiled script: its plan, and what else its user may want to see.

    Attributes:
        plan: for an engine.
        config: the settings, for the session and the output.
        warnings: what may not be meant; in the order of the script.
        program: the tree, resolved and with types.
        parameters: which parameters were used, and what is known of the named ones.
        dumps: stage → text, for those asked for.
    """

    __slots__ = ("config", "dumps", "parameters", "plan", "program", "warnings")

    def __init__(
        self,
        plan: Plan,
        config: Config,
        warnings: tuple[Diagnostic, ...],
        program: tree.Program,
        parameters: Parameters,
        dumps: dict[str, str],
    ) -> None:
        self.plan = plan
        self.config = config
        self.warnings = warnings
        self.program = program
        self.parameters = parameters
        self.dumps = dumps

    def __repr__(self) -> str:
        return f"Compilation({self.plan.name}: {len(self.plan.programs)} programs)"


def compile_script(
    source: Source, target: Target, registry: Registry, options: CompileOptions | None = None
) -> Compilation:
    """Compile a script for a target.

    Raises:
        ScriptError: the script is wrong; with all mistakes that the failing stage found.
        CompilerError: a program cannot be made; the text says why.
    """
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, tree.RECURSION_LIMIT))
    try:
        return _compile(source, target, registry, options or CompileOptions())
    finally:
        sys.setrecursionlimit(limit)


def check_script(
    source: Source, target: Target, registry: Registry, options: CompileOptions
) -> tuple[tree.Program, list[Diagnostic]]:
    """A script's tree with types, and warnings: all but making programs, which takes longest.

    Raises:
        ScriptError: the script is wrong.
    """
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, tree.RECURSION_LIMIT))
    try:
        front, _blocks, _checker = _checked(source, target, registry, options, {})
    finally:
        sys.setrecursionlimit(limit)
    return front.program, front.warnings


class Front:
    """A script's tree with its settings, types and attach points: what ``-l FILE`` needs, too."""

    __slots__ = (
        "config", "expansion", "parameters", "program", "subprograms", "types", "warnings",
    )  # fmt: skip

    def __init__(
        self, source: Source, target: Target, registry: Registry, options: CompileOptions
    ) -> None:
        self.program = parse(source)
        if options.edit is not None:
            options.edit(self.program)
        if self.program.imports or options.headers:
            from prybee.language import imports

            imports.load(self.program, source, options.folders)
            imports.read_headers(self.program, options.headers)
        self.subprograms = _subprograms(self.program, source)
        self.config, self.warnings = config_table.load(
            self.program.config, source, options.environment
        )
        if _OLD.search(source.text):
            from prybee.language import modern

            self.warnings += modern.warnings(source, self.program)
            modern.revive(self.program)
        self.types = TypeTable(
            lambda: target.btf,
            source,
            self.program.c_part,
            options.folders,
            options.environment,
        )
        self.parameters = Parameters(options.positional, dict(options.named))
        self.expansion = Expansion(source, target, registry, self.config, options)
        self.expansion.match(self.program, self.warnings)

    def resolve(self, source: Source, registry: Registry) -> None:
        """Replace names by what they mean."""
        machine = self.expansion.scope.target.arch
        resolver = Resolver(
            source, registry, self.types, self.parameters, self.program.macros, machine
        )
        resolver.run(self.program)
        self.warnings += resolver.warnings


def _compile(
    source: Source, target: Target, registry: Registry, options: CompileOptions
) -> Compilation:
    dumps: dict[str, str] = {}
    front, blocks, checker = _checked(source, target, registry, options, dumps)
    plan = assemble(source, target, checker, front.expansion, blocks, options, dumps)
    warnings = tuple(front.warnings)
    return Compilation(plan, front.config, warnings, front.program, front.parameters, dumps)


def _checked(
    source: Source,
    target: Target,
    registry: Registry,
    options: CompileOptions,
    dumps: dict[str, str],
) -> tuple[Front, list[ProbeBlock], Checker]:
    """All stages up to types; the front has all warnings then."""
    front = Front(source, target, registry, options)
    program = front.program
    if "ast" in options.stages:
        from prybee.language.tree_text import tree_text

        dumps["ast"] = tree_text(program)
    front.resolve(source, registry)
    blocks = expand(front.expansion, registry)
    checker = Checker(
        source,
        target,
        front.config,
        registry,
        front.types,
        front.parameters,
        options.unsafe,
        options.pid if options.child else None,
    )
    checker.subprograms = front.subprograms
    checker.declare_maps(program.map_declarations)
    variants = [variant for block in blocks for variant in block.variants]
    checker.check_all(variants)
    if options.careful:
        checker.tell_unused(variants)
    _check_named(front.parameters)
    front.warnings += sorted(checker.warnings.values(), key=_place)
    if "types" in options.stages:
        from prybee.language.tree_text import tree_text

        dumps["types"] = tree_text(program, types=True)
    return front, blocks, checker


def _subprograms(program: tree.Program, source: Source) -> dict[str, tree.Subprogram]:
    """The functions of a script by name.

    Raises:
        ScriptError: two have the same name.
    """
    found: dict[str, tree.Subprogram] = {}
    for subprogram in program.subprograms:
        first = found.setdefault(subprogram.name, subprogram)
        if first is not subprogram:
            notes = (("This is the original definition.", first.span(source)),)
            message = f"Redefinition of function: {subprogram.name}"
            raise ScriptError([Diagnostic(ERROR, message, subprogram.span(source), (), notes)])
    return found


def _check_named(parameters: Parameters) -> None:
    """Refuse parameters behind ``--`` that the script does not ask for."""
    unexpected = [name for name in parameters.named if name not in parameters.used]
    if not unexpected:
        return
    expected = ", ".join(f"--{name}" for name in parameters.described)
    hint = f"expected program options: {expected}" if expected else ""
    names = ", ".join(f"--{name}" for name in unexpected)
    message = f"unexpected program command line options: {names}"
    hints: tuple[str, ...] = (hint or "no custom program options defined.",)
    from prybee.diagnostics import did_you_mean

    for name in unexpected:
        near = did_you_mean(name, parameters.described, 1)
        if near:
            hints = (*hints, f"did you mean '--{near[0]}'?")
    raise ScriptError([Diagnostic(ERROR, message, None, hints)])


def _place(diagnostic: Diagnostic) -> tuple[int, int]:
    span = diagnostic.span
    return span.place if span is not None else (0, 0)
