"""``prybee lsp``, asked by a client of the protocol as an editor asks."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcException

from prybee.btf import BtfBuilder
from prybee.cli import main
from prybee.diagnostics import PrybeeError
from prybee.engines.saved import save
from prybee.tools import catalogue
from tests.cli.editor import URI, Editor
from tests.cli.test_check import Made


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A saved target."""
    builder = BtfBuilder()
    integer = builder.int("int", 4, signed=True)
    builder.struct("inner", 4, [("depth", integer, 0)])
    path = tmp_path_factory.mktemp("lsp") / "made.target"
    save(Made(), str(path), builder.build())
    return str(path)


@pytest.fixture(scope="module")
def editor(made: str) -> Iterator[Editor]:
    client = Editor("--target", made)
    yield client
    assert client.end() == 0


def place(line: int, start: int, end: int) -> types.Range:
    return types.Range(types.Position(line, start), types.Position(line, end))


# -- diagnostics ---------------------------------------------------------------------------------


def test_diagnostics(editor: Editor) -> None:
    assert editor.open("begin { @x = 1; }") == []
    (found,) = editor.open('begin {\n  print(("𝄞", $y));\n}')
    assert found.severity == types.DiagnosticSeverity.Error
    assert found.code == "undefined-variable"
    assert found.source == "prybee"
    # The clef is two UTF-16 units.
    assert found.range == place(1, 15, 17)
    assert len(editor.open("begin { @x = ; }\nend { 1 2; }")) == 2


def test_warnings(editor: Editor) -> None:
    (found,) = editor.open("BEGIN { @x = 1 }")
    assert found.severity == types.DiagnosticSeverity.Warning
    assert found.code == "deprecated"
    assert list(found.tags or ()) == [types.DiagnosticTag.Deprecated]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("begin { foo() }", "unknown-function"),
        ("begin { x }", "unknown-identifier"),
        ("begin { (struct foox *)1 }", "unknown-type"),
        ("struct a { int b; }\nbegin { ((struct a *)1)->c }", "unknown-field"),
        ("begin { print(@x) }", "undefined-map"),
        ("kprobee:f { }", "probe-type"),
        ("t:made:down { }", "probe-not-found"),
        ('begin { $x = 1; $x = "a" }', "type-mismatch"),
        ("config = { foo = 1 } begin { }", "config"),
        ('import "x.bt"; begin { }', "import"),
        ("begin { str() }", "argument"),
        ("begin { print(1", "syntax"),
    ],
)
def test_codes(editor: Editor, text: str, code: str) -> None:
    assert [each.code for each in editor.open(text)] == [code]


def test_places_in_macros(editor: Editor) -> None:
    """A mistake inside of a macro is shown there, with the places that use it."""
    (found,) = editor.open("macro bad($a) { $a + nothing }\nbegin { $b = 1; print(bad($b)); }")
    assert found.range == place(0, 21, 28)
    assert found.related_information is not None
    (related,) = found.related_information
    assert related.message == "expanded from"
    assert related.location.uri == URI
    assert related.location.range == place(1, 22, 29)


def test_notes_are_related_places(editor: Editor) -> None:
    (found,) = editor.open("macro a() { 1 }\nmacro a() { 2 }\nbegin { }")
    assert found.code == "redefinition"
    assert found.related_information is not None
    assert found.related_information[0].location.range.start.line == 0


def test_places_in_imports(made: str, tmp_path: Path) -> None:
    (tmp_path / "lib.bt").write_text("\nmacro bad() { nothing }\n")
    client = Editor("--target", made, uri=(tmp_path / "main.bt").as_uri())
    try:
        (found,) = client.open('import "lib.bt";\nbegin { print(bad()); }')
        assert found.related_information is not None
        related = {each.location.uri: each.location.range for each in found.related_information}
        assert related[(tmp_path / "lib.bt").as_uri()] == place(1, 14, 21)
    finally:
        assert client.end() == 0


