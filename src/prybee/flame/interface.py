"""Flame graphs from Python: what the command does, as functions."""

from __future__ import annotations

from io import FileIO

from prybee.flame import drawing, formats, inputs, outputs
from prybee.flame.comparison import Comparison
from prybee.flame.profile import FormatError, Profile

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence
    from io import BufferedReader
    from typing import Any

    from prybee.flame.formats import Format


def collapse(
    files: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    format: str | None = None,  # noqa: A002 - as the option is called
    samples: bool = False,
    **reading: Any,
) -> Profile:
    """Reads files of any format into one profile.

    Args:
        files: a path, or several.
        format: of the files, as :attr:`Format.name` has it; it is found by itself otherwise.
        samples: keep samples one by one, with their times and threads, where all files tell them.
        **reading: options of readers, as those of ``prybee flame collapse``.

    Raises:
        FormatError: a format that is not known.
        OSError: a file that cannot be read.
    """
    if format is not None and format not in formats.BY_NAME:
        known = ", ".join(formats.BY_NAME)
        raise FormatError(f"there is no format '{format}'\nHINT: there are {known}")
    opened: list[BufferedReader] = []
    try:
        opened += [_open(path) for path in _paths(files)]
        return drawing.read(opened, format, reading, samples=samples)
    finally:
        for file in opened:
            file.close()


def draw(
    profile: Profile,
    path: str | os.PathLike[str],
    *,
    title: str = "",
    before: Profile | None = None,
    equal: str = "none",
    **look: Any,
) -> None:
    """Writes a profile to a file.

    Args:
        profile: what is shown.
        path: of the file; the end of its name says the format: ``.svg``, ``.html``, ``.folded`` …
        title: of what is shown.
        before: what it is compared with, in pictures, pages and folded stacks.
        equal: what is made equal of both then: ``total``, ``samples``, ``time`` or ``none``.
        **look: options of pictures, as those of ``prybee flame draw``.

    Raises:
        FormatError: a name that says no format, or options that make no sense.
        OSError: a file that cannot be written.
    """
    name = str(path)
    output = outputs.of(name)
    if before is None:
        outputs.save(name, outputs.content(profile, output, title, **look))
        return
    parts: Iterable[str | bytes]
    if output is outputs.HTML:
        from prybee.flame.writers import html

        parts = [html.write(profile, title, before, equal=equal)]
    elif output in (outputs.SVG, outputs.FOLDED):
        from prybee.flame import difference, pictures

        scale = difference.factor(before, profile, equal)
        stacks, old, new = difference.merged(
            drawing.folded(before),
            drawing.folded(profile),
            scale=scale,
            exact=output is outputs.SVG,
        )
        if output is outputs.SVG:
            look.setdefault("countname", profile.unit)
            parts = pictures.draw(stacks, new, old, title=title, **look)
        else:
            parts = difference.lines(stacks, old, new)
    else:
        raise FormatError(f"{name}: two profiles are shown as .svg, .html or .folded")
    outputs.save(name, parts)


def diff(
    before: Profile | Sequence[Profile],
    after: Profile | Sequence[Profile],
    *,
    equal: str = "total",
) -> Comparison:
    """Compares profiles, of one or several runs of each side.

    Args:
        before, after: the runs.
        equal: what is made equal of all: ``total``, ``samples``, ``time`` or ``none``.

    Raises:
        FormatError: they cannot be compared.
    """
    sides = [[each] if isinstance(each, Profile) else list(each) for each in (before, after)]
    if not all(sides):
        raise FormatError("there is nothing to compare: each side needs a profile")
    return Comparison(sides[0], sides[1], equal)


def guess(path: str | os.PathLike[str]) -> Format:
    """The format of a file.

    Raises:
        FormatError: none that is known.
        OSError: a file that cannot be read.
    """
    with _open(path) as file:
        return formats.guess(file.peek(formats.HEAD))


def _open(path: str | os.PathLike[str]) -> BufferedReader:
    return inputs.opened(FileIO(path), formats.HEAD, owned=True)


def _paths(
    files: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
) -> list[str | os.PathLike[str]]:
    if isinstance(files, str) or hasattr(files, "__fspath__"):
        return [files]  # type: ignore[list-item]
    return list(files)
