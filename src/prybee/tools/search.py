"""``prybee tools -k``: which tools answer a question.

Words are compared by their beginnings, so that "opens", "opened" and "opening" find "open"; words
that every question has are left out.  A hit in a tool's name counts most, then its first keywords,
then the others and its summary, then its description.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from prybee.tools.catalogue import Tool

_WORD = re.compile(r"[a-z0-9]+")
# What is in any question, and tells nothing.
_IDLE = frozenset(
    _WORD.findall(
        "a an and are at be by can do does for from has have how i in is it its made make many me "
        "most much my of on or out over so some that the their there these they this to up was "
        "what when where which who whom whose why will with you your process processes"
    )
)
_ENDINGS = ("ings", "ing", "ers", "er", "ies", "ied", "ed", "es", "s", "y", "e")
_NAME, _KEYWORD, _SUMMARY, _DESCRIPTION = 12, 6, 4, 1
# So many keywords are what a tool is about; a hit there counts so much more.
_FIRST, _MORE = 3, 5


def find(question: str, tools: Iterable[Tool]) -> list[Tool]:
    """The tools that have to do with ``question``, best first.

    A tool has to have a hit for each word that any tool has one for: "slow disk" finds what is
    about both.
    """
    words = _stems(question, keep=False) or _stems(question, keep=True)
    scores = [(tool, [_score(tool, word) for word in words]) for tool in tools]
    known = [at for at in range(len(words)) if any(hits[at] for _tool, hits in scores)]
    found = [(sum(hits), tool) for tool, hits in scores if known and all(hits[at] for at in known)]
    if not found:
        # No tool is about everything: those that are about something.
        found = [(sum(hits), tool) for tool, hits in scores if any(hits)]
    found.sort(key=lambda each: (-each[0], each[1].name))
    return [tool for _score_, tool in found]


def _score(tool: Tool, stem: str) -> int:
    score = _NAME if stem in tool.name else 0
    keywords = _stems(" ".join(tool.keywords), keep=True)
    if stem in keywords:
        score += _KEYWORD + (_MORE if stem in keywords[:_FIRST] else 0)
    if stem in _stems(tool.summary, keep=True):
        score += _SUMMARY
    if stem in _stems(tool.description, keep=True):
        score += _DESCRIPTION
    return score


def _stems(text: str, keep: bool) -> list[str]:
    words = _WORD.findall(text.lower())
    return [_stem(word) for word in words if keep or word not in _IDLE]


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word