def test_changes_are_checked_after_a_pause(editor: Editor) -> None:
    editor.open("begin { @x = 1; }")
    editor.change("begin {", "begin { @", "begin { @x = $y; }")
    (found,) = editor.published()
    assert found.code == "undefined-variable"
    with pytest.raises(TimeoutError):
        editor.published(0.5)


def test_closing_clears(editor: Editor) -> None:
    editor.open("begin {")
    editor.client.text_document_did_close(types.DidCloseTextDocumentParams(editor.which))
    assert editor.published() == []


def test_a_long_script_is_not_checked(editor: Editor) -> None:
    (found,) = editor.open("begin { }\n" + "// nothing\n" * 50_000)
    assert found.severity == types.DiagnosticSeverity.Information
    assert "400,000" in found.message
    params = types.HoverParams(editor.which, types.Position(0, 2))
    assert editor.run(editor.client.text_document_hover_async(params)) is not None


# -- hover ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("begin { @x = coun|t(); }", "count()"),
        ("begin { print(ns|ecs); }", "nanoseconds since boot"),
        ("begin { $x| = (uint16)5; print($x); }", "uint16"),
        ("t:made:up { print(args.file|name); }", "filename"),
        ("t:made:up { print(args.file|name); $x = ; }", "const char * filename;"),
        ("tracepoint:ma|de:up { }", "filename"),
        ("begin { }\nend { }\nt:made:bare, t:made:u|p /pid/ { }", "filename"),
        ("// Doubles it.\nmacro twice($a) { $a * 2 }\nbegin { print(twi|ce(2)); }", "Doubles it."),
        ("macro twice($a) { $a * 2 }\nbegin { print(twi|ce(2)); }", "macro twice($a)"),
        (
            "fn f($a: int64): int64 { return $a; }\nbegin { print(f|(2)); }",
            "fn f($a: int64): int64",
        ),
        ("begin { asse|rt(1) }", "assert"),
        ("config = { max_str|len = 64 }\nbegin { }", "default 1024"),
        ("begin { print(sizeof(struct inn|er)); }", "int depth;"),
        ("struct own { int z; }\nbegin { print(sizeof(struct o|wn)); }", "int z;"),
        ("begin { $a = (x=1, y=(uint16)2); print($a.y|); }", "uint16"),
    ],
)
def test_hover(editor: Editor, text: str, wanted: str) -> None:
    assert wanted in editor.hover(text)


@pytest.mark.parametrize(
    "text", ["begin { } | ", "// nse|cs\nbegin { }", 'begin { print("pi|d"); }']
)
def test_hover_over_nothing(editor: Editor, text: str) -> None:
    assert editor.hover(text) == ""


# -- completion ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("tracep|", ["tracepoint"]),
        ("tracepoint:|", ["tracepoint:made:up", "tracepoint:made:bare"]),
        ("tracepoint:made:|", ["tracepoint:made:up", "tracepoint:made:bare"]),
        ("begin { }\nt:made:u|", ["t:made:up"]),
        ("begin { }\nmac|", ["macro"]),
        ("iter:|", ["iter:task"]),
        ("profile:m|", ["profile:ms:"]),
        ("t:made:up { print(args.|", ["filename"]),
        ("t:made:up { if (args.|) { } }\nend { }", ["filename"]),
        ("begin { }\nt:made:up /args->f|", ["filename"]),
        ("begin { $p = (struct inner *)8; print($p->|", ["depth"]),
        ("begin { $p = (struct inner *)8; print($p.|); }\nend { $q = 1; }", ["depth"]),
        ("begin { bad(; print(((struct inner *)8).de|", ["depth"]),
        ("begin { @r[1] = (up=1, down=2); print(@r[1].|", ["up", "down"]),
        ("begin { print((struct in|", ["inner"]),
        ("begin { @first = 1; $second = 2; print(@f|", ["@first"]),
        ("begin { @first = 1; $second = 2; print($s|", ["$second"]),
        ("begin { $other = 1; }\nend { $mine = 2; print($|", ["$mine"]),
        ("macro mine($a) { $a }\nbegin { mi|", ["mine", "min"]),
        ("begin { stat|", ["stats", "static_assert"]),
        ("begin { comp|", ["comptime"]),
        ("config = { missing_|", ["missing_probes"]),
        ('config = { missing_probes = "w|', ["warn"]),
        ("config = { lazy_symbolication = |", ["true", "false"]),
        ("begin { // pi|", []),
        ('begin { print("pi|', []),
        ("begin { print(1..|", None),
    ],
)
def test_completion(editor: Editor, text: str, wanted: list[str] | None) -> None:
    if wanted is None:
        assert len(editor.labels(text)) > 100
    else:
        assert editor.labels(text) == wanted


