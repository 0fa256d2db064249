"""``uprobe`` and ``uretprobe``: functions and addresses of programs and libraries."""

from __future__ import annotations

from prybee.diagnostics import PrybeeError
from prybee.language.registry import ExpandScope, Match, ProbeContext, ProbeSyntaxError
from prybee.probes import binaries, inside_code, source_line
from prybee.probes.binaries import Place
from prybee.probes.numbers import NumberError, parse
from prybee.probes.patterns import is_pattern, matcher
from prybee.probes.program_function import ProgramFunction
from prybee.probes.provider import ProbeType
from prybee.probes.uprobe_context import EntryContext, ReturnContext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from prybee.elf import ElfFile, Symbol
    from prybee.language.attach_point import AttachPoint
    from prybee.plan.plan import ProbeSpec

_LANGUAGES = ("cpp",)


class Uprobe(ProbeType):
    """``uprobe:file:function+offset``, ``uprobe:file:address``, ``uprobe:file:cpp:function``."""

    counts = (2, 3)
    pid_filter = "attach"

    def __init__(self, names: tuple[str, ...], summary: str, returns: bool) -> None:
        self.names = names
        name = names[0]
        places = ("FUNCTION",) if returns else ("FUNCTION", "FUNCTION+OFFSET", "ADDRESS")
        self.syntax = tuple(f"{name}:FILE:{place}" for place in (*places, "cpp:FUNCTION"))
        self.syntax += (f"{name}:FILE@SOURCE:FUNCTION",)
        if not returns:
            self.syntax += (f"{name}:FILE@SOURCE:LINE",)
        self.summary = summary
        self.returns = returns

    def expand(self, point: AttachPoint, scope: ExpandScope) -> Sequence[Match]:
        if point.parts and "@" in point.parts[0]:
            line = source_line.split(point.parts) if len(point.parts) > 1 else None
            if line is not None:
                self.arguments(point)  # No more than a line and a column.
                return self._at_line(*line, scope)
            file, _at, source = point.parts[0].rpartition("@")
            if source and not binaries.find_paths(point.parts[0], scope):
                return self._of_source(file, source, _joined(point.parts)[1:], scope)
        given = self.arguments(point.replace(parts=_joined(point.parts)))
        language, function = given[1:] if len(given) == 3 else ("", given[1])
        if language and language not in _LANGUAGES:
            raise ProbeSyntaxError(
                f"unsupported language type: {language}", f"supported: {', '.join(_LANGUAGES)}"
            )
        address = None if language else _address(function)
        if address is not None and scope.unsafe and (path := binaries.plain_file(given[0], scope)):
            # Code without a format: where it is in the file is all that can be said.
            match = self._match(path, str(address), address)
            scope.warnings.append(inside_code.unchecked(match.name))
            return [match]
        if not function or address == 0:
            raise self.malformed(f"{self.name} should be attached to a function and/or address")
        files = binaries.target_files(self.name, given[0], scope)
        if address is not None:
            places = [self._at_address(path, elf, address, scope) for path, elf in files]
            return [match for match in places if match is not None]
        function, offset = self._split_offset(function, language)
        found: list[Match] = []
        for path, elf in files:
            if language or is_pattern(function):
                found.extend(self._at_starts(path, elf, _search(elf, language, function)))
            else:
                found.extend(self._function(path, elf, function, offset, scope))
        return found

    def _at_line(
        self, file: str, source: str, line: int, column: int, scope: ExpandScope
    ) -> list[Match]:
        if self.returns:
            raise self.malformed(f"{self.name} can not be attached to a source line")
        found = []
        for path, elf in binaries.target_files(self.name, file, scope):
            for address in source_line.addresses(path, source, line, column, scope):
                offset = elf.file_offset(address)
                if offset is not None:
                    found.append(self._match(path, str(address), offset))
        return found

    def _of_source(
        self, file: str, source: str, behind: Sequence[str], scope: ExpandScope
    ) -> list[Match]:
        """The functions of a source file; all, or those that fit a pattern."""
        from prybee.probes import source_file

        *language, pattern = behind or ("*",)
        if len(language) > 1 or (language and language[0] not in _LANGUAGES):
            raise self.miscounted(len(behind) + 1)
        found: list[Match] = []
        for path, elf in binaries.target_files(self.name, file, scope):
            symbols = source_file.functions(path, source, scope)
            named = _fitting(symbols, pattern) if not language else _demangled(symbols, pattern)
            found.extend(self._at_starts(path, elf, named))
        return found

    def _at_address(
        self, path: str, elf: ElfFile, address: int, scope: ExpandScope
    ) -> Match | None:
        offset = elf.file_offset(address)
        if offset is None:
            raise ProbeSyntaxError(
                f"no code of '{path}' lies at address {address:#x}",
                "addresses are those of the file's symbols (nm), before it is loaded",
            )
        inside = elf.function_at(address)
        if self.returns and inside is not None and inside[1]:
            raise ProbeSyntaxError(
                f"{self.name}s cannot be attached at function offset. "
                f"(address resolved to: {inside[0].name}+{inside[1]})"
            )
        match = self._match(path, str(address), offset)
        return match if inside_code.allowed(match.name, path, elf, address, scope) else None

    def _split_offset(self, function: str, language: str) -> tuple[str, int]:
        base, plus, text = function.rpartition("+")
        if not plus or language or base.endswith("operator"):
            return function, 0
        if self.returns:
            raise ProbeSyntaxError("Offset not allowed", f"write it as {self.syntax[0]}")
        if is_pattern(base):
            raise ProbeSyntaxError("Cannot use a wildcard and an offset together")
        try:
            return base, parse(text)[0]
        except NumberError as error:
            raise self.malformed(f"Invalid offset: {error}") from None

    def _function(
        self, path: str, elf: ElfFile, name: str, offset: int, scope: ExpandScope
    ) -> Iterator[Match]:
        for symbol in elf.symbols(name):
            start = elf.file_offset(symbol.value)
            if start is None or not (symbol.is_function or symbol.kind == "notype"):
                continue
            if offset and symbol.size and offset >= symbol.size:
                raise ProbeSyntaxError(
                    f"Offset outside the function bounds ('{name}' size is {symbol.size})"
                )
            shown = f"{name}+{offset}" if offset else name
            match = self._match(path, shown, start + offset, exact=True)
            address = symbol.value + offset
            if (
                inside_code.allowed(match.name, path, elf, address, scope)
                if offset
                else inside_code.known_size(match.name, symbol, scope)
            ):
                yield match
            return

    def _at_starts(
        self, path: str, elf: ElfFile, named: Sequence[tuple[str, Symbol]]
    ) -> Iterator[Match]:
        # Several names may stand for one place; it is probed once, by the first of them.
        seen: set[int] = set()
        for name, symbol in named:
            offset = elf.file_offset(symbol.value)
            if offset is not None and offset not in seen:
                seen.add(offset)
                yield self._match(path, name, offset)

    def _match(self, path: str, place: str, offset: int, exact: bool = False) -> Match:
        name = f"{self.name}:{path}:{place}"
        return Match(name, (self.name,), (path, offset, exact))

    def nearest(self, arguments: Sequence[str], scope: ExpandScope) -> Iterable[str]:
        function = arguments[-1].partition("+")[0]
        for path in binaries.find_paths(arguments[0], scope)[:1]:
            elf = scope.target.elf(path)
            if elf is not None:
                return binaries.near(function, elf.function_names())
        return ()

    def missing(self, point: AttachPoint, scope: ExpandScope) -> tuple[str, tuple[str, ...]]:
        first = point.parts[0]
        if "@" in first and not binaries.find_paths(first, scope):
            what = point.parts[-1] if point.parts[1:] else "*"
            what = "function" if is_pattern(what) else what
            source = first.rpartition("@")[2]
            return f"No {what} of {source} can be probed by {self.name}.", ()
        if len(point.parts) != 2 or is_pattern(first):
            return "", ()
        message, hints = super().missing(point, scope)
        file, function = point.parts
        path = next(iter(binaries.find_paths(file, scope)), file)
        if message:
            message = f"No matches for {self.name} {path}:{function.partition('+')[0]}."
        if scope.config.missing_probes == "ignore":
            return message, ()
        elf = scope.target.elf(path)
        if not hints and elf is not None and not elf.has_symtab and not elf.further_tables:
            hints = (f"'{path}' is stripped: only the functions it exports have names",)
        return message, hints or source_line.of_inlined(path, function, scope)

    def places(self, match: Match) -> tuple[tuple[str, int], ...]:
        return (_placed(match),)

    def has_cookies(self, scope: ExpandScope) -> bool:
        return True

    def share(self, match: Match, scope: ExpandScope, uses: Collection[str]) -> Match:
        path, offset = _placed(match)
        # What depends on the very function; a result's type does where the function is named.
        if ("args" in uses and not self.returns) or ("retval" in uses and match.data[2]):
            return match.replace(key=(self.name, path, offset))
        return match.replace(key=(self.name, path)) if "types" in uses else match

    def describe(self, match: Match, scope: ExpandScope) -> Sequence[str]:
        if self.returns:
            return ()
        path, offset = _placed(match)
        function = ProgramFunction(scope.target, path, offset, match.name)
        problem = f'No DWARF found for "{path}", cannot show parameter info'
        try:
            info, entry = function.info, function.entry
            if info is not None:
                return function.shown_parameters() if entry is not None else ()
        except PrybeeError as error:
            problem = f"{error}; cannot show parameter info"
        if problem not in scope.warnings:
            scope.warnings.append(problem)
        return ()

    def context(self, match: Match, scope: ExpandScope) -> ProbeContext:
        target = scope.target
        path, offset = _placed(match)
        function = ProgramFunction(target, path, offset, match.name)
        made = ReturnContext if self.returns else EntryContext
        multi = target.has("uprobe_multi")
        context = made(match.name, self.name, target.arch, multi, target.elf(path), function)
        if isinstance(context, ReturnContext):
            context.exact = len(match.key) > 2
        return context

    def attach(
        self, matches: Sequence[Match], program: str, scope: ExpandScope
    ) -> Sequence[ProbeSpec]:
        places = [Place(match.name, *_placed(match), cookie=match.cookie) for match in matches]
        multi = scope.target.has("uprobe_multi")
        return binaries.probe_specs(places, program, scope, multi, self.returns)

    def search(
        self, arguments: Sequence[str], scope: ExpandScope
    ) -> Iterable[tuple[str, Match | None]]:
        if "@" in arguments[0] and not binaries.find_paths(arguments[0], scope):
            from prybee.probes import source_file

            yield from source_file.searched(self, arguments, scope)
            return
        file, *rest = _joined(arguments)
        language = rest[0] if len(rest) == 2 else ""
        pattern = rest[-1] if rest else "*"
        for path in binaries.find_paths(file, scope):
            elf = scope.target.elf(path)
            if elf is None:
                continue
            for name, symbol in _search(elf, language, pattern):
                offset = elf.file_offset(symbol.value)
                match = self._match(path, name, offset) if offset is not None else None
                yield f"{self.name}:{path}:{name}", match


