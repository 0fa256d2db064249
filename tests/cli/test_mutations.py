"""Scripts with mistakes of every kind: compiling them gives a plan or a message, and soon."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prybee.diagnostics import PrybeeError, ScriptError, Source
from prybee.engines.live import LiveTarget
from prybee.functions import TABLE as FUNCTIONS
from prybee.language.frontend import CompileOptions, compile_script
from prybee.language.registry import Registry
from prybee.probes import TABLE as PROBES
from tests.live.corpus import SCRIPTS as CORPUS
from tests.live.corpus import all_cases, read

pytestmark = pytest.mark.live

EXAMPLES = int(os.environ.get("PRYBEE_MUTATIONS", "200"))
TOKEN = re.compile(r"\s+|\w+|\"(?:[^\"\\]|\\.)*\"|.", re.S)
MORE = [CORPUS.parent / "old" / "idioms.txt", CORPUS.parent / "messages" / "messages.txt"]
SCRIPTS = [
    TOKEN.findall(case.script)
    for case in [*all_cases(), *(case for path in MORE for case in read(path))]
]
# What is said of a whole script.
PLACELESS = ("No probes to attach", "No probes attached; use --")
# What is put between tokens: parts of other scripts, and what lexers stumble over.
ODD = [*"{}()[];,.:/@$\"'\\#%*-+!?=<>&|^~0", "\0", "\udcff", "ü", "99999999999999999999", "0x",
       "1e9", "..", "/*", "//", '"', "@@", "$1", "args", "ctx", "begin", "*", "struct", "(uint8)",
       "-1", "let", "macro", "import", "fn", "config", "unroll", "return"]  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A script of the corpus with some tokens deleted, doubled, swapped or put in."""
    tokens = list(draw(st.sampled_from(SCRIPTS)))
    for _ in range(draw(st.integers(1, 4))):
        if not tokens:
            break
        at = draw(st.integers(0, len(tokens) - 1))
        kind = draw(st.sampled_from(("delete", "double", "swap", "odd", "other", "cut")))
        if kind == "delete":
            del tokens[at]
        elif kind == "double":
            tokens.insert(at, tokens[at])
        elif kind == "swap":
            other = draw(st.integers(0, len(tokens) - 1))
            tokens[at], tokens[other] = tokens[other], tokens[at]
        elif kind == "odd":
            tokens.insert(at, draw(st.sampled_from(ODD)))
        elif kind == "other":
            tokens[at] = draw(st.sampled_from(draw(st.sampled_from(SCRIPTS))))
        else:
            del tokens[at:]
    return "".join(tokens)


@pytest.fixture(scope="module")
def target() -> Iterator[LiveTarget]:
    """The machine's answers, read once."""
    with LiveTarget() as found:
        yield found


@settings(
    max_examples=EXAMPLES,
    deadline=5000,
    derandomize="PRYBEE_MUTATIONS" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
@given(script=mutated())
def test_mutated_scripts(target: LiveTarget, script: str) -> None:
    """Nothing but messages comes out, and they show where."""
    options = CompileOptions(positional=("1", "two"), pid=None, environment={})
    try:
        found = compile_script(
            Source("stdin", script), target, Registry(FUNCTIONS, PROBES), options
        )
        texts = [warning.render() for warning in found.warnings]
    except ScriptError as error:
        texts = [str(error)]
        places = [one.span for one in error.diagnostics]
        assert any(places) or texts[0].removeprefix("ERROR: ").startswith(PLACELESS), script
    except PrybeeError as error:
        texts = [str(error)]
    assert all(text.strip() for text in texts)
