"""A script on the running kernel: compile, load, attach, and see it through."""

from __future__ import annotations

import gc
import os
import sys
from errno import EPERM

from prybee.cli import fail
from prybee.diagnostics import KernelError, PrybeeError, ScriptError, VerifierRejected
from prybee.engines.kernel import KernelEngine
from prybee.engines.live import LiveTarget
from prybee.functions import TABLE as FUNCTIONS
from prybee.language.frontend import compile_script
from prybee.language.registry import Registry
from prybee.linux.syscalls import check_machine
from prybee.output.names import Names
from prybee.output.sink import Sink
from prybee.output.text import TextOutput
from prybee.plan.questions import names_user_code, only_process, probed_files
from prybee.probes import TABLE as PROBES
from prybee.session.session import Session, SessionOptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from prybee.btf import Btf
    from prybee.cli.options import Arguments
    from prybee.cli.times import Times
    from prybee.diagnostics import Source
    from prybee.engines.kernel import AttachReport
    from prybee.language.config_table import Config
    from prybee.language.frontend import Compilation, CompileOptions
    from prybee.linux.processes import Child
    from prybee.output.base import Output
    from prybee.plan.plan import Plan
    from prybee.symbols import KernelSymbols, Recorder, UserSymbols
    from prybee.symbols.python.processes import PythonProcesses
    from prybee.symbols.unwinder import Unwinder

    MakeOutput = Callable[[Sink, Sink, Names], Output]
    Finished = Callable[[KernelEngine], None]

LOAD_FAILED = 255


def trace(
    source: Source,
    options: CompileOptions,
    arguments: Arguments,
    stages: Sequence[str],
    times: Times,
    output: MakeOutput | None = None,
    watch: int | None = None,
    finished: Finished | None = None,
) -> int:
    """Trace until something ends it.

    Args:
        source: the script.
        options: how to compile it.
        arguments: the command line.
        stages: what of the way is to be shown.
        times: takes the time of the stages.
        output: what shows it, where that is not told by ``arguments``.
        watch: the process whose end ends the trace; None: that of ``options``.
        finished: is given the engine at the end, when nothing runs any more; the kernel counts
            runs of programs for it, if it can. Stacks are of the process ``watch`` alone.

    Returns:
        The exit status.

    Raises:
        PrybeeError: what went wrong before the script was compiled.
    """
    times.mark("import")
    if not stages:
        check_machine()
    if os.geteuid() != 0 and not stages:
        from prybee.cli.rights import check_rights

        check_rights()
    child = _start_child(arguments.text("cmd"))
    target = _Target(times, arguments.text("btf"), arguments.text("traceable_functions"))
    target.debug_directories = arguments.all("debuginfo")
    with target:
        try:
            if child is not None:
                options = options.replace(pid=child.pid, child=True)
            compilation = _compile(source, target, options, times)
            if compilation is None:
                return 1  # as bpftrace: nothing was traced
            _show(compilation, stages)
            if options.mode:
                return _try_out(compilation, target, options.mode, arguments)
            if watch is None and child is None:
                watch = options.pid
            return _run(
                compilation, target, watch, arguments, stages, times, child, output, finished
            )
        finally:
            if child is not None:
                child.close()


class _Target(LiveTarget):
    """The live target, which says how long its types took to open."""

    def __init__(self, times: Times, types: str, functions: str) -> None:
        super().__init__(functions=functions, types=types)
        self._times = times
        self.seconds = 0.0

    @property
    def btf(self) -> Btf | None:
        if not self._times.wanted or self._btf_wanted:
            return super().btf
        from time import perf_counter

        begin = perf_counter()
        found = super().btf
        self.seconds = perf_counter() - begin
        return found


def _start_child(command: str) -> Child | None:
    """The child of ``-c``, held until probes are attached."""
    if not command:
        return None
    import shlex

    from prybee.linux.processes import Child

    try:
        words = shlex.split(command)
    except ValueError as error:
        raise PrybeeError(f"-c: {error}: {command}") from None
    if not words:
        raise PrybeeError("-c: no command")
    return Child(words)


