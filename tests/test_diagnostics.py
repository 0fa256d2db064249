"""Golden texts of what users read when something is wrong."""

from __future__ import annotations

import errno

import pytest

from prybee.diagnostics import (
    ENOTSUPP,
    ERROR,
    WARNING,
    Diagnostic,
    KernelError,
    NotSupported,
    PrybeeError,
    ScriptError,
    Source,
    Span,
    VerifierRejected,
    did_you_mean,
    error_text,
)


def span(text: str, part: str, name: str = "stdin") -> Span:
    """The first place of ``part`` in ``text``."""
    start = text.index(part)
    return Span(Source(name, text), start, start + len(part))


# The layout of bpftrace 0.27.1, compared with its own output.
GOLDEN = [
    (
        Diagnostic(ERROR, "Unknown function: 'prinft'",
                   span('begin { prinft("hi") }', 'prinft("hi")'),
                   hints=("did you mean 'printf'?",)),
        ("stdin:1:9-21: ERROR: Unknown function: 'prinft'\n"
        'begin { prinft("hi") }\n'
        "        ~~~~~~~~~~~~\n"
        "HINT: did you mean 'printf'?"),
    ),
    (
        Diagnostic(ERROR, "Unknown function: 'nosuch'",
                   span('begin {\n\tnosuch("\t"\t); }', 'nosuch("\t"\t)')),
        ("stdin:2:2-14: ERROR: Unknown function: 'nosuch'\n"
        '    nosuch("    "    ); }\n'
        "    ~~~~~~~~~~~~~~~~~~"),
    ),
    (
        Diagnostic(ERROR, "too many arguments for format string (2 supplied, 1 expected)",
                   span('begin {\n\tprintf("%d", 1,\n\n\t 2); }', 'printf("%d", 1,\n\n\t 2)')),
        ("stdin:2-4: ERROR: too many arguments for format string (2 supplied, 1 expected)\n"
        '\tprintf("%d", 1,\n'
        "\n"
        "\t 2); }"),
    ),
    (
        Diagnostic(ERROR, "Unknown function: 'nosuch'",
                   span("macro f(x) { x + nosuch() } begin { f(1) }", "nosuch()"),
                   notes=(("expanded from",
                           span("macro f(x) { x + nosuch() } begin { f(1) }", "f(1)")),)),
        ("stdin:1:18-26: ERROR: Unknown function: 'nosuch'\n"
        "macro f(x) { x + nosuch() } begin { f(1) }\n"
        "                 ~~~~~~~~\n"
        "stdin:1:37-41: ERROR: expanded from\n"
        "macro f(x) { x + nosuch() } begin { f(1) }\n"
        "                                    ~~~~"),
    ),
    (
        Diagnostic(WARNING, "the map is never read", span("begin { @a = 1 }", "@a", "tool.bt")),
        ("tool.bt:1:9-11: WARNING: the map is never read\n"
        "begin { @a = 1 }\n"
        "        ~~"),
    ),
    (
        Diagnostic(ERROR, "no script", None, ("give one with -e",)),
        "ERROR: no script\nHINT: give one with -e",
    ),
    (
        Diagnostic(ERROR, "columns count characters", span('print("üß"); x', "x")),
        ("stdin:1:14-15: ERROR: columns count characters\n"
        'print("üß"); x\n'
        "             ~"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("diagnostic", "text"), GOLDEN)
def test_golden(diagnostic, text):
    assert diagnostic.render() == text


@pytest.mark.parametrize(
    ("text", "offset", "position"),
    [
        ("", 0, (1, 1)),
        ("ab", 0, (1, 1)),
        ("ab", 2, (1, 3)),
        ("a\nb", 1, (1, 2)),
        ("a\nb", 2, (2, 1)),
        ("a\n", 2, (2, 1)),
        ("\n\n\nx", 3, (4, 1)),
        ("a\r\nb", 3, (2, 1)),
    ],
)
def test_positions(text, offset, position):
    assert Source("stdin", text).position(offset) == position


def test_lines():
    source = Source("stdin", "one\r\ntwo\n\nfour")
    assert [source.line(n) for n in (1, 2, 3, 4)] == ["one", "two", "", "four"]
    assert Source("stdin", "").line(1) == ""
    assert repr(source) == "Source('stdin', 14 characters)"


def test_spans():
    source = Source("stdin", "begin { }")
    assert Span(source, 0, 5).text == "begin"
    end = Span(source, 9, 9)
    assert end.location() == "stdin:1:10-10"
    assert end.excerpt() == "begin { }\n         ~"
    backwards = Span(source, 5, 2)
    assert backwards.location() == "stdin:1:6-6"


def test_a_script_of_one_long_line():
    text = "x = 1; " * 1_000_000 + "nosuch()" + "; y = 2" * 1_000_000
    shown = Diagnostic(ERROR, "wrong", span(text, "nosuch()")).render().split("\n")
    assert shown[0] == "stdin:1:7000001-7000009: ERROR: wrong"
    assert len(shown) == 3
    line, marks = shown[1:]
    assert len(line) == 242
    assert line[0] == line[-1] == "…"
    assert line[marks.index("~") : len(marks)] == "nosuch()"
    start = Span(Source("stdin", text), 0, 1).excerpt().split("\n")
    assert start[0].startswith("x = 1; ")
    assert start[1] == "~"
    whole = Span(Source("stdin", text), 0, len(text)).excerpt().split("\n")
    assert len(whole[0]) == len(whole[1]) + 1 == 241
    end = Span(Source("stdin", text), len(text), len(text)).excerpt().split("\n")
    assert end[0].endswith("y = 2")
    assert end[1].index("~") == len(end[0])


def test_a_span_of_many_lines():
    text = "\n".join(f"line {n}" for n in range(1, 1001))
    excerpt = Span(Source("stdin", text), 0, len(text)).excerpt().split("\n")
    assert excerpt == [*(f"line {n}" for n in range(1, 8)), "…", "line 1000"]
    assert Span(Source("stdin", text), 0, len(text)).location() == "stdin:1-1000"


def test_script_errors_hold_all_diagnostics():
    error = ScriptError(iter([GOLDEN[0][0], GOLDEN[5][0]]))
    assert isinstance(error, PrybeeError)
    assert len(error.diagnostics) == 2
    assert str(error) == f"{GOLDEN[0][1]}\n{GOLDEN[5][1]}"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (NotSupported("kprobes"), "kprobes"),
        (NotSupported("kprobes", "CONFIG_KPROBES is off"), "kprobes: CONFIG_KPROBES is off"),
        (
            NotSupported("kprobes", "CONFIG_KPROBES is off", "use a tracepoint"),
            "kprobes: CONFIG_KPROBES is off\nHINT: use a tracepoint",
        ),
        (NotSupported("kprobes", instead="use a tracepoint"), "kprobes\nHINT: use a tracepoint"),
        (KernelError("map_create", errno.EPERM), "map_create: EPERM: Operation not permitted"),
        (
            KernelError("map_create", errno.ENOENT, "mount bpffs"),
            "map_create: ENOENT: No such file or directory\nHINT: mount bpffs",
        ),
        (
            VerifierRejected("the pointer may be null", "handler"),
            "ERROR: the kernel refused handler: the pointer may be null",
        ),
        (VerifierRejected("too long"), "ERROR: the kernel refused the program: too long"),
        (
            VerifierRejected(
                "the pointer may be null", "handler", span("begin { *$p }", "*$p"),
                ("a", "b"), "check it with if ($p)", "R1 invalid mem access",
            ),
            ("stdin:1:9-12: ERROR: the kernel refused handler: the pointer may be null\n"
            "begin { *$p }\n"
            "        ~~~\n"
            "HINT: check it with if ($p)"),
        ),
    ],
)  # fmt: skip
def test_errors(error, text):
    assert str(error) == text
    assert isinstance(error, PrybeeError)