def test_completion_replaces_what_was_typed(editor: Editor) -> None:
    (item,) = editor.complete("begin { strft|")
    assert isinstance(item.text_edit, types.TextEdit)
    assert item.text_edit.new_text == "strftime"
    assert item.text_edit.range == place(0, 8, 13)
    assert "time" in (item.detail or "")


# -- signatures ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "form", "argument"),
    [
        ("begin { strftime(|", "strftime(", 0),
        ('begin { strftime("%H", |', "strftime(", 1),
        ('begin { printf("a,b(", str(1, 2), (1, 2), |', "printf(", 3),
        ("macro m($a, $b) { $a }\nbegin { m(1, |) }", "m($a, $b)", 1),
        ("fn f($a: int64): int64 { return $a; }\nbegin { f(|", "f($a: int64): int64", 0),
    ],
)
def test_signature(editor: Editor, text: str, form: str, argument: int) -> None:
    found = editor.signature(text)
    assert found is not None
    assert found.signatures[0].label.startswith(form)
    assert found.active_parameter == argument
    assert found.signatures[0].parameters


@pytest.mark.parametrize("text", ["begin { |", "begin { strftime(1, 2); |", "begin { if (1|"])
def test_no_signature(editor: Editor, text: str) -> None:
    assert editor.signature(text) is None


# -- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("macro twice($a) { $a * 2 }\nbegin { print(twi|ce(2)); }", place(0, 6, 11)),
        ("fn f($a: int64): int64 { return $a; }\nbegin { print(f|(2)); }", place(0, 3, 4)),
        ("struct own { int z; }\nbegin { sizeof(struct ow|n) }", place(0, 7, 10)),
        ("end { $x = 3; }\nbegin { let $x = 1; print($x|); }", place(1, 12, 14)),
        ("begin { @m = 1; }\nend { print(@m|); }", place(0, 8, 10)),
        ("let @m = hash(4);\nend { @m[1] = 2; print(@m|); }", place(0, 4, 6)),
    ],
)
def test_definition(editor: Editor, text: str, where: types.Range) -> None:
    assert [(each.uri, each.range) for each in editor.definition(text)] == [(URI, where)]


def test_definition_of_nothing(editor: Editor) -> None:
    assert editor.definition("begin { pri|nt(1); }") == []


def test_definition_in_other_files(made: str, tmp_path: Path) -> None:
    library = tmp_path / "lib.bt"
    library.write_text("// a\nmacro there() { 1 }\n")
    client = Editor("--target", made, uri=(tmp_path / "main.bt").as_uri())
    try:
        (found,) = client.definition('import "lib.bt";\nbegin { print(the|re()); }')
        assert (found.uri, found.range) == (library.as_uri(), place(1, 6, 11))
        (found,) = client.definition('import "lib|.bt";\nbegin { }')
        assert found.uri == library.as_uri()
        assert client.definition('import "nothing|.bt";\nbegin { }') == []
        (found,) = client.definition("begin { asser|t(1); }")
        assert found.uri.endswith("/stdlib/base.bt")
    finally:
        assert client.end() == 0


def test_references(editor: Editor) -> None:
    text = "begin { @m = 1; $m = 2; }\nmacro f(@m) { @m }\nend { print(@m|); } // @m"
    assert editor.references(text) == [place(0, 8, 10), place(2, 12, 14)]
    text = "begin { $m = 1; print($m|); }\nend { $m = 2; }"
    assert editor.references(text) == [place(0, 8, 10), place(0, 22, 24)]


