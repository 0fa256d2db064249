"""The language server: what the protocol asks, put to :mod:`prybee.language.assist`.

The protocol itself is pygls's.  Everything runs on one thread, in the order in which it comes; a
script is checked when its author pauses.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import sys

from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.uris import from_fs_path, to_fs_path

from prybee import __version__
from prybee.diagnostics import ERROR, WARNING, PrybeeError, ScriptError, Source
from prybee.language import assist, diagnosing, outline

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pygls.workspace import PositionCodec

    from prybee.diagnostics import Diagnostic, Span
    from prybee.language import tree

# Seconds without a change before a script is checked.
PAUSE = 0.15
# Characters of a script that is checked at all.
MOST = 400_000

_KINDS = {
    assist.PROBE: types.CompletionItemKind.Event,
    assist.FIELD: types.CompletionItemKind.Field,
    assist.FUNCTION: types.CompletionItemKind.Function,
    assist.MACRO: types.CompletionItemKind.Function,
    assist.VARIABLE: types.CompletionItemKind.Variable,
    assist.KEYWORD: types.CompletionItemKind.Keyword,
    assist.TYPE: types.CompletionItemKind.Struct,
    assist.SETTING: types.CompletionItemKind.Property,
    assist.VALUE: types.CompletionItemKind.Value,
}
_SYMBOLS = {
    outline.PROBE: types.SymbolKind.Event,
    outline.MACRO: types.SymbolKind.Function,
    outline.FUNCTION: types.SymbolKind.Function,
    outline.TYPE: types.SymbolKind.Struct,
    outline.MAP: types.SymbolKind.Variable,
    outline.CONFIG: types.SymbolKind.Namespace,
    outline.IMPORT: types.SymbolKind.Module,
}
_SEVERITIES = {ERROR: types.DiagnosticSeverity.Error, WARNING: types.DiagnosticSeverity.Warning}
_TAGS = {
    "unused": [types.DiagnosticTag.Unnecessary],
    "deprecated": [types.DiagnosticTag.Deprecated],
}
_MEANT = re.compile(r"did you mean (.+)\?$", re.MULTILINE)
_QUOTED = re.compile(r"['`](.+?)['`]")
_NAMES = re.compile(r"[@$]?[A-Za-z_]\w*|@")


class Document:
    """A script that is open in the editor.

    Attributes:
        uri: its name in the protocol.
        source: its text as it is in the editor; the name is its path.
        found: what is wrong with it, once it was checked.
        program: its tree with types; None before, and where it could not be compiled.
        checked: both are those of ``source``.
    """

    def __init__(self, uri: str, text: str, codec: PositionCodec) -> None:
        self.uri = uri
        self.source = Source(to_fs_path(uri) or uri, text)
        self.found: list[Diagnostic] = []
        self.program: tree.Program | None = None
        self.checked = False
        self._codec = codec

    def offset(self, position: types.Position) -> int:
        """A place of the protocol as a character offset."""
        text = self.source.text
        at = 0
        for _ in range(position.line):
            at = text.find("\n", at) + 1
            if not at:
                return len(text)
        units = position.character
        while units > 0 and at < len(text) and text[at] != "\n":
            units -= self._codec.client_num_units(text[at])
            at += 1
        return at

    def range(self, start: int, end: int, source: Source | None = None) -> types.Range:
        """Two offsets as a range of the protocol."""
        source = source or self.source
        return types.Range(self._position(source, start), self._position(source, end))

    def _position(self, source: Source, offset: int) -> types.Position:
        offset = max(0, min(offset, len(source.text)))
        line, column = source.position(offset)
        before = source.text[offset - column + 1 : offset]
        return types.Position(line - 1, self._codec.client_num_units(before))


class Server(LanguageServer):
    """One editor's server."""

    def __init__(self, saved: str) -> None:
        super().__init__(
            "prybee", __version__, text_document_sync_kind=types.TextDocumentSyncKind.Full
        )
        self.saved = saved
        self.documents: dict[str, Document] = {}
        self.shut = False
        self._assistant: assist.Assistant | None = None

    @property
    def assistant(self) -> assist.Assistant:
        """What knows the language, for the target that was asked for."""
        if self._assistant is None:
            self.aim(self.saved)
        assert self._assistant is not None
        return self._assistant

    def aim(self, saved: str) -> None:
        """Answer for the kernel in the file ``saved``, or with an empty name the running one.

        Raises:
            PrybeeError: the file holds no target.
        """
        from prybee import functions, probes
        from prybee.cli.check import find_target
        from prybee.language.registry import Registry
        from prybee.probes.listing import list_probes

        target = find_target(saved)
        self._assistant = assist.Assistant(
            target,
            Registry(functions.TABLE, probes.TABLE),
            lambda pattern: list_probes(pattern, target),
        )

    # -- documents -----------------------------------------------------------------------------

    def show(self, uri: str, text: str) -> Document:
        """Take the text that the editor has."""
        made = Document(uri, text, self.workspace.position_codec)
        self.documents[uri] = made
        return made

    def place(
        self, shown: types.TextDocumentIdentifier, position: types.Position
    ) -> tuple[Document, int] | None:
        """The script and the offset that a request is about; None where it is not open."""
        document = self.documents.get(shown.uri)
        return (document, document.offset(position)) if document is not None else None

    def typed(self, document: Document) -> Document:
        """``document``, checked; scripts that are too long are not."""
        if not document.checked and len(document.source.text) <= MOST:
            from prybee.language.frontend import CompileOptions

            document.checked = True
            document.found, document.program = diagnosing.check_with_tree(
                document.source,
                self.assistant.target,
                self.assistant.registry,
                # A script that was never saved may import what is beside it, too.
                CompileOptions(
                    unsafe=True, careful=True, folders=(os.path.dirname(document.source.name),)
                ),
            )
        return document

    def publish(self, document: Document) -> None:
        """Tell the editor what is wrong with a script."""
        if len(document.source.text) > MOST:
            shown = [_too_long(document)]
        else:
            shown = [_shown(document, each) for each in self.typed(document).found]
        params = types.PublishDiagnosticsParams(document.uri, shown)
        self.text_document_publish_diagnostics(params)