def _placed(match: Match) -> tuple[str, int]:
    """The file that a match is in, and the offset there."""
    path, offset = match.data[:2]
    assert isinstance(path, str)
    assert isinstance(offset, int)
    return path, offset


def _joined(parts: Sequence[str]) -> tuple[str, ...]:
    """The parts of an attach point, with the colons of a C++ name taken for what they are."""
    if len(parts) > 3 and parts[1] in _LANGUAGES:
        return (*parts[:2], ":".join(parts[2:]))
    return tuple(parts)


def _address(text: str) -> int | None:
    """The number that ``text`` is; None where it is a name."""
    if not text[:1].isdigit():
        return None
    try:
        return parse(text)[0]
    except NumberError:
        return None


def _search(elf: ElfFile, language: str, pattern: str) -> list[tuple[str, Symbol]]:
    """Names (as a probe shows them) and symbols of the functions that fit a pattern, by name."""
    if language:
        return _demangled(elf.match("_Z*"), pattern)
    glob = pattern.replace("[", "[[]").replace("?", "[?]")
    return [(symbol.name, symbol) for symbol in elf.match(glob) if ".part." not in symbol.name]


def _fitting(symbols: Sequence[Symbol], pattern: str) -> list[tuple[str, Symbol]]:
    """Functions whose names fit a pattern, by name."""
    fits = matcher(pattern)
    found = [(symbol.name, symbol) for symbol in symbols if fits(symbol.name)]
    return sorted([pair for pair in found if ".part." not in pair[0]], key=lambda pair: pair[0])


def _demangled(symbols: Sequence[Symbol], pattern: str) -> list[tuple[str, Symbol]]:
    """C++ functions by their readable name, with or without the parameters."""
    from prybee.symbols import demangle

    fits = matcher(pattern)
    found = []
    for symbol in symbols:
        if not symbol.name.startswith("_Z"):
            continue
        readable = demangle(symbol.name)
        if fits(readable) or fits(_without_parameters(readable)):
            found.append((f'cpp:"{readable}"', symbol))
    return sorted(found, key=lambda pair: pair[0])


def _without_parameters(name: str) -> str:
    """``ns::f(int) const`` without its parameters: ``ns::f``."""
    depth = 0
    for at in range(len(name) - 1, -1, -1):
        if name[at] == ")":
            depth += 1
        elif name[at] == "(":
            depth -= 1
            if depth == 0 and not name[:at].endswith("operator"):
                return name[:at]
    return name


PROVIDERS = (
    Uprobe(("uprobe", "u"), "a function of a program or library is entered", returns=False),
    Uprobe(("uretprobe", "ur"), "a function of a program or library returns", returns=True),
)
