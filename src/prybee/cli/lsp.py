"""``prybee lsp``: a language server on standard input and output.

The protocol is JSON-RPC 2.0 with a ``Content-Length`` header (LSP 3.17); places count UTF-16 units.
"""

from __future__ import annotations

import json
import sys

from prybee.cli.options import UsageError
from prybee.diagnostics import ERROR, WARNING, Source
from prybee.language import assist

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, BinaryIO

    from prybee.diagnostics import Diagnostic, Span
    from prybee.language import tree
    from prybee.plan.target import Target

USAGE = """\
usage: prybee lsp [--target FILE]

Serves an editor over standard input and output: what is wrong as you type, what things are, what
may come next, where macros are defined, and formatting.

  --target FILE  for the kernel that `prybee target save FILE` has saved, not for this one
  -h             this text
"""
# CompletionItemKind of the protocol.
_KINDS = {
    assist.PROBE: 23, assist.FIELD: 5, assist.FUNCTION: 3, assist.MACRO: 3, assist.VARIABLE: 6,
    assist.KEYWORD: 14,
}  # fmt: skip
_SEVERITIES = {ERROR: 1, WARNING: 2}
_UNKNOWN_METHOD, _INTERNAL = -32601, -32603


def main(words: Sequence[str]) -> int:
    """Serve until the editor says exit: 0, or 1 where it did not say shutdown before.

    Raises:
        UsageError: an unknown option.
    """
    if any(word in ("-h", "--help") for word in words):
        sys.stdout.write(USAGE)
        return 0
    if words and (len(words) != 2 or words[0] != "--target"):
        raise UsageError(f"prybee lsp: unknown option '{words[0]}'\n{USAGE.rstrip()}")
    from prybee.cli.check import find_target

    target = find_target(words[1] if words else "")
    return Server(sys.stdin.buffer, sys.stdout.buffer, target).run()


