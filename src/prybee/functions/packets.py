"""The network's packets and sockets: ``skboutput``, ``socket_cookie``.

The helpers behind them want pointers whose type the verifier knows, which only tracing programs
have.
"""

from __future__ import annotations

from prybee.compiler.ir import I32, I64
from prybee.functions.arguments import (
    argument_type,
    expression,
    kind,
    known,
    literal_number,
    literal_text,
    text_of,
)
from prybee.language.lower.operands import Scalar
from prybee.language.registry import Function
from prybee.language.types import UINT32, UINT64, PointerType, StructType, Type, is_integer
from prybee.plan.plan import RecordSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.language import tree
    from prybee.language.checker import Checker
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand

TYPED = ("rawtracepoint", "fentry", "fexit")

# flags of bpf_skb_output: the buffer of this CPU, and in the upper half how much of the packet.
_BPF_F_CURRENT_CPU = 0xFFFFFFFF
# What is before the packet: u32 kind of record, u32 zero, u64 nanoseconds of CLOCK_BOOTTIME.
_HEADER = 16


class SkbOutput(Function):
    """``skboutput()``: a packet's bytes, to a file that tcpdump and Wireshark read."""

    name = "skboutput"
    signature = "skboutput(path, skb, length, offset)"
    summary = "write a packet's bytes, from an offset on, to a pcap file; 0 where that worked"
    arguments = (4, 4)
    effect = True
    probes = TYPED

    def check(self, call: tree.Call, checker: Checker) -> Type:
        _check_program(call, checker, "a packet", "net_dev_start_xmit")
        literal_text(call, 0, checker)
        skb = argument_type(call, 1)
        if known(skb) and not _points_to(skb, "sk_buff"):
            checker.error(
                call,
                f"skboutput() expects a struct sk_buff * ({kind(skb)} provided)",
                "such as args.skb",
            )
        for index in (2, 3):
            type_ = argument_type(call, index)
            if known(type_) and not is_integer(type_):
                checker.error(call, f"skboutput() only supports int arguments ({type_} provided)")
        offset = literal_number(call, 3)
        if is_integer(argument_type(call, 3)) and (offset is None or offset < 0):
            checker.error(call, "skboutput() expects a literal offset of 0 or more")
        return UINT32

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        h, b = handler, handler.b
        record = RecordSpec(
            id=0,
            action="skboutput",
            size=_HEADER,
            fields=(),
            detail=(text_of(call, 0), literal_number(call, 3) or 0),
            span=call.span(h.script.source),
            probe=h.context.name,
        )
        skb = h.scalar(h.lower(expression(call, 1))).value
        length = h.lower_integer(expression(call, 2))
        header = b.slot(_HEADER, 8, "packet")
        b.store(header, 0, b.const(h.script.record(record), I32), I32)
        b.store(header, 4, b.const(0, I32), I32)
        b.store(header, 8, b.call("ktime_get_boot_ns"), I64)
        flags = b.or_(b.shl(length, 32), _BPF_F_CURRENT_CPU)
        buffer = b.map_ref(h.script.packets())
        result = b.call("skb_output", [skb, buffer, flags, header, _HEADER])
        h.note_failure("skb_output", result)
        return Scalar(b.trunc(result, I32), UINT32)


class SocketCookie(Function):
    """``socket_cookie()``: what tells a socket from all others since the machine started."""

    name = "socket_cookie"
    signature = "socket_cookie(sock)"
    summary = "a number that no other socket has or had since the machine started"
    arguments = (1, 1)
    probes = TYPED

    def check(self, call: tree.Call, checker: Checker) -> Type:
        _check_program(call, checker, "a socket", "sock_rcvqueue_full")
        type_ = argument_type(call, 0)
        if known(type_) and not isinstance(type_, PointerType):
            checker.error(
                call, f"socket_cookie() only supports pointer arguments ({kind(type_)} provided)"
            )
        return UINT64

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        sock = handler.scalar(handler.lower(expression(call, 0))).value
        return Scalar(handler.b.call("get_socket_cookie", [sock]), UINT64)


def _check_program(call: tree.Call, checker: Checker, what: str, event: str) -> None:
    """Refuses it where the verifier knows no types: it would only say that R1 is a scalar."""
    context = checker.context
    if context.program_type == "tracing" or context.provider not in TYPED:
        return
    if context.provider == "rawtracepoint":
        why, instead = "this kernel shows no types (BTF)", "it takes a kernel with BTF"
    else:
        why = f"this kernel runs {context.provider} probes as kprobe ones, where it knows none"
        instead = f"use a rawtracepoint that has {what}, such as rawtracepoint:{event}"
    message = f"{call.name}() wants {what} whose type the verifier knows, and {why}"
    checker.error(call, message, instead)


def _points_to(type_: Type, name: str) -> bool:
    return (
        isinstance(type_, PointerType)
        and isinstance(type_.target, StructType)
        and type_.target.name.split()[-1] == name
    )


FUNCTIONS = (SkbOutput(), SocketCookie())
