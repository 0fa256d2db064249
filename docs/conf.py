"""Sphinx configuration: MyST sources to HTML and man pages."""

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "src"))

from importlib import import_module  # noqa: E402
from inspect import Parameter, Signature, get_annotations  # noqa: E402

from prybee import __version__  # noqa: E402
from prybee.data import Data  # noqa: E402


def _signature(record: type[Data]) -> Signature:
    """The fields of a record, as its constructor takes them."""
    kind = Parameter.POSITIONAL_OR_KEYWORD
    annotations = {k: v for c in reversed(record.__mro__) for k, v in get_annotations(c).items()}
    # What a caller may leave out stands last, as Python wants it.
    fields = sorted(record._fields, key=lambda name: name in record._defaults)
    return Signature([
        Parameter(name, kind, annotation=annotations[name],
                  default=record._defaults.get(name, Parameter.empty))
        for name in fields
    ])  # fmt: skip


def _described(record: type[Data], plain: object = Data.__init_subclass__.__func__) -> None:
    plain(record)
    record.__signature__ = _signature(record)


# Records that are defined from here on tell autodoc their fields.
Data.__init_subclass__ = classmethod(_described)

# Rooms that import some of their names when first asked: autodoc looks at what is there.
for room in ("isa", "btf", "dwarf", "symbols", "flame"):
    module = import_module(f"prybee.{room}")
    vars(module).update({name: getattr(module, name) for name in module.__all__})

project = "prybee"
author = "The prybee developers"
copyright = f"2026, {author}"  # noqa: A001 - Sphinx's name
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
# Consoles show programs over several lines, and C blocks are scripts: their colours may be wrong.
suppress_warnings = ["misc.highlighting_failure"]
html_theme = "furo"
html_title = f"prybee {version}"
napoleon_use_ivar = True
autodoc_member_order = "bysource"
autodoc_typehints = "description"
man_pages = [("command", "prybee", "see inside a running Linux system", [author], 1)]