def serve(saved: str) -> int:
    """Serve over standard input and output; the exit status.

    Args:
        saved: the file of a saved target; empty for the running kernel.

    Raises:
        PrybeeError: it holds no target.
    """
    # pygls logs with tracebacks what the editor is told, too.
    shown = logging.ERROR if os.environ.get("PRYBEE_TRACEBACK") else logging.CRITICAL
    logging.getLogger("pygls").setLevel(shown)
    server = Server(saved)
    if saved:
        server.aim(saved)
    _life(server)
    _questions(server)
    _changes(server)
    # The protocol's stream is closed at the end, and nothing else may write to it.
    sys.stdout.flush()
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    server.start_io(sys.stdin.buffer, out)
    return 0 if server.shut else 1


# -- the life of a server and of scripts ---------------------------------------------------------


def _life(server: Server) -> None:
    @server.feature(types.INITIALIZE)
    def _initialize(params: types.InitializeParams) -> None:
        options = params.initialization_options
        wanted = options.get("target") if isinstance(options, dict) else None
        if isinstance(wanted, str) and wanted:
            try:
                server.aim(os.path.expanduser(wanted))
            except (PrybeeError, OSError) as error:
                text = f"{error}; answers are for the running kernel"
                message = types.ShowMessageParams(types.MessageType.Error, text)
                server.window_show_message(message)

    @server.feature(types.SHUTDOWN)
    def _shutdown(_params: None) -> None:
        server.shut = True

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def _opened(params: types.DidOpenTextDocumentParams) -> None:
        shown = params.text_document
        server.publish(server.show(shown.uri, shown.text))

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    async def _changed(params: types.DidChangeTextDocumentParams) -> None:
        uri = params.text_document.uri
        text = params.content_changes[-1].text
        document = server.show(uri, text)
        await asyncio.sleep(PAUSE)
        if server.documents.get(uri) is document:
            server.publish(document)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def _closed(params: types.DidCloseTextDocumentParams) -> None:
        uri = params.text_document.uri
        server.documents.pop(uri, None)
        server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, []))


# -- what the editor asks ------------------------------------------------------------------------


