"""An editor for the tests of the language server: pygls's client, asked from ordinary functions."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

from lsprotocol import types
from pygls.lsp.client import LanguageClient

from tests.patience import FACTOR

URI = "file:///x/script.bt"
T = TypeVar("T")


class Editor:
    """A client with a server that it has started.

    Args:
        options: of ``prybee lsp``.
        uri: the script's name.
        encodings: units of columns that the client can count in; none: UTF-16.
        settings: ``initializationOptions``.
    """

    def __init__(
        self,
        *options: str,
        uri: str = URI,
        encodings: tuple[types.PositionEncodingKind, ...] = (),
        settings: object = None,
    ) -> None:
        self.uri = uri
        self.client = LanguageClient("test", "1")
        self.messages: list[str] = []
        self._runner = asyncio.Runner()
        self._published: asyncio.Queue[types.PublishDiagnosticsParams] = asyncio.Queue()
        self._version = 0

        @self.client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def _found(params: types.PublishDiagnosticsParams) -> None:
            self._published.put_nowait(params)

        @self.client.feature(types.WINDOW_SHOW_MESSAGE)
        def _message(params: types.ShowMessageParams) -> None:
            self.messages.append(params.message)

        self.run(self.client.start_io(sys.executable, "-m", "prybee", "lsp", *options))
        general = types.GeneralClientCapabilities(position_encodings=encodings or None)
        params = types.InitializeParams(
            types.ClientCapabilities(general=general), initialization_options=settings
        )
        self.ability = self.run(self.client.initialize_async(params)).capabilities
        self.client.initialized(types.InitializedParams())

    def run(self, work: Coroutine[Any, Any, T], limit: float = 20) -> T:
        """The result of an asynchronous call."""
        return self._runner.run(asyncio.wait_for(work, limit * FACTOR))

    # -- documents -----------------------------------------------------------------------------

    def open(self, text: str) -> list[types.Diagnostic]:
        """Show a script; what is said to be wrong with it."""
        self._version += 1
        document = types.TextDocumentItem(self.uri, "bpftrace", self._version, text)
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(document))
        return self.published()

    def change(self, *texts: str) -> None:
        """Type; each text in a change of its own."""
        for text in texts:
            self._version += 1
            which = types.VersionedTextDocumentIdentifier(self._version, self.uri)
            change = types.TextDocumentContentChangeWholeDocument(text)
            params = types.DidChangeTextDocumentParams(which, [change])
            self.client.text_document_did_change(params)

    def published(self, limit: float = 20) -> list[types.Diagnostic]:
        """The next diagnostics."""
        return list(self.run(self._published.get(), limit).diagnostics)

    @property
    def which(self) -> types.TextDocumentIdentifier:
        """The script."""
        return types.TextDocumentIdentifier(self.uri)

    def place(self, text: str) -> types.Position:
        """Show ``text`` without its ``|``; where that was."""
        before = text.partition("|")[0]
        self.open(text.replace("|", "", 1))
        character = len(before.rpartition("\n")[2].encode("utf-16-le")) // 2
        return types.Position(before.count("\n"), character)

    # -- questions about the place of the | ----------------------------------------------------

    def hover(self, text: str) -> str:
        """What is shown; empty for nothing."""
        params = types.HoverParams(self.which, self.place(text))
        found = self.run(self.client.text_document_hover_async(params))
        if found is None:
            return ""
        assert isinstance(found.contents, types.MarkupContent)
        return found.contents.value

    def complete(self, text: str) -> list[types.CompletionItem]:
        """What may come."""
        params = types.CompletionParams(self.which, self.place(text))
        found = self.run(self.client.text_document_completion_async(params))
        assert isinstance(found, types.CompletionList)
        return list(found.items)

    def labels(self, text: str) -> list[str]:
        """The names of what may come."""
        return [item.label for item in self.complete(text)]

    def definition(self, text: str) -> list[types.Location]:
        """Where it is defined."""
        params = types.DefinitionParams(self.which, self.place(text))
        found = self.run(self.client.text_document_definition_async(params))
        return [each for each in found or () if isinstance(each, types.Location)]

    def signature(self, text: str) -> types.SignatureHelp | None:
        """How the function is called."""
        params = types.SignatureHelpParams(self.which, self.place(text))
        return self.run(self.client.text_document_signature_help_async(params))

    def references(self, text: str) -> list[types.Range]:
        """Where else it is."""
        context = types.ReferenceContext(include_declaration=True)
        params = types.ReferenceParams(context, self.which, self.place(text))
        found = self.run(self.client.text_document_references_async(params))
        return [each.range for each in found or ()]

    def rename(self, text: str, name: str) -> str:
        """The script with another name for what is at the place."""
        params = types.RenameParams(self.which, self.place(text), name)
        edit = self.run(self.client.text_document_rename_async(params))
        assert edit is not None
        assert edit.changes is not None
        return apply(text.replace("|", "", 1), list(edit.changes[self.uri]))

    # -- the end -------------------------------------------------------------------------------

    def end(self, shutdown: bool = True) -> int:
        """Say exit; the server's exit status."""
        server = self.client._server
        assert server is not None
        try:
            if shutdown:
                self.run(self.client.shutdown_async(None))
            self.client.exit(None)
            return self.run(server.wait())
        finally:
            self.close()

    def close(self) -> None:
        """Leave nothing behind."""
        server = self.client._server
        assert server is not None
        if server.returncode is None:
            server.kill()
        self.run(self.client.stop())
        self._runner.close()


def apply(text: str, edits: list[types.TextEdit]) -> str:
    """``text`` (without characters beyond the BMP) after ``edits``."""
    lines = text.split("\n")
    starts = [sum(len(line) + 1 for line in lines[:at]) for at in range(len(lines))]

    def offset(place: types.Position) -> int:
        return starts[place.line] + place.character

    for edit in sorted(edits, key=lambda each: -offset(each.range.start)):
        text = text[: offset(edit.range.start)] + edit.new_text + text[offset(edit.range.end) :]
    return text