@pytest.mark.parametrize(
    ("text", "name", "wanted"),
    [
        ("begin { $m| = 1; print($m); }\nend { $m = 2; }", "n",
         "begin { $n = 1; print($n); }\nend { $m = 2; }"),
        ("begin { @m| = 1; }\nend { print(@m); }", "@other",
         "begin { @other = 1; }\nend { print(@other); }"),
        ("macro f|($a) { $a }\nbegin { f(1); $f = 2; }", "g",
         "macro g($a) { $a }\nbegin { g(1); $f = 2; }"),
    ],
)  # fmt: skip
def test_rename(editor: Editor, text: str, name: str, wanted: str) -> None:
    assert editor.rename(text, name) == wanted


def test_what_cannot_be_renamed(editor: Editor) -> None:
    with pytest.raises(JsonRpcException, match="no name for"):
        editor.rename("begin { $m| = 1; }", "1x")
    at = editor.place("begin { pri|nt(1); }")
    params = types.PrepareRenameParams(editor.which, at)
    assert editor.run(editor.client.text_document_prepare_rename_async(params)) is None


def test_symbols(editor: Editor) -> None:
    text = (
        "// a { brace\nimport \"x.bt\";\nconfig = { max_strlen = 64 }\nstruct s { int a; }\n"
        "let @m = hash(2);\nmacro f($a) { $a }\nfn g(): int64 { return 1; }\n"
        "t:made:up, t:made:bare\n/pid == 1/\n{\n  @m[1] = 2;\n}\nend {"
    )  # fmt: skip
    editor.open(text)
    params = types.DocumentSymbolParams(editor.which)
    found = editor.run(editor.client.text_document_document_symbol_async(params))
    assert [each.name for each in found or ()] == [
        "x.bt", "config", "s", "@m", "f", "g", "t:made:up, t:made:bare", "end",
    ]  # fmt: skip
    assert found is not None
    probe = found[6]
    assert isinstance(probe, types.DocumentSymbol)
    assert probe.range == types.Range(types.Position(7, 0), types.Position(11, 1))
    assert probe.selection_range == place(7, 0, 22)


# -- changes -------------------------------------------------------------------------------------


def test_formatting(editor: Editor) -> None:
    editor.open("begin{@x=1}")
    options = types.FormattingOptions(tab_size=2, insert_spaces=True)
    params = types.DocumentFormattingParams(editor.which, options)
    found = editor.run(editor.client.text_document_formatting_async(params))
    assert found is not None
    assert found[0].new_text == "begin\n{\n  @x = 1;\n}\n"
    assert found[0].range == place(0, 0, 11)
    editor.open("begin{")
    assert editor.run(editor.client.text_document_formatting_async(params)) is None


def test_quick_fix(editor: Editor) -> None:
    found = editor.open("begin { prinft(1); }")
    context = types.CodeActionContext(found)
    params = types.CodeActionParams(editor.which, found[0].range, context)
    action, other = editor.run(editor.client.text_document_code_action_async(params)) or ()
    assert other.title == "Change to 'print'"
    assert isinstance(action, types.CodeAction)
    assert action.title == "Change to 'printf'"
    assert action.edit is not None
    assert action.edit.changes is not None
    assert list(action.edit.changes[URI]) == [types.TextEdit(place(0, 8, 14), "printf")]


# -- what goes wrong -----------------------------------------------------------------------------


def test_scripts_that_are_not_open(editor: Editor) -> None:
    params = types.HoverParams(types.TextDocumentIdentifier("file:///other"), types.Position(0, 0))
    assert editor.run(editor.client.text_document_hover_async(params)) is None


def test_places_that_are_not_there(editor: Editor) -> None:
    editor.open("begin { }")
    for at in (types.Position(0, 999), types.Position(999, 0), types.Position(999, 999)):
        params = types.HoverParams(editor.which, at)
        assert editor.run(editor.client.text_document_hover_async(params)) is None


