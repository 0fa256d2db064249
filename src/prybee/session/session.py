"""The life of one trace, from loading to the last line of output."""

from __future__ import annotations

import os
from time import monotonic

from prybee.data import Data
from prybee.diagnostics import Misplaced
from prybee.plan.plan import ClockAttach, IterAttach, SpecialAttach
from prybee.session.losses import Losses
from prybee.session.maps import Maps
from prybee.session.waiting import Quit, Signals, Waiter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.plan.plan import Plan, ProbeSpec
    from prybee.session.packets import Packets
    from prybee.session.ports import (
        Child,
        Engine,
        Handler,
        Output,
        Recorder,
        Report,
        Target,
        Unwinder,
    )

# Both the variable that asks for it and the line that is printed (language.md 2.2).
READY = "__BPFTRACE_NOTIFY_PROBES_ATTACHED"

ATTACH_FAILED = 255
# What a shell reports for a program that SIGINT ended.
INTERRUPTED = 130

# While records come, the reader comes back by itself after so long (milliseconds), …
PAUSE = 10.0
# … and in the beginning after half of …
FIRST_PAUSE = 0.5
# … or before so many bytes have gathered.
GATHER = 1 << 18
# How often changes of processes are looked for, where programs walk their stacks (milliseconds).
UNWIND_LOOK = 100.0
# … and where they walk Python's frames, whose library comes a moment after the program.
PYTHON_LOOK = 25.0
# … in the first second of a command, when it is about to begin.
PYTHON_BEGINS = 3.0
# … and where records may wait until somebody looks.
PATIENCE = 100.0
# How often counters of losses are looked at (seconds).
CHECK_EVERY = 0.25
# How long after a signal what takes long, such as running commands, still goes on (seconds).
GRACE = 0.5


class SessionOptions(Data):
    """How to run.

    Attributes:
        details: tell of failed reads (``-k``).
        dry_run: end after attaching.
        print_maps: print maps at the end.
        missing_probes: what a probe that cannot be attached means: ``error``, ``warn``, ``ignore``.
        max_cat_bytes: how much of a file ``cat()`` prints.
        environment: variables; the one that asks for the readiness line matters.
    """

    details: bool = False
    dry_run: bool = False
    print_maps: bool = True
    missing_probes: str = "error"
    max_cat_bytes: int = 10240
    environment: dict[str, str] = {}