def _questions(server: Server) -> None:
    @server.feature(types.TEXT_DOCUMENT_HOVER)
    def _hover(params: types.HoverParams) -> types.Hover | None:
        if (at := server.place(params.text_document, params.position)) is None:
            return None
        document, offset = at
        program = server.typed(document).program
        text = server.assistant.hover(document.source, program, offset)
        if not text:
            return None
        return types.Hover(types.MarkupContent(types.MarkupKind.Markdown, text))

    @server.feature(
        types.TEXT_DOCUMENT_COMPLETION,
        types.CompletionOptions(trigger_characters=[".", ":", "@", "$", ">"]),
    )
    def _completion(params: types.CompletionParams) -> types.CompletionList | None:
        if (at := server.place(params.text_document, params.position)) is None:
            return None
        document, offset = at
        found = server.assistant.complete(document.source.text, offset)
        items = [
            types.CompletionItem(
                each.label,
                kind=_KINDS[each.kind],
                detail=each.detail or None,
                text_edit=types.TextEdit(document.range(each.start, offset), each.label),
            )
            for each in found
        ]
        return types.CompletionList(len(found) >= assist.MOST, items)

    @server.feature(
        types.TEXT_DOCUMENT_SIGNATURE_HELP,
        types.SignatureHelpOptions(trigger_characters=["(", ","]),
    )
    def _signature(params: types.SignatureHelpParams) -> types.SignatureHelp | None:
        at = server.place(params.text_document, params.position)
        found = server.assistant.signature(at[0].source.text, at[1]) if at is not None else None
        if found is None:
            return None
        forms = [
            types.SignatureInformation(
                form,
                documentation=found.summary or None,
                parameters=[types.ParameterInformation(name) for name in _parameters(form)],
            )
            for form in found.forms
        ]
        best = next(
            (i for i, form in enumerate(forms) if len(form.parameters or ()) > found.argument), 0
        )
        return types.SignatureHelp(forms, best, found.argument)

    @server.feature(types.TEXT_DOCUMENT_DEFINITION)
    def _definition(params: types.DefinitionParams) -> list[types.Location] | None:
        if (at := server.place(params.text_document, params.position)) is None:
            return None
        document, offset = at
        found = server.assistant.definition(document.source, offset)
        return [_location(document, each) for each in found] or None

    @server.feature(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    def _symbols(params: types.DocumentSymbolParams) -> list[types.DocumentSymbol] | None:
        document = server.documents.get(params.text_document.uri)
        if document is None:
            return None
        return [
            types.DocumentSymbol(
                item.name or "(probe)",
                _SYMBOLS[item.kind],
                document.range(item.start, item.end),
                document.range(item.name_start, item.name_end),
                detail=item.kind,
            )
            for item in outline.items(document.source.text)
        ]

    @server.feature(types.TEXT_DOCUMENT_REFERENCES)
    def _references(params: types.ReferenceParams) -> list[types.Location] | None:
        if (at := server.place(params.text_document, params.position)) is None:
            return None
        document, offset = at
        places = outline.occurrences(document.source.text, offset)
        return [types.Location(document.uri, document.range(*each)) for each in places]

    @server.feature(types.TEXT_DOCUMENT_DOCUMENT_HIGHLIGHT)
    def _highlight(params: types.DocumentHighlightParams) -> list[types.DocumentHighlight] | None:
        if (at := server.place(params.text_document, params.position)) is None:
            return None
        document, offset = at
        places = outline.occurrences(document.source.text, offset)
        return [types.DocumentHighlight(document.range(*each)) for each in places]


def _parameters(form: str) -> Iterator[str]:
    """The parameters in ``name(a, b[, c])``, as they stand there."""
    inside = form[form.find("(") + 1 : form.rfind(")")] if "(" in form else ""
    for part in inside.replace("[", "").replace("]", "").split(","):
        if part.strip():
            yield part.strip()


# -- what changes a script -----------------------------------------------------------------------


def _changes(server: Server) -> None:
    @server.feature(types.TEXT_DOCUMENT_FORMATTING)
    def _formatting(params: types.DocumentFormattingParams) -> list[types.TextEdit] | None:
        from prybee.language.formatting import format_script

        document = server.documents.get(params.text_document.uri)
        if document is None:
            return None
        try:
            text = format_script(document.source)
        except ScriptError:
            return None
        return [types.TextEdit(document.range(0, len(document.source.text)), text)]

    @server.feature(types.TEXT_DOCUMENT_RENAME, types.RenameOptions(prepare_provider=True))
    def _rename(params: types.RenameParams) -> types.WorkspaceEdit | None:
        document = server.documents.get(params.text_document.uri)
        if document is None:
            return None
        text = document.source.text
        places = outline.occurrences(text, document.offset(params.position))
        if not places:
            return None
        old = text[slice(*places[0])]
        sigil = old[0] if old[0] in "@$" else ""
        new = params.new_name if params.new_name.startswith(sigil) else sigil + params.new_name
        if not _NAMES.fullmatch(new) or (new[0] in "@$") != bool(sigil):
            raise ValueError(f"'{params.new_name}' is no name for {old}")
        edits = [types.TextEdit(document.range(*each), new) for each in places]
        return types.WorkspaceEdit({document.uri: edits})

    @server.feature(types.TEXT_DOCUMENT_PREPARE_RENAME)
    def _prepare(params: types.PrepareRenameParams) -> types.Range | None:
        document = server.documents.get(params.text_document.uri)
        if document is None:
            return None
        offset = document.offset(params.position)
        for start, end in outline.occurrences(document.source.text, offset):
            if start <= offset <= end:
                return document.range(start, end)
        return None

    @server.feature(types.TEXT_DOCUMENT_CODE_ACTION)
    def _actions(params: types.CodeActionParams) -> list[types.CodeAction] | None:
        document = server.documents.get(params.text_document.uri)
        if document is None:
            return None
        found = []
        for each in params.context.diagnostics:
            start, end = document.offset(each.range.start), document.offset(each.range.end)
            meant = _MEANT.search(each.message)
            name = _NAMES.search(document.source.text, start, end)
            if meant is None or name is None:
                continue
            for word in _QUOTED.findall(meant[1]):
                edit = types.TextEdit(document.range(*name.span()), word)
                found.append(
                    types.CodeAction(
                        f"Change to '{word}'",
                        kind=types.CodeActionKind.QuickFix,
                        diagnostics=[each],
                        edit=types.WorkspaceEdit({document.uri: [edit]}),
                    )
                )
        return found


# -- places and diagnostics ----------------------------------------------------------------------


def _location(document: Document, place: assist.Place) -> types.Location:
    if not place.path:
        return types.Location(document.uri, document.range(place.start, place.end))
    text = ""
    if place.end:
        with open(place.path, encoding="utf-8", errors="replace") as file:
            text = file.read()
    where = document.range(place.start, place.end, Source(place.path, text))
    return types.Location(from_fs_path(place.path) or "", where)


def _shown(document: Document, diagnostic: Diagnostic) -> types.Diagnostic:
    """A diagnostic of the protocol; what is in other texts is shown where the script uses it."""
    span = diagnostic.span
    related = [("here", each) for each in _within(span) if each.source is not document.source]
    related += [("expanded from", each) for each in span.chain] if span is not None else []
    related += diagnostic.notes
    while span is not None and span.source is not document.source:
        span = span.expanded
    hints = "".join(f"\nhint: {hint}" for hint in diagnostic.hints)
    code = diagnosing.code(diagnostic)
    return types.Diagnostic(
        document.range(*((span.start, span.end) if span is not None else (0, 0))),
        diagnostic.message + hints,
        severity=_SEVERITIES.get(diagnostic.severity, types.DiagnosticSeverity.Information),
        code=code or None,
        source="prybee",
        tags=_TAGS.get(code),
        related_information=[
            types.DiagnosticRelatedInformation(where, text)
            for text, each in related
            if (where := _related(document, each)) is not None
        ]
        or None,
    )


def _within(span: Span | None) -> tuple[Span, ...]:
    return (span,) if span is not None else ()


def _related(document: Document, span: Span) -> types.Location | None:
    where = document.range(span.start, span.end, span.source)
    if span.source is document.source:
        return types.Location(document.uri, where)
    path = os.path.join(os.path.dirname(document.source.name), span.source.name)
    uri = from_fs_path(os.path.abspath(path)) if os.path.exists(path) else None
    return types.Location(uri, where) if uri else None


def _too_long(document: Document) -> types.Diagnostic:
    return types.Diagnostic(
        document.range(0, 0),
        f"scripts of more than {MOST:,} characters are not checked here; use prybee check",
        severity=types.DiagnosticSeverity.Information,
        source="prybee",
    )