@pytest.mark.parametrize(
    "text",
    ["", "\0", "{{{{", "}}}}", "begin {" * 300, "(" * 5000, "/*", '"', "\ud800", "a:b:c:d:e {",
     "begin { @[", "struct {", "config =", "macro", "t:made:up /", "é𝄞\u2028\x0c begin { }"],
)  # fmt: skip
def test_anything_may_be_typed(editor: Editor, text: str) -> None:
    editor.open(text)
    for at in range(0, min(len(text), 40) + 1, 7):
        where = types.Position(0, at)
        client = editor.client
        editor.run(client.text_document_hover_async(types.HoverParams(editor.which, where)))
        editor.run(
            client.text_document_completion_async(types.CompletionParams(editor.which, where))
        )
        editor.run(
            client.text_document_definition_async(types.DefinitionParams(editor.which, where))
        )
    params = types.DocumentSymbolParams(editor.which)
    editor.run(editor.client.text_document_document_symbol_async(params))
    assert editor.open("begin { }") == []


@pytest.mark.parametrize(
    ("encoding", "start"),
    [(types.PositionEncodingKind.Utf8, 17), (types.PositionEncodingKind.Utf32, 14)],
)
def test_other_units(made: str, encoding: types.PositionEncodingKind, start: int) -> None:
    client = Editor("--target", made, encodings=(encoding,))
    try:
        assert client.ability.position_encoding == encoding
        (found,) = client.open('begin {\n  print(("𝄞", $y));\n}')
        assert found.range == place(1, start, start + 2)
    finally:
        assert client.end() == 0


def test_target_by_settings(made: str, tmp_path: Path) -> None:
    client = Editor(settings={"target": made})
    try:
        assert client.open("t:made:up { }") == []
    finally:
        assert client.end() == 0
    broken = tmp_path / "broken"
    broken.write_text("x")
    client = Editor(settings={"target": str(broken)})
    try:
        client.open("begin { }")
        assert "is no saved target" in client.messages[0]
    finally:
        assert client.end() == 0


def test_cancelled_requests(editor: Editor) -> None:
    """A request that is cancelled is answered one way or the other, and others after it."""
    at = editor.place("begin { print(ns|ecs); }")
    params = types.HoverParams(editor.which, at)

    async def both() -> object:
        first = editor.client.protocol.send_request_async("textDocument/hover", params, "one")
        task = asyncio.ensure_future(first)
        await asyncio.sleep(0)
        editor.client.cancel_request(types.CancelParams("one"))
        await asyncio.wait({task}, timeout=5)
        return await editor.client.text_document_hover_async(params)

    assert editor.run(both()) is not None


def test_exit_without_shutdown(made: str) -> None:
    assert Editor("--target", made).end(shutdown=False) == 1


@pytest.mark.parametrize("sent", [b"", b"Content-Length: 500\r\n\r\n{"])
def test_the_editor_dies(made: str, sent: bytes) -> None:
    """The server ends by itself, without a traceback."""
    words = [sys.executable, "-m", "prybee", "lsp", "--target", made]
    done = subprocess.run(words, input=sent, capture_output=True, timeout=20, check=False)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr


def test_garbage_is_survived(made: str) -> None:
    ask = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "shutdown"}).encode()
    sent = b"Content-Length: 3\r\n\r\n{x}"
    sent += b"Content-Length: %d\r\n\r\n%s" % (len(ask), ask)
    words = [sys.executable, "-m", "prybee", "lsp", "--target", made]
    done = subprocess.run(words, input=sent, capture_output=True, timeout=20, check=False)
    assert b'"id": 1' in done.stdout.replace(b'":', b'": ').replace(b":  ", b": ")


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "prybee.cli.language_server", raising=False)
    monkeypatch.delattr("prybee.cli.language_server", raising=False)
    monkeypatch.setitem(sys.modules, "pygls.lsp.server", None)
    monkeypatch.setitem(sys.modules, "lsprotocol", None)
    from prybee.cli import lsp

    with pytest.raises(PrybeeError, match=r"pip install 'prybee\[lsp\]'") as caught:
        lsp.main([])
    assert "\n" not in str(caught.value)


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lsp", "--help"]) == 0
    assert "initializationOptions" in capsys.readouterr().out
    assert main(["lsp", "--nothing"]) == 1
    assert "unknown option '--nothing'" in capsys.readouterr().err