class Session:
    """Runs a plan on an engine. Use :meth:`run` once.

    Args:
        plan: what to run.
        engine: where; loaded by :meth:`run`, closed by it too.
        output: what shows it.
        options: how.
        child: the process of ``-c``, held; released when probes are attached.
        target: the process of ``-p``.
        recorder: keeps track of what processes map, where addresses of theirs are shown; closed
            by :meth:`run`.
        unwinder: brings programs that walk stacks what they ask for; closed by :meth:`run`.
        interpreters: the same for those that walk Python's frames.
    """

    def __init__(
        self,
        plan: Plan,
        engine: Engine,
        output: Output,
        options: SessionOptions | None = None,
        child: Child | None = None,
        target: Target | None = None,
        recorder: Recorder | None = None,
        unwinder: Unwinder | None = None,
        interpreters: Unwinder | None = None,
    ) -> None:
        self.plan = plan
        self.engine: Engine = engine
        self.output: Output = output
        self.options = options or SessionOptions()
        self.child = child
        self.target = target
        self.recorder = recorder
        self.unwinder = unwinder
        self.interpreters = interpreters
        self._bringers = [each for each in (unwinder, interpreters) if each is not None]
        self.maps = Maps(plan, engine)
        self.losses = Losses(plan, engine, output, self.options.details)
        self.code = 0
        # exit() was called: records behind it are not shown.
        self.exited = False
        # A walk over an iterator goes on to its end, exit() or not, as with bpftrace.
        self._walking = False
        # Commands that were not run any more, as the trace was to end.
        self.skipped = 0
        self._signals: Signals | None = None
        self._deadline = 0.0
        self._released = 0.0
        self._specs = {spec.id: spec for spec in plan.records}
        self._handlers: dict[int, Handler] = {}
        self._watch: set[int] = set()
        # What skboutput() sends, where the script uses it.
        self._packets: Packets | None = None

    # -- the whole run ---------------------------------------------------------------------------

    def run(self) -> int:
        """Run until something ends the trace; the exit code.

        Raises:
            PrybeeError: the plan cannot be loaded, a probe at its start cannot be run.
        """
        try:
            with Signals() as signals:
                self.engine.load()
                for bringer in self._bringers:
                    bringer.begin(self.engine.maps)
                if any(spec.action == "skboutput" for spec in self.plan.records):
                    from prybee.session.packets import Packets

                    records = self.plan.records
                    self._packets = Packets(self.engine.packets(), records, self.output)
                code = self._run(signals)
                self.output.flush()
                if self._packets is not None:
                    self._packets.close()
                    code = code or int(self._packets.failed)
                return code or int(self.output.failed)
        except Quit:
            return INTERRUPTED
        finally:
            # Whatever happened: no probe stays, and what was said is written.
            self.engine.close()
            if self._packets is not None:
                self._packets.close()
            if self.recorder is not None:
                self.recorder.close()
            for bringer in self._bringers:
                bringer.close()
            self.output.close()

    def _run(self, signals: Signals) -> int:
        engine, output = self.engine, self.output
        self._signals = signals
        if not self.options.dry_run:
            engine.run_special("begin")
        report = engine.attach()
        if not self._accept(report):
            engine.detach()
            return ATTACH_FAILED
        output.attached(report.count)
        self._ready()
        if self.options.dry_run:
            engine.detach()
            return 0
        if self.child is not None:
            self._released = monotonic()
            self.child.release()
        if not self._walk_iterators(report):
            self._loop(signals)
        self._finish()
        return self.code

    def _accept(self, report: Report) -> bool:
        """Tell of probes that could not be attached; false where that ends the trace."""
        mode = self.options.missing_probes
        single = report.failures
        if mode == "error" and single:
            from prybee.session.attaching import of_patterns

            single, warnings = of_patterns(report)
            for text in warnings:
                self.output.complain(text)
        for failure in single if mode != "ignore" else ():
            advice = (
                ". If this is expected, set the 'missing_probes' config variable to 'warn'."
                if mode == "error"
                else ""
            )
            severity = "ERROR" if mode == "error" else "WARNING"
            said = f"{severity}: Unable to attach probe: {failure.probe.name}{advice}"
            if isinstance(failure.error, Misplaced):
                self.output.complain(f"{severity}: {failure.error}")
                self.output.complain(said)
            else:
                self.output.complain(f"{said}\n{failure.error}")
        if single and mode == "error":
            return False
        if not report.attached and self.plan.probes:
            self.output.complain("ERROR: No probes to attach")
            return False
        return True

    def _ready(self) -> None:
        if READY in self.options.environment:
            self.output.flush()
            os.write(1, READY.encode() + b"\n")
        # The banner appears now, whatever the buffering.
        self.output.flush()

    def _finish(self) -> None:
        engine, output = self.engine, self.output
        engine.detach()
        if self.child is not None and self.child.poll() is None:
            self.child.send()
        self._drain(discard=self.exited)
        self._exit_by_word()
        self.exited = False
        engine.run_special("end")
        self._drain()
        self._exit_by_word()
        if self.recorder is not None:
            self.recorder.drain()
        output.before_maps()
        if self.options.print_maps:
            with self.maps.calm:
                for spec, items in self.maps.written():
                    output.map(spec, items)
        output.flush()
        self.losses.finish()
        if self.skipped:
            output.complain(
                f"WARNING: {self.skipped} commands of system() were not run: a signal ended the "
                "trace before"
            )
        if self.recorder is not None and self.recorder.lost:
            output.complain(
                f"WARNING: {self.recorder.lost} records of what processes map were lost: some "
                "addresses of programs that have ended may be shown without a name"
            )
        for bringer in self._bringers:
            if bringer.remark:
                output.complain(f"WARNING: {bringer.remark}")

    # -- records ---------------------------------------------------------------------------------

    def exit(self, code: int) -> None:
        """End the trace with ``code``; the first call decides."""
        if not self.exited:
            self.exited = True
            self.code = code

    @property
    def overdue(self) -> bool:
        """Whether a signal asked for the end long ago: what takes long must not go on."""
        if self._signals is None or not self._signals.stop:
            return False
        now = monotonic()
        if not self._deadline:
            self._deadline = now + GRACE
        return now >= self._deadline

    def consume(self) -> int:
        """Handle one batch of records; how many bytes it had, 0 where there was none."""
        if self._packets is not None:
            self._packets.take()
        batch = self.engine.ring.take()
        if batch is None:
            return 0
        if self.recorder is not None:
            # What the records' addresses mean was recorded before them.
            self._follow()
        view, runs = batch
        handlers = self._handlers
        for kind, offset, step, count in runs:
            if self.exited and not self._walking:
                break
            found = handlers.get(kind)
            if found is None:
                # Many traces send no records until they end.
                from prybee.session.actions import handler

                found = handlers[kind] = handler(self, self._specs[kind])
            found(view[offset : offset + step * count])
        return len(view)

    def _drain(self, discard: bool = False) -> None:
        """Handle all records that there are, or throw them away."""
        if self._packets is not None:
            self._packets.take()
        if discard:
            while self.engine.ring.take() is not None:
                pass
            return
        while self.consume():
            self.output.flush()

    # -- waiting ---------------------------------------------------------------------------------

    def _walk_iterators(self, report: Report) -> bool:
        """Walk over iterators; true where there is nothing to wait for after that."""
        waiting = False
        iterators = False
        for probe in report.attached:
            if isinstance(probe.attach, IterAttach):
                iterators = True
            elif not _runs_once(probe):
                waiting = True
        if iterators:
            self._walking = True
            for _probe, piece in self.engine.iterate():
                self._drain()
                self.output.message("printf", piece)
                self.output.flush()
            self._drain()
            self._walking = False
        if waiting or self.child is not None or self.target is not None:
            return False
        self.losses.check()
        self._drain()
        return True

    def _loop(self, signals: Signals) -> None:
        """Handle records until something ends the trace."""
        engine, output = self.engine, self.output
        ring = engine.ring
        waiter = Waiter(ring.fileno())
        waiter.add(signals.fd)
        if self.recorder is not None:
            for fd in self.recorder.filenos():
                waiter.add(fd)
        if self._packets is not None:
            for fd in self._packets.source.filenos():
                waiter.add(fd)
        for process in (self.child, self.target):
            if process is not None:
                waiter.add(process.fd)
                self._watch.add(process.fd)
        # A pipe tells by itself when nobody reads it any more.
        out = output.out.fd
        watched_out = _is_pipe(out)
        if watched_out:
            waiter.add(out, 0)
        # Programs count what goes wrong in them; without records nobody wakes us for that.
        idle = 1000.0 if self.plan.counters else None
        patient = self.plan.patient
        if patient:
            idle = PATIENCE
        checked = monotonic()
        # Whether records have come since losses were looked at.
        news = True
        pause = FIRST_PAUSE
        clocks = None
        if any(isinstance(probe.attach, ClockAttach) for probe in self.plan.probes):
            from prybee.session.clocks import Clocks

            clocks = Clocks(self.plan, engine)
        while True:
            if clocks is not None:
                clocks.run()
                idle = min(clocks.wait(), PATIENCE) if patient else clocks.wait()
            taken = self.consume()
            ready: set[int] = set()
            if taken:
                output.flush()
            if self.exited or output.closed or signals.stop:
                break
            now = monotonic()
            if now - checked >= CHECK_EVERY or (news and not taken):
                checked, news = now, False
                self.losses.check()
                if self._exit_word():
                    # exit() ran, and perhaps there was no room for its record.
                    self._drain()
                    break
            news = news or bool(taken)
            if taken >= GATHER:
                ready = waiter.pause(0)
            elif taken and not patient:
                # Records that come slowly are shown at once, those that keep coming in batches.
                pause = PAUSE / 5 if taken >= GATHER >> 3 else min(PAUSE, pause * 2)
                ready = waiter.pause(pause)
            elif ring.sleep():
                pause = FIRST_PAUSE
                ready = waiter.sleep(self._idle(idle))
                ring.awake()
            if ready and self._react(ready, signals, out if watched_out else -1):
                break

    def _idle(self, most: float | None) -> float | None:
        """How long to sleep when nothing happens, in milliseconds; None: for ever."""
        if self._bringers:
            if any(bringer.work() for bringer in self._bringers):
                return 0.0
            self._follow()
            look = UNWIND_LOOK
            if self.interpreters is not None:
                begins = self.child is not None and monotonic() < self._released + 1.0
                look = PYTHON_BEGINS if begins else PYTHON_LOOK
            most = look if most is None else min(most, look)
        return 1.0 if self.recorder is not None and self.recorder.survey() else most

    def _follow(self) -> None:
        """Tell programs that walk stacks of what processes have mapped since."""
        if self.recorder is not None:
            self.recorder.drain()
        for bringer in self._bringers:
            bringer.look()

    def _react(self, ready: set[int], signals: Signals, out: int) -> bool:
        """Something but records came; true where it ends the trace."""
        if self.recorder is not None:
            self.recorder.drain()
        if self._packets is not None:
            self._packets.take()
        if signals.fd in ready:
            signals.clear()
            while signals.user:
                signals.user -= 1
                self.engine.run_special("self:signal:SIGUSR1")
            if signals.stop:
                return True
        return out in ready or bool(ready & self._watch)

    def _exit_word(self) -> int:
        """The exit code + 1, once exit() has run."""
        at = self.plan.globals.exit
        return int.from_bytes(self.engine.globals[at : at + 8], "little")

    def _exit_by_word(self) -> None:
        """Take the code of an exit() whose record was lost."""
        word = self._exit_word()
        if word and not self.code:
            self.code = word - 1


def _runs_once(probe: ProbeSpec) -> bool:
    return isinstance(probe.attach, SpecialAttach) and probe.attach.event in ("begin", "end")


def _is_pipe(fd: int) -> bool:
    from stat import S_ISFIFO, S_ISSOCK

    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        return False
    return S_ISFIFO(mode) or S_ISSOCK(mode)