class Document:
    """A script that is open in the editor."""

    def __init__(self, name: str, text: str) -> None:
        self.source = Source(name, text)
        # With types; None where the script could not be compiled.
        self.program: tree.Program | None = None

    def offset(self, position: dict[str, int]) -> int:
        """A place of the protocol as a character offset."""
        text = self.source.text
        at = 0
        for _ in range(position["line"]):
            at = text.find("\n", at) + 1
            if not at:
                return len(text)
        units = position["character"]
        while units > 0 and at < len(text) and text[at] != "\n":
            units -= 2 if ord(text[at]) > 0xFFFF else 1
            at += 1
        return at

    def position(self, offset: int) -> dict[str, int]:
        """A character offset as a place of the protocol."""
        line, column = self.source.position(min(offset, len(self.source.text)))
        before = self.source.text[offset - column + 1 : offset]
        return {"line": line - 1, "character": len(before.encode("utf-16-le")) // 2}

    def range(self, start: int, end: int) -> dict[str, object]:
        """Two offsets as a range of the protocol."""
        return {"start": self.position(start), "end": self.position(end)}


class Server:
    """One editor's server."""

    def __init__(self, reader: BinaryIO, writer: BinaryIO, target: Target) -> None:
        from prybee import functions, probes
        from prybee.language.registry import Registry

        self._reader = reader
        self._writer = writer
        self.target = target
        self.registry = Registry(functions.TABLE, probes.TABLE)
        self.assistant = assist.Assistant(target, self.registry)
        self.documents: dict[str, Document] = {}
        self._shut = False
        self._methods: dict[str, Callable[[dict[str, Any]], object]] = {
            "initialize": self._initialize,
            "shutdown": self._shutdown,
            "textDocument/didOpen": self._opened,
            "textDocument/didChange": self._changed,
            "textDocument/didClose": self._closed,
            "textDocument/hover": self._hover,
            "textDocument/completion": self._completion,
            "textDocument/definition": self._definition,
            "textDocument/formatting": self._formatting,
        }

    # -- messages ------------------------------------------------------------------------------

    def run(self) -> int:
        """Answer messages until the editor ends; the exit status."""
        while (message := self._read()) is not None:
            if message.get("method") == "exit":
                return 0 if self._shut else 1
            self._answer(message)
        return 0 if self._shut else 1

    def _read(self) -> dict[str, Any] | None:
        length = 0
        while True:
            line = self._reader.readline()
            if not line:
                return None
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
            if not line.strip():
                break
        message: dict[str, Any] = json.loads(self._reader.read(length))
        return message

    def _send(self, message: dict[str, object]) -> None:
        data = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._writer.write(b"Content-Length: %d\r\n\r\n%s" % (len(data), data))
        self._writer.flush()

    def _answer(self, message: dict[str, Any]) -> None:
        method = self._methods.get(message.get("method", ""))
        number = message.get("id")
        if method is None:
            if number is not None:
                error = {"code": _UNKNOWN_METHOD, "message": f"no {message.get('method')}"}
                self._send({"id": number, "error": error})
            return
        try:
            result = method(message.get("params") or {})
        except Exception as failure:  # One request fails, and the editor goes on.
            if number is not None:
                error = {"code": _INTERNAL, "message": f"{type(failure).__name__}: {failure}"}
                self._send({"id": number, "error": error})
            return
        if number is not None:
            self._send({"id": number, "result": result})

    # -- what the editor asks ------------------------------------------------------------------

    def _initialize(self, _params: dict[str, Any]) -> object:
        return {
            "capabilities": {
                "textDocumentSync": 1,
                "hoverProvider": True,
                "completionProvider": {"triggerCharacters": [".", ":", "@", "$", ">"]},
                "definitionProvider": True,
                "documentFormattingProvider": True,
            },
            "serverInfo": {"name": "prybee"},
        }

    def _shutdown(self, _params: dict[str, Any]) -> object:
        self._shut = True
        return None

    def _opened(self, params: dict[str, Any]) -> object:
        document = params["textDocument"]
        self._check(document["uri"], document["text"])
        return None

    def _changed(self, params: dict[str, Any]) -> object:
        self._check(params["textDocument"]["uri"], params["contentChanges"][-1]["text"])
        return None

    def _closed(self, params: dict[str, Any]) -> object:
        uri = params["textDocument"]["uri"]
        self.documents.pop(uri, None)
        self._publish(uri, [])
        return None

    def _check(self, uri: str, text: str) -> None:
        """Compile a script, and tell the editor what is wrong with it."""
        from prybee.language.diagnosing import diagnose_with_tree
        from prybee.language.frontend import CompileOptions

        document = self.documents[uri] = Document(uri.rpartition("/")[2], text)
        found, document.program = diagnose_with_tree(
            document.source, self.target, self.registry, CompileOptions(unsafe=True)
        )
        self._publish(uri, [self._shown(document, diagnostic) for diagnostic in found])

    def _publish(self, uri: str, diagnostics: list[dict[str, object]]) -> None:
        params = {"uri": uri, "diagnostics": diagnostics}
        self._send({"method": "textDocument/publishDiagnostics", "params": params})

    @staticmethod
    def _shown(document: Document, diagnostic: Diagnostic) -> dict[str, object]:
        span: Span | None = diagnostic.span
        while span is not None and span.source is not document.source:
            span = span.expanded
        start, end = (span.start, span.end) if span is not None else (0, 0)
        hints = "".join(f"\nhint: {hint}" for hint in diagnostic.hints)
        return {
            "range": document.range(start, end),
            "severity": _SEVERITIES.get(diagnostic.severity, 3),
            "source": "prybee",
            "message": diagnostic.message + hints,
        }

    def _place(self, params: dict[str, Any]) -> tuple[Document, int]:
        document = self.documents[params["textDocument"]["uri"]]
        return document, document.offset(params["position"])

    def _hover(self, params: dict[str, Any]) -> object:
        document, offset = self._place(params)
        text = self.assistant.hover(document.source, document.program, offset)
        return {"contents": {"kind": "markdown", "value": text}} if text else None

    def _completion(self, params: dict[str, Any]) -> object:
        document, offset = self._place(params)
        found = self.assistant.complete(document.source.text, offset)
        items = [
            {
                "label": each.label,
                "kind": _KINDS[each.kind],
                "detail": each.detail,
                "textEdit": {"range": document.range(each.start, offset), "newText": each.label},
            }
            for each in found
        ]
        return {"isIncomplete": len(found) >= assist.MOST, "items": items}

    def _definition(self, params: dict[str, Any]) -> object:
        document, offset = self._place(params)
        word, _start = assist.word_at(document.source.text, offset)
        span = assist.definition(document.source, word)
        if span is None:
            return None
        uri = params["textDocument"]["uri"]
        return {"uri": uri, "range": document.range(span.start, span.end)}

    def _formatting(self, params: dict[str, Any]) -> object:
        from prybee.diagnostics import ScriptError
        from prybee.language.formatting import format_script

        document = self.documents[params["textDocument"]["uri"]]
        try:
            text = format_script(document.source)
        except ScriptError:
            return None
        return [{"range": document.range(0, len(document.source.text)), "newText": text}]
