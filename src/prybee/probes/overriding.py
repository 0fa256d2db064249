"""Functions whose results may be overridden: those that the kernel marks as able to fail."""

from __future__ import annotations

from prybee.language.registry import ProbeSyntaxError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.language.registry import Match
    from prybee.plan.target import Target

_LIST = "/sys/kernel/debug/error_injection/list"
_HOOKS = "security_"


def check(match: Match, target: Target) -> None:
    """Whether ``override()`` works at the function of a kprobe.

    Raises:
        ProbeSyntaxError: it does not; what else there is.
    """
    function, rest = map(str, match.data[1:])
    if not target.has("helper:override_return"):
        raise ProbeSyntaxError(
            f"{match.name}: this kernel lets no program override a result "
            "(CONFIG_BPF_KPROBE_OVERRIDE)",
            _instead(function),
        )
    if rest:
        raise ProbeSyntaxError(
            f"{match.name}: override() works at a function's start only", f"use kprobe:{function}"
        )
    known = target.overridable_functions()
    if known is not None and function not in known:
        raise ProbeSyntaxError(
            f"{match.name}: the kernel does not let {function} be overridden ({_LIST} has the "
            "functions that may be)",
            _instead(function),
        )


def _instead(function: str) -> str:
    if function.startswith(_HOOKS):
        return f"use fmod_ret:{function} {{ return VALUE; }}"
    return (
        "fmod_ret:FUNCTION { return VALUE; } decides at the functions that ask security modules "
        "(prybee -l 'fmod_ret:*'), without kprobes"
    )
