"""``prybee lsp``, driven over its standard streams as an editor does."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from prybee.engines.saved import save
from tests.cli.test_check import Made

URI = "file:///x/script.bt"


class Editor:
    """A client: requests, and the notifications that came meanwhile."""

    def __init__(self, *options: str) -> None:
        self.server = subprocess.Popen(
            [sys.executable, "-m", "prybee", "lsp", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.notes: list[dict[str, Any]] = []
        self.number = 0

    def send(self, method: str, params: object, number: int | None = None) -> None:
        message: dict[str, object] = {"jsonrpc": "2.0", "method": method, "params": params}
        if number is not None:
            message["id"] = number
        data = json.dumps(message).encode()
        assert self.server.stdin is not None
        self.server.stdin.write(b"Content-Length: %d\r\n\r\n" % len(data) + data)
        self.server.stdin.flush()

    def receive(self) -> dict[str, Any]:
        stream = self.server.stdout
        assert stream is not None
        head = stream.readline()
        assert head.startswith(b"Content-Length:"), head
        assert stream.readline() == b"\r\n"
        found: dict[str, Any] = json.loads(stream.read(int(head.partition(b":")[2])))
        return found

    def raw(self, method: str, params: object) -> dict[str, Any]:
        self.number += 1
        self.send(method, params, self.number)
        while True:
            message = self.receive()
            if message.get("id") == self.number:
                return message
            self.notes.append(message)

    def ask(self, method: str, params: object) -> Any:
        answer = self.raw(method, params)
        assert "error" not in answer, answer
        return answer["result"]

    def open(self, text: str) -> list[dict[str, Any]]:
        """Show a script; what is said to be wrong with it."""
        document = {"uri": URI, "languageId": "bpftrace", "version": 1, "text": text}
        self.send("textDocument/didOpen", {"textDocument": document})
        note = self.receive()
        assert note["method"] == "textDocument/publishDiagnostics"
        found: list[dict[str, Any]] = note["params"]["diagnostics"]
        return found

    def end(self) -> int:
        """Say exit; the server's exit status."""
        try:
            self.send("exit", None)
            return self.server.wait(20)
        finally:
            self.server.kill()
            self.server.wait()
            for stream in (self.server.stdin, self.server.stdout):
                assert stream is not None
                stream.close()

    def at(self, method: str, text: str) -> Any:
        """Ask about the place of the ``|`` in ``text``."""
        before = text.partition("|")[0]
        self.open(text.replace("|", "", 1))
        line = before.count("\n")
        character = len(before.rpartition("\n")[2].encode("utf-16-le")) // 2
        where = {"line": line, "character": character}
        return self.ask(f"textDocument/{method}", {"textDocument": {"uri": URI}, "position": where})


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    path = tmp_path_factory.mktemp("lsp") / "made.target"
    save(Made(), str(path), b"")
    client = Editor("--target", str(path))
    client.ask("initialize", {"capabilities": {}})
    client.send("initialized", {})
    yield client
    client.ask("shutdown", None)
    assert client.end() == 0


def labels(found: dict[str, Any]) -> list[str]:
    return [item["label"] for item in found["items"]]


def test_diagnostics(editor: Editor) -> None:
    assert editor.open("begin { @x = 1; }") == []
    (found,) = editor.open('begin {\n  print(("𝄞", $y));\n}')
    assert found["severity"] == 1
    # The clef is two UTF-16 units.
    assert found["range"]["start"] == {"line": 1, "character": 15}
    assert found["range"]["end"] == {"line": 1, "character": 17}
    assert len(editor.open("begin { @x = ; }\nend { 1 2; }")) == 2


def test_a_change_is_checked(editor: Editor) -> None:
    editor.open("begin { @x = 1; }")
    change = {"textDocument": {"uri": URI, "version": 2}, "contentChanges": [{"text": "begin {"}]}
    editor.send("textDocument/didChange", change)
    assert editor.receive()["params"]["diagnostics"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("begin { @x = coun|t(); }", "count()"),
        ("begin { print(ns|ecs); }", "nanoseconds since boot"),
        ("begin { $x| = (uint16)5; print($x); }", "uint16"),
        ("t:made:up { print(args.file|name); }", "filename"),
        ("t:made:up { print(args.file|name); $x = ; }", "const char * filename;"),
        ("tracepoint:ma|de:up { }", "filename"),
        ("macro twice($a) { $a * 2 }\nbegin { print(twi|ce(2)); }", "macro twice($a)"),
    ],
)
def test_hover(editor: Editor, text: str, wanted: str) -> None:
    assert wanted in editor.at("hover", text)["contents"]["value"]