def test_what_errors_carry():
    refused = VerifierRejected("r", "p", None, ("a",), "s", "log")
    assert (refused.reason, refused.program, refused.path, refused.suggestion, refused.log) == (
        "r", "p", ("a",), "s", "log",
    )  # fmt: skip
    failed = KernelError("bpf", errno.EINVAL, "hint")
    assert (failed.call, failed.errno, failed.hint) == ("bpf", errno.EINVAL, "hint")


def test_error_numbers():
    assert error_text(ENOTSUPP) == "ENOTSUPP: Operation not supported by this kernel"
    assert error_text(errno.E2BIG) == "E2BIG: Argument list too long"
    assert error_text(99999) == "errno 99999: Unknown error 99999"


@pytest.mark.parametrize(
    ("word", "known", "answer"),
    [
        ("prinft", ["print", "printf", "exit", "strftime"], ("printf", "print")),
        ("PRINTF", ["printf", "exit"], ("printf",)),
        ("comm", ["pid", "tid"], ()),
        ("", ["pid"], ()),
        ("x", [], ()),
        ("bein", iter(["BEGIN", "END"]), ("BEGIN",)),
    ],
)
def test_did_you_mean(word, known, answer):
    assert did_you_mean(word, known) == answer


def test_did_you_mean_gives_few():
    assert len(did_you_mean("probe", [f"probe{n}" for n in range(50)])) == 3