def _compile(
    source: Source, target: _Target, options: CompileOptions, times: Times
) -> Compilation | None:
    """Compile; None where only the script's parameters were asked for (``-- --help``)."""
    if times.wanted:
        from prybee.language.parser import parse

        parse(source)
        times.mark("parse")
    if "help" in options.named:
        from prybee.cli.parameters import print_parameters

        print_parameters(source, target, Registry(FUNCTIONS, PROBES), options)
        return None
    try:
        compilation = compile_script(source, target, Registry(FUNCTIONS, PROBES), options)
    except ScriptError as error:
        from prybee.cli.rights import hidden

        missing = hidden(target, str(error))
        if missing and missing not in str(error):
            raise PrybeeError(f"{error}\nHINT: {missing}") from None
        raise
    if times.wanted:
        times.add("BTF", target.seconds)
        times.mark("compile", less=target.seconds)
    return compilation


def _show(compilation: Compilation, stages: Sequence[str]) -> None:
    """Print the stages that ``-d`` asks for."""
    for stage, text in compilation.dumps.items():
        print(f"-- {stage}\n{text}")
    if "plan" in stages:
        from prybee.cli.plan_text import plan_text

        print(f"-- plan\n{plan_text(compilation.plan)}")
    sys.stdout.flush()


def _run(
    compilation: Compilation,
    target: LiveTarget,
    watch: int | None,
    arguments: Arguments,
    stages: Sequence[str],
    times: Times,
    child: Child | None,
    make_output: MakeOutput | None,
    finished: Finished | None,
) -> int:
    plan, config = compilation.plan, compilation.config
    warnings = not arguments.flag("no_warnings")
    if warnings:
        for warning in compilation.warnings:
            print(warning.render(), file=sys.stderr)
        for remark in target.remarks:
            print(f"WARNING: {remark}", file=sys.stderr)
        if child is not None or watch is not None:
            from prybee.cli import narrow

            if missed := narrow.remark(plan, target, watch, child):
                print(f"WARNING: {missed}", file=sys.stderr)
    walks = any(spec.action == "unwind" for spec in plan.records)
    python = any(spec.action == "python" for spec in plan.records)
    named = names_user_code(plan) or walks or python
    user = _user_symbols(config, plan, arguments) if named else None
    output = _output(arguments, config, warnings, user, make_output)
    verifier = "verifier" in stages
    engine = _Engine(plan, target, log_level=7 if verifier else 0)
    engine.times = times
    if finished is not None:
        engine.count()
        engine.finished = finished
    watched = None
    if watch is not None:
        from prybee.linux.processes import Process

        watched = Process(watch)
    session = Session(
        plan,
        engine,
        output,
        SessionOptions(
            details=arguments.flag("warnings"),
            dry_run=arguments.flag("dry_run"),
            print_maps=config.print_maps_on_exit,
            missing_probes=config.missing_probes,
            max_cat_bytes=config.max_cat_bytes,
            environment=dict(os.environ),
        ),
        child,
        watched,
        _recorder(plan, user, child, warnings, watch if finished is not None else None),
        _unwinder(user, watch, child, output.names) if walks else None,
        _interpreters(user, watch, child, engine, output.names) if python else None,
    )
    try:
        status = session.run()
    except VerifierRejected as error:
        return _refused(error, arguments.flag("verbose") or verifier)
    except ScriptError:
        raise
    except PrybeeError as error:
        return fail(str(error), 1 if _is_the_users(error) else LOAD_FAILED)
    finally:
        if watched is not None:
            watched.close()
        if verifier:
            for name, log in engine.logs.items():
                print(f"-- verifier: {name}\n{log}")
    times.print()
    return status


def _try_out(compilation: Compilation, target: LiveTarget, mode: str, arguments: Arguments) -> int:
    """Run the tests or benchmarks of a script."""
    from prybee.cli.trials import Trials

    config = compilation.config
    names = Names(
        _kernel_symbols,
        lambda: _user_symbols(config, compilation.plan, arguments),
        config.str_trunc_trailer.encode("utf-8", "surrogateescape"),
    )
    engine = KernelEngine(compilation.plan, target)
    as_json = arguments.text("format", "text") == "json"
    try:
        return Trials(compilation.plan, engine, names, mode, as_json).run()
    except VerifierRejected as error:
        return _refused(error, arguments.flag("verbose"))
    except ScriptError:
        raise
    except PrybeeError as error:
        return fail(str(error), 1 if _is_the_users(error) else LOAD_FAILED)


def _is_the_users(error: PrybeeError) -> bool:
    """Whether a trace could not start for another reason than what the kernel can do: a privilege
    is missing, or the command of ``-c`` cannot be run."""
    from prybee.linux.processes import SpawnError

    return isinstance(error, SpawnError) or (
        isinstance(error, KernelError) and error.errno == EPERM
    )


