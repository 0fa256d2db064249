"""The seams of the language: functions and probe types plug in here.

``functions/`` and ``probes/`` hold the implementations, each found by name when a script uses it,
so that a script pays only for what it mentions.
"""

from __future__ import annotations

from prybee.data import Data
from prybee.language.types import NOWHERE, Type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from prybee.btf import Btf
    from prybee.compiler.ir import Value
    from prybee.language import tree
    from prybee.language.attach_point import AttachPoint
    from prybee.language.checker import Checker
    from prybee.language.config_table import Config
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand
    from prybee.plan.plan import ProbeSpec
    from prybee.plan.target import Target


class Function:
    """A function or builtin variable of the language.

    Class attributes are its table row: what messages and the reference manual say.  A builtin
    that can be used without parentheses (``pid``, ``comm``) is a function of no arguments with
    ``variable = True``.
    """

    name = ""
    # One line per form, as a user would write it: "str(pointer[, length])".
    signature = ""
    summary = ""
    # Least and most; most None: any number.
    arguments: tuple[int, int | None] = (0, 0)
    variable = False
    unsafe = False
    # Sends a record or acts on a map; has no value.
    statement = False
    # Has a value that need not be used, such as whether delete() found something.
    effect = False
    # Arguments are not checked as expressions before ``check`` is called (types, map names).
    raw_arguments = False
    # Arguments from this one on are names, whatever else they would mean.
    names_from: int | None = None
    # Asks of the kernel: compiling knows the answer, and a branch that it decides against is no
    # part of the program.
    asks = False
    # Probe providers where it works; empty: all.
    probes: tuple[str, ...] = ()

    def check(self, call: tree.Call, checker: Checker) -> Type:
        """Check the arguments (already typed, unless ``raw_arguments``) and give the result type.

        Mistakes go to ``checker.error``; the type returned then only limits follow-on errors.
        """
        raise NotImplementedError

    def constant(self, call: tree.Call, checker: Checker) -> int | bool | str | None:
        """The value of a checked call where compiling tells; None where only a run can."""
        return None

    def lower(self, call: tree.Call, handler: Handler) -> Operand | None:
        """Emit code and return the value; None for statements."""
        raise NotImplementedError

    def lower_aggregate(
        self, call: tree.Call, handler: Handler, target: tree.Map | tree.MapAccess
    ) -> None:
        """Emit code for ``target = call``, where :meth:`check` gives an aggregation's type."""
        raise NotImplementedError

    def lower_into(
        self,
        call: tree.Call,
        handler: Handler,
        type_: Type,
        pointer: Value,
        offset: int,
        pad: bool,
    ) -> bool:
        """Emit code that writes the value, as ``type_``, straight to our memory.

        With ``pad`` false, bytes behind a string's end may stay as they are.  False where the
        function has no such way: nothing was emitted then.
        """
        return False


class Match(Data):
    """One concrete attach point that a probe's text stands for.

    ``name`` is the full name as listed and as ``probe`` gives it.  ``key`` says what the program
    depends on: matches with equal keys can share one program.  ``data`` is the provider's own.
    ``cookie`` is a number that the program gets at this match, where that tells it from others.
    """

    name: str
    key: tuple[object, ...]
    data: tuple[object, ...] = ()
    cookie: int = 0