# -- the running kernel --------------------------------------------------------------------------


@pytest.mark.live
def test_types_of_this_kernel() -> None:
    client = Editor()
    try:
        assert "int32" in client.hover("begin { print(curtask.pi|d); }")
        assert "task_struct" in client.hover("begin { $t| = curtask; print($t.pid); }")
        assert "next;" in client.hover("begin { sizeof(struct list_he|ad) }")
        assert "rawtracepoint:sched_switch" in client.labels("rawtracepoint:sched_swi|")
        assert {"tracepoint:syscalls:", "tracepoint:sched:"} <= set(client.labels("tracepoint:s|"))
        assert "software:page-faults:" in client.labels("software:pa|")
        assert "mmap_base" in client.labels("begin { print(curtask.mm->mmap|")
        assert "uprobe:libc:malloc" in client.labels("uprobe:libc:mall|")
        begin = time.monotonic()
        client.labels("rawtracepoint:sched_switch { print(args.next.|")
        assert time.monotonic() - begin < 5
    finally:
        assert client.end() == 0


# -- the grammar ---------------------------------------------------------------------------------

GRAMMAR = json.loads((Path(__file__).parents[2] / "editors" / "prybee.tmLanguage.json").read_text())
RULES = [rule for entry in GRAMMAR["repository"].values() for rule in entry["patterns"]]


def test_grammar() -> None:
    """The TextMate grammar is JSON, its patterns compile, and it knows the language's words."""
    from prybee.language.lexer import KEYWORDS

    assert GRAMMAR["scopeName"] == "source.bpftrace"
    patterns = [rule[key] for rule in RULES for key in ("match", "begin", "end") if key in rule]
    for pattern in patterns:
        re.compile(pattern)
    for word in KEYWORDS:
        assert any(
            (found := re.match(pattern, word)) and found[0] == word for pattern in patterns
        ), word


def scopes(text: str) -> list[tuple[str, str]]:
    """Pieces of ``text`` and their scopes; empty for what no rule matches."""
    found: list[tuple[str, str]] = []
    for line in text.splitlines():
        at = 0
        while at < len(line):
            best: tuple[int, str, str] | None = None
            for rule in RULES:
                match = re.compile(rule.get("match") or rule["begin"]).search(line, at)
                if match is None or not match[0] or (best and match.start() >= best[0]):
                    continue
                piece = match[0]
                if "begin" in rule:
                    # A string: up to a quote without a backslash before it.
                    end = re.compile(r'(?:\\.|[^"\\])*"').match(line, match.end())
                    piece += end[0] if end else line[match.end() :]
                best = (match.start(), piece, rule["name"])
            begin = best[0] if best else len(line)
            if line[at:begin].strip():
                found.append((line[at:begin].strip(), ""))
            if best is None:
                break
            found.append((best[1], best[2]))
            at = begin + len(best[1])
    return found


@pytest.mark.parametrize("tool", catalogue.load_all(), ids=lambda tool: tool.name)
def test_grammar_reads_the_tools(tool: catalogue.Tool) -> None:
    """Only names of fields, of types and of parameters, and punctuation, are left without scope."""
    pieces = scopes(tool.read().decode())
    plain = {piece for piece, scope in pieces if not scope}
    assert all(re.fullmatch(r"[\w\s.,;:(){}\[\]?/]+", piece) for piece in plain), plain
    kinds = {scope.split(".")[0] for _piece, scope in pieces}
    assert {"comment", "entity", "support"} <= kinds
    for piece, scope in pieces:
        if scope.startswith("entity.name.section"):
            assert re.match(r"[a-zA-Z]+$|[a-z]+:", piece), piece
