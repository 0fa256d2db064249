"""Messages and maps of both outputs, byte by byte."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from prybee.diagnostics import WARNING, Diagnostic, Source, Span
from prybee.output.json import JsonOutput
from prybee.output.sink import Sink
from prybee.output.text import TextOutput
from prybee.plan import layouts as L  # noqa: N812
from tests.output.helpers import Pipe, names, record, run, script_map

S64, U64, S8 = L.IntLayout(8, True), L.IntLayout(8, False), L.IntLayout(1, True)
STRING = L.StringLayout(8)
PAIR = L.TupleLayout(16, (L.Field("", 0, S64), L.Field("", 8, STRING)))
COUNT, HIST = L.CountLayout(8), L.HistLayout(8, 0)
STATS = L.StatsLayout(16, True, False)
AVG = L.StatsLayout(16, True, True)
SOURCE = Source("stdin", 'begin { errorf("bad %d\\n", 4) }')


def q(*numbers: int) -> bytes:
    return b"".join((n & ((1 << 64) - 1)).to_bytes(8, "little") for n in numbers)


@pytest.fixture
def text() -> Iterator[tuple[TextOutput, Pipe, Pipe]]:
    out, errors = Pipe(), Pipe()
    yield TextOutput(out.sink, errors.sink, names()), out, errors
    out.close()
    errors.close()


@pytest.fixture
def as_json() -> Iterator[tuple[JsonOutput, Pipe]]:
    out, errors = Pipe(), Pipe()
    yield JsonOutput(out.sink, errors.sink, names()), out
    out.close()
    errors.close()


MAPS = [
    # spec, items, text, json
    (
        script_map("@a", None, S8),
        [(b"", b"\1" + bytes(7))],
        "@a: 1\n",
        '{"type": "map", "data": {"@a": 1}}\n',
    ),
    (
        script_map("@", S64, S64),
        [(q(1), q(10)), (q(2), q(30)), (q(3), q(-20))],
        "@[3]: -20\n@[1]: 10\n@[2]: 30\n",
        '{"type": "map", "data": {"@": {"3": -20, "1": 10, "2": 30}}}\n',
    ),
    (script_map("@empty", S64, S64), [], "", ""),
    (
        script_map("@s", STRING, STRING),
        [(b"b\0\0\0\0\0\0\0", b"x y\0\0\0\0\0"), (b"a b\0\0\0\0\0", b"z\0\0\0\0\0\0\0")],
        "@s[a b]: z\n@s[b]: x y\n",
        '{"type": "map", "data": {"@s": {"ab": "z", "b": "x y"}}}\n',
    ),
    (
        script_map("@t", PAIR, PAIR),
        [(q(1) + b"a\0\0\0\0\0\0\0", q(1) + b"b\0\0\0\0\0\0\0")],
        "@t[1, a]: (1, b)\n",
        '{"type": "map", "data": {"@t": {"1,a": [1,"b"]}}}\n',
    ),
    (
        script_map("@big", None, U64),
        [(b"", q(-1))],
        "@big: 18446744073709551615\n",
        '{"type": "map", "data": {"@big": "18446744073709551615"}}\n',
    ),
    (
        script_map("@c", S64, COUNT, per_cpu=True),
        [(q(1), [q(3), q(4)]), (q(-2), [q(1), q(0)])],
        "@c[-2]: 1\n@c[1]: 7\n",
        '{"type": "map", "data": {"@c": {"-2": 1, "1": 7}}}\n',
    ),
    (
        script_map("@sum", None, L.SumLayout(8, True), per_cpu=True),
        [(b"", [q(-5, 1), q(2, 1), q(0, 0)])],
        "@sum: -3\n",
        '{"type": "map", "data": {"@sum": -3}}\n',
    ),
    (
        script_map("@usum", None, L.SumLayout(8, False), per_cpu=True),
        [(b"", [q(-1), q(0)])],
        "@usum: 18446744073709551615\n",
        '{"type": "map", "data": {"@usum": "18446744073709551615"}}\n',
    ),
    (
        # min and max compare as unsigned when sorted.
        script_map("@mn", S64, L.MinMaxLayout(16, True, False), per_cpu=True),
        [(q(1), [q(-5, 1), q(0, 0)]), (q(2), [q(3, 1), q(9, 1)]), (q(3), [q(0, 0), q(0, 0)])],
        "@mn[3]: 0\n@mn[2]: 3\n@mn[1]: -5\n",
        '{"type": "map", "data": {"@mn": {"3": 0, "2": 3, "1": -5}}}\n',
    ),
    (
        script_map("@mx", None, L.MinMaxLayout(16, False, True), per_cpu=True),
        [(b"", [q(-1, 1), q(9, 1)])],
        "@mx: 18446744073709551615\n",
        '{"type": "map", "data": {"@mx": "18446744073709551615"}}\n',
    ),
    (
        script_map("@av", S64, AVG, per_cpu=True),
        [(q(1), [q(-9, 2), q(0, 0)]), (q(2), [q(4, 1), q(4, 1)])],
        "@av[1]: -4\n@av[2]: 4\n",
        '{"type": "stats", "data": {"@av": {"1": -4, "2": 4}}}\n',
    ),
    (
        script_map("@st", S64, STATS, per_cpu=True),
        [(q(1), [q(10, 1), q(2, 1)])],
        "@st[1]: { .count = 2, .average = 6, .total = 12 }\n",
        '{"type": "stats", "data": {"@st": {"1": {"count": 2, "average": 6, "total": 12}}}}\n',
    ),
    (
        script_map("@none", None, STATS, per_cpu=True),
        [(b"", [q(0, 0), q(0, 0)])],
        "@none: { .count = 0, .average = 0, .total = 0 }\n",
        '{"type": "stats", "data": {"@none": {"count": 0, "average": 0, "total": 0}}}\n',
    ),
    (
        script_map("@h", None, HIST, per_cpu=True),
        [(q(0, 3), [q(1), q(1)]), (q(0, 2), [q(1), q(0)])],
        (
            "@h:\n"
            f"[1]                    1 |{'@' * 26:<52}|\n"
            f"[2, 4)                 2 |{'@' * 52}|\n\n"
        ),
        (
            '{"type": "hist", "data": {"@h": [{"min": 1, "max": 1, "count": 1},'
            '{"min": 2, "max": 3, "count": 2}]}}\n'
        ),
    ),
    (
        # Sorted by the number of values.
        script_map("@k", S64, HIST, per_cpu=True),
        [(q(1, 2), [q(5), q(1)]), (q(2, 2), [q(1), q(0)])],
        (
            f"@k[2]:\n[1]                    1 |{'@' * 52}|\n\n"
            f"@k[1]:\n[1]                    6 |{'@' * 52}|\n\n"
        ),
        (
            '{"type": "hist", "data": {"@k": {"2": [{"min": 1, "max": 1, "count": 1}], '
            '"1": [{"min": 1, "max": 1, "count": 6}]}}}\n'
        ),
    ),
    (
        script_map("@z", None, HIST, per_cpu=True),
        [(q(0, 3), [q(0), q(0)])],
        "@z:\n\n",
        '{"type": "hist", "data": {"@z": []}}\n',
    ),
    (
        # A key of less than 8 bytes is padded before the bucket number.
        script_map("@p", S8, HIST, per_cpu=True),
        [(q(5, 2), [q(1), q(0)])],
        f"@p[5]:\n[1]                    1 |{'@' * 52}|\n\n",
        '{"type": "hist", "data": {"@p": {"5": [{"min": 1, "max": 1, "count": 1}]}}}\n',
    ),
]


@pytest.mark.parametrize(("spec", "items", "shown", "shown_json"), MAPS)
def test_map(spec, items, shown, shown_json, text, as_json) -> None:  # type: ignore[no-untyped-def]
    output, out, _errors = text
    output.map(spec, items)
    output.flush()
    assert out.text() == shown
    output, out = as_json
    output.map(spec, items)
    output.flush()
    assert out.text() == shown_json


def test_top_and_div(text) -> None:  # type: ignore[no-untyped-def]
    output, out, _errors = text
    spec = script_map("@", S64, S64)
    items = [(q(1), q(10)), (q(2), q(30)), (q(3), q(-20))]
    output.map(spec, items, 2)
    output.map(spec, items, 2, 3)
    output.map(script_map("@s", S64, STATS, per_cpu=True), [(q(1), [q(10, 2)])], 0, 2)
    output.map(script_map("@a", S64, AVG, per_cpu=True), [(q(1), [q(10, 2)])], 0, 2)
    output.map(script_map("@x", STRING, STRING), [(b"a" + bytes(7), b"b" + bytes(7))], 5, 3)
    output.flush()
    assert out.text() == (
        "@[1]: 10\n@[2]: 30\n@[1]: 3\n@[2]: 10\n"
        "@s[1]: { .count = 2, .average = 2, .total = 5 }\n@a[1]: 2\n@x[a]: b\n"
    )


def test_entry_of_a_map(text, as_json) -> None:  # type: ignore[no-untyped-def]
    spec = script_map("@s", S64, STATS, per_cpu=True)
    items = [(q(1), [q(10, 2)])]
    output, out, _errors = text
    output.entry(spec, items)
    output.flush()
    assert out.text() == "{ .count = 2, .average = 5, .total = 10 }\n"
    output, out = as_json
    output.entry(spec, items)
    output.flush()
    assert out.text() == '{"type": "value", "data": {"count": 2, "average": 5, "total": 10}}\n'


def test_records(text, as_json) -> None:  # type: ignore[no-untyped-def]
    printf = record(16, (8, S64), detail=("<%d>\t\n",))
    value = record(16, (8, S64))
    span = Span(SOURCE, 8, 30)
    error = record(16, (8, S64), detail=("bad %d\n",)).replace(span=span)
    view = run(b"\0" * 4 + q(1), b"\0" * 4 + q(-2))
    output, out, errors = text
    output.printf(printf)(view)
    output.value(value)(view)
    output.report(error, "ERROR")(view[:24])
    output.flush()
    assert out.text() == "<1>\t\n<-2>\t\n1\n-2\n"
    assert errors.text() == "stdin:1:9-31: ERROR: bad 1\n"
    output, out = as_json
    output.printf(printf)(view)
    output.value(value)(view)
    output.report(error, "ERROR")(view[:24])
    output.report(error, "WARNING")(view[:24])
    output.flush()
    lines = out.text().splitlines()
    assert lines[0] == '{"type": "printf", "data": "<1>\\t\\n"}'
    assert lines[3] == '{"type": "value", "data": -2}'
    assert json.loads(lines[4]) == {
        "type": "errorf", "msg": "bad 1\n", "filename": "stdin", "line": 1, "col": 9,
    }  # fmt: skip
    assert json.loads(lines[5])["type"] == "warnf"


def test_run_messages(text, as_json) -> None:  # type: ignore[no-untyped-def]
    output, out, errors = text
    output.attached(1)
    output.attached(3)
    output.lost(7)
    output.message("time", b"12:00\n")
    output.message("syscall", b"no end")
    output.before_maps()
    output.flush()
    assert errors.text() == "Attached 1 probe\nAttached 3 probes\nLost 7 events\n"
    assert out.text() == "12:00\nno end\n\n\n"
    output, out = as_json
    output.attached(2)
    output.lost(7)
    output.message("cat", b"a\x01\xff\xc3\xa9")
    output.before_maps()
    output.flush()
    assert out.text() == (
        '{"type": "attached_probes", "count": 2, "data": {"probes": 2}}\n'
        '{"type": "lost_events", "count": 7, "data": {"events": 7}}\n'
        '{"type": "cat", "data": "a\\u0001\\u00ffé"}\n'
    )


def test_quiet_and_silent(text) -> None:  # type: ignore[no-untyped-def]
    output, _out, errors = text
    output.quiet = True
    output.warnings = False
    output.attached(1)
    output.runtime(Diagnostic(WARNING, "x"))
    output.report(record(8, detail=("w\n",)), "WARNING")(run(b""))
    output.flush()
    assert errors.text() == ""


def test_runtime_warnings(text, as_json) -> None:  # type: ignore[no-untyped-def]
    span = Span(SOURCE, 8, 14)
    plain, failed = Diagnostic(WARNING, "Divide", span), Diagnostic(WARNING, "No such", span)
    output, out, errors = text
    output.runtime(plain)
    output.runtime(failed, "probe_read_user", -14)
    excerpt = 'begin { errorf("bad %d\\n", 4) }\n        ~~~~~~\n'
    assert errors.text() == (
        f"stdin:1:9-15: WARNING: Divide\n{excerpt}"
        "stdin:1:9-15: WARNING: No such\n"
        f"Additional Info - helper: probe_read_user, retcode: -14\n{excerpt}"
    )
    output, out = as_json
    output.runtime(plain)
    output.runtime(failed, "probe_read_user", -14)
    output.flush()
    assert [json.loads(line) for line in out.text().splitlines()] == [
        {"type": "runtime_error", "msg": "Divide", "filename": "stdin", "line": 1, "col": 9},
        {
            "type": "helper_error", "msg": "No such", "helper": "probe_read_user",
            "retcode": -14, "filename": "stdin", "line": 1, "col": 9,
        },
    ]  # fmt: skip


def test_sink_modes() -> None:
    for mode, early in (("line", ""), ("full", ""), ("none", "ab")):
        pipe = Pipe(mode)
        pipe.sink.write(b"a")
        pipe.sink.write(b"b")
        assert pipe.text() == early
        pipe.sink.flush()
        assert pipe.text() == ("ab" if mode == "line" else "")
        pipe.sink.drain()
        assert pipe.text() == ("ab" if mode == "full" else "")
        pipe.close()
    with pytest.raises(ValueError, match="buffering mode"):
        Sink(1, "sometimes")


def test_sink_writes_big_output_early_and_whole(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "out"
    with open(path, "wb", buffering=0) as file:
        sink = Sink(file.fileno(), "full")
        sink.extend([b"x" * 1000] * 70)
        sink.write(b"end")
        assert path.stat().st_size == 70_000
        sink.drain()
    assert path.read_bytes() == b"x" * 70_000 + b"end"


def test_sink_waits_for_a_slow_reader() -> None:
    import os
    import threading

    pipe = Pipe()
    os.set_blocking(pipe.writer, False)
    os.set_blocking(pipe.reader, True)
    got = bytearray()

    def read() -> None:
        while len(got) < 300_000:
            got.extend(os.read(pipe.reader, 1 << 16))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    pipe.sink.write(b"y" * 300_000)
    pipe.sink.flush()
    reader.join(10)
    assert len(got) == 300_000
    pipe.close()


def test_sink_survives_a_closed_pipe() -> None:
    import os

    pipe = Pipe()
    os.close(pipe.reader)
    pipe.sink.write(b"x")
    assert not pipe.sink.closed
    pipe.sink.flush()
    assert pipe.sink.closed
    pipe.sink.write(b"y")
    pipe.sink.drain()
    pipe.close()


def test_joined_words(text, as_json) -> None:  # type: ignore[no-untyped-def]
    """A line of text; in JSON the words alone, as bpftrace has them."""
    output, out, _errors = text
    output.message("join", b"a b\n")
    output.flush()
    assert out.text() == "a b\n"
    output, out = as_json
    output.message("join", b"a b\n")
    output.flush()
    assert out.text() == '{"type": "join", "data": "a b"}\n'