class ProbeContext:
    """What a handler finds when its probe fires: program type, context record, registers.

    One instance serves all matches with one key.  Subclasses answer what they have; the base has
    nothing.
    """

    # UAPI names in lower case.
    program_type = "raw_tracepoint"
    attach_type = ""
    attach_to = ""
    attach_module = ""
    sleepable = False
    # Address space that pointers found here point into, and bytes of the pointers that lie there.
    space = NOWHERE
    pointer_size = 8
    # Whether a pt_regs lies at the start of the context.
    has_registers = False
    # Whether the handler runs in the context of a task that the event is about.
    provider = ""
    return_value = 0
    # The types of the module that is traced, where it is not the kernel itself.
    module_types: Callable[[], Btf | None] | None = None
    # Full names of all that the program serves, by their cookies, where these tell which it is.
    names: tuple[str, ...] = ()
    # Whether a program may serve both ends of a function (``language.sessions``).
    session = False
    # Whether the kernel acts on what the handler returns (a hook that may refuse), ...
    decides = False
    # ... or wants ``return_value`` whatever the script says.
    returns_nothing = False

    def __init__(self, name: str) -> None:
        self.name = name

    def register(self, name: str) -> int | None:
        """Offset in the context of the register that ``reg()`` calls ``name``; None without it."""
        return None

    def like_register(self, name: str) -> tuple[str, ...]:
        """What to say of a name that :meth:`register` does not know."""
        return ()

    def prologue(self, handler: Handler) -> None:
        """Emit what must come before the handler's own code, its predicate included."""

    def args_type(self, checker: Checker) -> Type | None:
        """The type of ``args``, a struct; None where there is no such thing.

        Raises:
            ProbeSyntaxError: there is, but nothing tells it here.
        """
        return None

    def ctx_type(self, checker: Checker) -> Type | None:
        """The type of ``ctx``."""
        return None

    def argument_type(self, index: int, checker: Checker) -> Type | None:
        """The type of ``argN``.

        Raises:
            ProbeSyntaxError: there is such a thing, and it cannot be read here.
        """
        return None

    def retval_type(self, checker: Checker) -> Type | None:
        """The type of ``retval``.

        Raises:
            ProbeSyntaxError: there is such a thing, and it cannot be read here.
        """
        return None

    def lower_args(self, handler: Handler) -> Operand:
        """The ``args`` record as a place."""
        raise NotImplementedError

    def lower_args_member(self, name: str, type_: Type, handler: Handler) -> Operand | None:
        """A member of ``args`` alone, where that takes less than the whole record; else None."""
        return None

    def missing_member(self, name: str) -> tuple[str, ...]:
        """What to say where ``args`` has no member ``name``, and hints; empty for the usual."""
        return ()

    def check_address(self, checker: Checker) -> None:
        """Whether programs can tell the run-time address of the traced function.

        Raises:
            ProbeSyntaxError: they cannot.
        """

    def function_address(self, handler: Handler) -> Value | None:
        """The run-time address of the traced function; None where programs ask the kernel."""
        return None

    def named_type(self, node: tree.TypeName, checker: Checker) -> Type | None:
        """The type that the traced program or module calls so; None where there is none."""
        btf = self.module_types() if self.module_types is not None else None
        if btf is None or checker.types.kernel_type(node.tag, node.name) is not None:
            return None
        return checker.types.of(btf).kernel_type(node.tag, node.name)

    def lower_ctx(self, handler: Handler) -> Operand:
        """The context pointer as a value."""
        raise NotImplementedError

    def lower_argument(self, index: int, handler: Handler) -> Operand:
        """``argN``."""
        raise NotImplementedError

    def lower_retval(self, handler: Handler) -> Operand:
        """``retval``."""
        raise NotImplementedError


class ExpandScope:
    """What expanding an attach point may look at, and where its complaints go."""

    __slots__ = ("child", "config", "pid", "target", "unsafe", "warnings")

    def __init__(
        self,
        target: Target,
        config: Config,
        pid: int | None = None,
        child: bool = False,
        unsafe: bool = False,
    ) -> None:
        self.target = target
        self.config = config
        self.pid = pid
        # ``pid`` is the child of -c.
        self.child = child
        self.unsafe = unsafe
        # Texts about the point being expanded, for the caller to show with its place and clear.
        self.warnings: list[str] = []