def test_hover_over_nothing(editor: Editor) -> None:
    assert editor.at("hover", "begin { } | ") is None


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("tracep|", ["tracepoint"]),
        ("tracepoint:made:|", ["tracepoint:made:up", "tracepoint:made:bare"]),
        ("begin { }\nt:made:u|", ["t:made:up"]),
        ("iter:|", ["iter:task"]),
        ("t:made:up { print(args.|", ["filename"]),
        ("begin { }\nt:made:up /args->f|", ["filename"]),
        ("begin { @first = 1; $second = 2; print(@f|", ["@first"]),
        ("begin { @first = 1; $second = 2; print($s|", ["$second"]),
        ("macro mine($a) { $a }\nbegin { mi|", ["mine", "min"]),
        ("begin { comp|", ["comptime"]),
    ],
)
def test_completion(editor: Editor, text: str, wanted: list[str]) -> None:
    assert labels(editor.at("completion", text)) == wanted


def test_completion_replaces_what_was_typed(editor: Editor) -> None:
    (item,) = editor.at("completion", "begin { strft|")["items"]
    assert item["textEdit"]["newText"] == "strftime"
    assert item["textEdit"]["range"]["start"] == {"line": 0, "character": 8}
    assert "time" in item["detail"]


def test_definition(editor: Editor) -> None:
    text = "macro twice($a) { $a * 2 }\nbegin { print(twi|ce(2)); }"
    found = editor.at("definition", text)
    assert found["uri"] == URI
    assert found["range"] == {
        "start": {"line": 0, "character": 6},
        "end": {"line": 0, "character": 11},
    }
    assert editor.at("definition", "begin { pri|nt(1); }") is None


def test_formatting(editor: Editor) -> None:
    editor.open("begin{@x=1}")
    (edit,) = editor.ask("textDocument/formatting", {"textDocument": {"uri": URI}})
    assert edit["newText"] == "begin\n{\n  @x = 1;\n}\n"
    assert edit["range"]["end"] == {"line": 0, "character": 11}
    editor.open("begin{")
    assert editor.ask("textDocument/formatting", {"textDocument": {"uri": URI}}) is None


def test_what_it_does_not_know(editor: Editor) -> None:
    assert editor.raw("textDocument/what", {})["error"]["code"] == -32601
    answer = editor.raw("textDocument/hover", {"textDocument": {"uri": "file:///other"}})
    assert answer["error"]["code"] == -32603


@pytest.mark.live
def test_types_of_this_kernel() -> None:
    client = Editor()
    try:
        look_at_this_kernel(client)
    finally:
        assert client.end() == 1  # Nobody said shutdown.


def look_at_this_kernel(client: Editor) -> None:
    client.ask("initialize", {"capabilities": {}})
    shown = client.at("hover", "begin { print(curtask.pi|d); }")
    assert "int32" in shown["contents"]["value"]
    assert (
        "task_struct"
        in client.at("hover", "begin { $t| = curtask; print($t.pid); }")["contents"]["value"]
    )
    found = client.at("completion", "rawtracepoint:sched_swi|")
    assert "rawtracepoint:sched_switch" in labels(found)


def test_grammar() -> None:
    """The TextMate grammar is JSON, its patterns compile, and it knows the language's words."""
    import re

    from prybee.language.lexer import KEYWORDS

    path = Path(__file__).parents[2] / "editors" / "prybee.tmLanguage.json"
    grammar = json.loads(path.read_text())
    assert grammar["scopeName"] == "source.bpftrace"
    patterns = [
        rule[key]
        for entry in grammar["repository"].values()
        for rule in entry["patterns"]
        for key in ("match", "begin", "end")
        if key in rule
    ]
    for pattern in patterns:
        re.compile(pattern)
    for word in KEYWORDS:
        assert any(
            (found := re.match(pattern, word)) and found[0] == word for pattern in patterns
        ), word