class _Engine(KernelEngine):
    """The kernel engine, which takes the time of loading and attaching."""

    times: Times
    finished: Finished | None = None

    def close(self) -> None:
        if self.finished is not None and self.programs:
            self.finished(self)
            self.finished = None
        super().close()

    def load(self) -> None:
        super().load()
        self.times.mark("load")

    def attach(self) -> AttachReport:
        report = super().attach()
        self.times.mark("attach")
        if not gc.isenabled():
            gc.freeze()
            gc.enable()
        return report


def _refused(error: VerifierRejected, verbose: bool) -> int:
    """Show a refusal in the script's terms; the kernel's own words on request."""
    text = str(error)
    if verbose and error.log:
        text = f"{text}\n{error.log.rstrip()}"
    elif error.log:
        text += "\nHINT: -v shows the kernel's own words"
    return fail(text, LOAD_FAILED)


def _output(
    arguments: Arguments,
    config: Config,
    warnings: bool,
    user: UserSymbols | None,
    make: MakeOutput | None,
) -> Output:
    """Where output goes, and in which form."""
    names = Names(
        _kernel_symbols,
        None if user is None else lambda: user,
        config.str_trunc_trailer.encode("utf-8", "surrogateescape"),
    )
    mode = arguments.text("buffering", "line")
    sys.stdout.flush()
    fd = 1
    path = arguments.text("output")
    if path:
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise PrybeeError(f'Failed to open output file: "{path}": {error.strerror}') from None
    out, errors = Sink(fd, mode), Sink(2)
    if make is not None:
        return make(out, errors, names)
    if arguments.text("format", "text") == "json":
        from prybee.output.json import JsonOutput

        return JsonOutput(out, errors, names, arguments.flag("quiet"), warnings)
    return TextOutput(out, errors, names, arguments.flag("quiet"), warnings)


def _kernel_symbols() -> KernelSymbols:
    from prybee.symbols import KernelSymbols

    return KernelSymbols()


def _user_symbols(config: Config, plan: Plan, arguments: Arguments) -> UserSymbols:
    from prybee.symbols import UserSymbols
    from prybee.symbols.debug_files import debug_directories

    return UserSymbols(
        config.cache_user_symbols.lower(),
        config.cpp_demangle,
        debug_directories=debug_directories(arguments.all("debuginfo")),
        files=probed_files(plan),
        lines=config.show_debug_info,
    )


def _recorder(
    plan: Plan,
    symbols: UserSymbols | None,
    child: Child | None,
    warnings: bool,
    alone: int | None,
) -> Recorder | None:
    """Records what processes map from now on, where their addresses will be shown.

    ``alone`` is the one process whose addresses will be.
    """
    if symbols is None:
        return None
    from prybee.diagnostics import KernelError
    from prybee.symbols import Recorder

    pid = only_process(plan) if alone is None else alone
    try:
        if child is not None and pid == child.pid:
            # Where programs ask for what it maps, that is wanted at once.
            prompt = any(spec.action == "python" for spec in plan.records)
            return Recorder(symbols, child=pid, prompt=prompt)
        return Recorder(symbols, only=pid)
    except KernelError as error:
        # Processes are then looked at when their addresses are shown.
        if warnings:
            print(
                f"WARNING: addresses of processes that have ended may have no names: {error}",
                file=sys.stderr,
            )
        return None


def _unwinder(
    symbols: UserSymbols | None, pid: int | None, child: Child | None, names: Names
) -> Unwinder:
    """Brings programs that walk stacks what they need; tells names what there is no room for."""
    from prybee.linux.processes import find_program
    from prybee.symbols.unwinder import Unwinder

    assert symbols is not None
    if child is None:
        made = Unwinder(symbols, pid or -1)
    else:
        made = Unwinder(symbols, program=find_program(child.arguments[0]) or "")
    names.lacking = made.lacking
    return made


def _interpreters(
    symbols: UserSymbols | None,
    pid: int | None,
    child: Child | None,
    engine: KernelEngine,
    names: Names,
) -> PythonProcesses:
    """Brings programs that walk Python's frames what they need, and names what they find."""
    from prybee.symbols.python import records
    from prybee.symbols.python.names import PythonNames
    from prybee.symbols.python.processes import PythonProcesses

    assert symbols is not None
    names.python = PythonNames(lambda key: engine.maps[records.CODES].lookup(key))
    return PythonProcesses(symbols, child.pid if child is not None else pid or -1)