class Provider:
    """A probe type: how it is written, what it matches, what a handler finds there."""

    # Canonical name first, then aliases.
    names: tuple[str, ...] = ()
    # Forms, as a user writes them; for messages and the manual.
    syntax: tuple[str, ...] = ()
    summary = ""
    # Handlers run only once, in prybee's own process (``begin``, ``end``, ``self``).
    special = False
    # False for those that are read and listed, and refused when a script runs.
    attaches = True
    # Where -p and -c take effect: "attach" (the kernel filters), "body" (a test of the process
    # around the handler, for -p only), "none".
    pid_filter = "none"

    def expand(self, point: AttachPoint, scope: ExpandScope) -> Sequence[Match]:
        """All concrete attach points that ``point`` stands for, in listing order.

        An empty result means that nothing matches; the caller decides what that means.

        Raises:
            ProbeSyntaxError: the text is not of the form this provider takes.
        """
        raise NotImplementedError

    def missing(self, point: AttachPoint, scope: ExpandScope) -> tuple[str, tuple[str, ...]]:
        """What to say of a ``point`` that :meth:`expand` found nothing for: message and hints.

        The message is empty for a pattern: what that means is seen when no other point matches.
        """
        return "", ()

    def share(self, match: Match, scope: ExpandScope, uses: Collection[str]) -> Match:
        """``match`` with the key of a handler that looks at no more of its context than ``uses``.

        ``uses`` has those of ``args``, ``ctx``, ``arg``, ``retval``, ``reg`` (and ``reg:NAME`` for
        each register), ``func`` that the handler names; the fewer, the more matches can share one
        program.
        """
        return match

    def together(self, matches: Sequence[Match], scope: ExpandScope) -> Sequence[Match]:
        """``matches``, which :meth:`share` gave one key, now that it is known how many they are."""
        return matches

    def has_cookies(self, scope: ExpandScope) -> bool:
        """Whether links to its probes can have a cookie, which a program may ask for."""
        return False

    def context(self, match: Match, scope: ExpandScope) -> ProbeContext:
        """The context of the handler for matches with this one's key."""
        raise NotImplementedError

    def places(self, match: Match) -> tuple[tuple[str, int], ...]:
        """The places in files where a match is: paths, and offsets in the files."""
        return ()

    def attach(
        self, matches: Sequence[Match], program: str, scope: ExpandScope
    ) -> Sequence[ProbeSpec]:
        """How ``program`` is attached to each of ``matches``."""
        raise NotImplementedError

    def list(self, pattern: AttachPoint, scope: ExpandScope) -> Sequence[str]:
        """Names for ``-l``."""
        return [match.name for match in self.expand(pattern, scope)]

    def describe(self, match: Match, scope: ExpandScope) -> Sequence[str]:
        """Lines for ``-lv``: the arguments of a probe, type then name."""
        return ()


class ProbeSyntaxError(Exception):
    """An attach point that its provider cannot read: what is wrong, and hints for the user."""

    def __init__(self, message: str, *hints: str) -> None:
        self.hints = hints
        super().__init__(message)


class NotThere(ProbeSyntaxError):
    """An attach point that can be read, in something that this machine does not have."""


class AttachRefused(ProbeSyntaxError):
    """An attach point that can be read, and where nothing may be attached.

    ``name`` is the full name of the probe.
    """

    def __init__(self, name: str, message: str) -> None:
        self.name = name
        super().__init__(message)


class Registry:
    """Finds functions and providers by name."""

    def __init__(self, functions: FunctionTable, providers: ProviderTable) -> None:
        self.functions = functions
        self.providers = providers


class FunctionTable:
    """name → Function, loading ``package.module`` on first use of one of its names.

    ``index`` maps each name to the module (in the package ``package``) whose ``FUNCTIONS`` has it.
    """

    def __init__(self, package: str, index: Mapping[str, str]) -> None:
        self.package = package
        self.index = index
        self._loaded: dict[str, Function] = {}

    def get(self, name: str) -> Function | None:
        """The function called ``name``, or None."""
        found = self._loaded.get(name)
        if found is None:
            module_name = self.index.get(name)
            if module_name is None:
                return None
            module = __import__(f"{self.package}.{module_name}", fromlist=["FUNCTIONS"])
            for function in module.FUNCTIONS:
                self._loaded[function.name] = function
            found = self._loaded[name]
        return found

    def names(self) -> Sequence[str]:
        """All names."""
        return list(self.index)


class ProviderTable:
    """Provider name or alias → Provider, loaded on first use."""

    def __init__(self, package: str, index: Mapping[str, str], aliases: Mapping[str, str]) -> None:
        self.package = package
        self.index = index
        self.aliases = aliases
        self._loaded: dict[str, Provider] = {}

    def canonical(self, name: str) -> str | None:
        """The canonical provider name of ``name`` (in any case) or alias (as it is), or None."""
        # Short aliases are taken as they are: `u` is uprobe, `U` is usdt.
        name = self.aliases.get(name) or name.lower()
        name = self.aliases.get(name, name) if len(name) > 2 else name
        return name if name in self.index else None

    def get(self, name: str) -> Provider | None:
        """The provider called ``name`` or one of its aliases."""
        canonical = self.canonical(name)
        if canonical is None:
            return None
        found = self._loaded.get(canonical)
        if found is None:
            module = __import__(f"{self.package}.{self.index[canonical]}", fromlist=["PROVIDERS"])
            for provider in module.PROVIDERS:
                self._loaded[provider.names[0]] = provider
            found = self._loaded[canonical]
        return found

    def names(self) -> Sequence[str]:
        """Canonical names."""
        return list(self.index)
