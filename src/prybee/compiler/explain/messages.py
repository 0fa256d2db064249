"""The verifier's messages, and what each means to somebody who wrote a script.

A row is a pattern of the message, a category, the reason, and what to change.  Both texts may use
the pattern's groups and ``{here}`` (the script's text at the place), ``{map}`` (the map the value
belongs to), ``{helper}`` (the function being called) and ``{known}`` (what the verifier knew of
the number).  Rows that prybee's own code should never provoke end in OURS.

Messages are those of Linux 6.18 (kernel/bpf/verifier.c and its siblings); older wordings that
differ have rows of their own.
"""

from __future__ import annotations

import re

from prybee.data import Data

OURS = "this is likely a fault of prybee, not of the script: please report it with the output of -v"

# The category of helpers that are for some functions only.
FORBIDDEN = "forbidden helper"


class Meaning(Data):
    """A row of the table."""

    pattern: str
    category: str
    reason: str
    suggestion: str = OURS


TABLE: tuple[Meaning, ...] = (
    # -- values that were never set ---------------------------------------------------------------
    Meaning(
        r"R0 !read_ok",
        "unset value",
        "the program can end, or use a call's result, without a value having been set",
    ),
    Meaning(
        r"R(?P<reg>\d+) !read_ok",
        "unset value",
        "{here} uses a value that was not set on every way that leads here",
        "set it before the branch, so that it has a value either way",
    ),
    Meaning(
        r"invalid (?:indirect )?read from stack R?(?P<reg>\d*).*off=?(?P<off>-?\d+)",
        "unset value",
        "{here} reads memory of the program that was not set before",
    ),
    # -- values that may be missing ---------------------------------------------------------------
    Meaning(
        r"R(?P<reg>\d+) invalid mem access '(?P<kind>map_value_or_null)'",
        "missing value",
        "{here} uses an entry of {map} that may not exist",
        "look first whether the key is there: if (has_key({map}, …)) {{ … }}",
    ),
    Meaning(
        r"R(?P<reg>\d+) invalid mem access '(?P<kind>\w*_or_null\w*)'",
        "missing value",
        "{here} uses a pointer that may be NULL",
        "compare it with 0 first",
    ),
    Meaning(
        r"R(?P<reg>\d+) pointer arithmetic on (?P<kind>\w*_or_null\w*) prohibited",
        "missing value",
        "{here} computes with a pointer that may be NULL",
        "compare it with 0 first",
    ),
    # -- memory out of bounds ---------------------------------------------------------------------
    Meaning(
        r"invalid access to map value, value_size=(?P<size>\d+) off=(?P<off>-?\d+) "
        r"size=(?P<width>\d+)",
        "out of bounds",
        "{here} reaches for {width} bytes at offset {off} of a value of {map} that has {size}",
        "the last offset for {width} bytes is {last}: check the index against the size first",
    ),
    Meaning(
        r"invalid access to memory, mem_size=(?P<size>\d+) off=(?P<off>-?\d+) size=(?P<width>\d+)",
        "out of bounds",
        "{here} reaches for {width} bytes at offset {off} of memory that has {size}",
        "the last offset for {width} bytes is {last}: check the index against the size first",
    ),
    Meaning(
        r"math between (?P<kind>\w+) pointer and register with unbounded min value",
        "unchecked index",
        "the index in {here} may be anything, also negative{known}",
        "check it first, as in: if ($i >= 0 && $i < SIZE) {{ … }}, or mask it: $i & (SIZE - 1)",
    ),
    Meaning(
        r"R(?P<reg>\d+) unbounded memory access, make sure",
        "unchecked index",
        "the index in {here} has no upper bound{known}",
        "check it first, as in: if ($i < SIZE) {{ … }}, or mask it: $i & (SIZE - 1)",
    ),
    Meaning(
        r"R(?P<reg>\d+) (?:min|max) value is (?:outside of the allowed|negative, .* index)",
        "unchecked index",
        "the index in {here} may lie outside of the memory{known}",
        "check it against the size first, or mask it: $i & (SIZE - 1)",
    ),
    Meaning(
        r"value (?P<value>-?\d+) makes (?P<kind>\w+) pointer be out of bounds",
        "unchecked index",
        "{here} moves a pointer by {value} bytes, out of its memory",
        "check the index against the size first",
    ),
    Meaning(
        r"invalid access to packet, off=(?P<off>-?\d+) size=(?P<width>\d+)",
        "out of bounds",
        "{here} reads {width} bytes at offset {off} of a packet whose length was not checked",
        "compare with the packet's end first: if (data + {end} <= data_end) {{ … }}",
    ),
    Meaning(
        r"invalid bpf_context access off=(?P<off>-?\d+) size=(?P<width>\d+)",
        "context",
        "{here} reaches for {width} bytes at offset {off} of the probe's arguments, "
        "which this kernel does not allow",
        "list what the probe has on this kernel: prybee -lv PROBE",
    ),
    Meaning(
        # Older kernels, of a constant.
        r"BPF_(?:STX?|ATOMIC) stores into R(?P<reg>\d+) (?P<kind>\w+) is not allowed",
        "context",
        "{here} writes to the probe's arguments ({kind}), which this kernel does not allow",
        "list what the probe has on this kernel: prybee -lv PROBE",
    ),
    Meaning(
        r"func '(?P<func>[^']+)' doesn't have (?P<nth>\d+)-th argument",
        "context",
        "{here}: {func} has no argument number {nth} on this kernel",
        "list what the probe has on this kernel: prybee -lv PROBE",
    ),
    Meaning(
        r"access beyond (?P<kind>struct|union) (?P<name>\w+) at off (?P<off>\d+) "
        r"size (?P<width>\d+)",
        "context",
        "{here} reaches beyond the end of {kind} {name} (offset {off}, {width} bytes)",
        "look at the type on this kernel: prybee -lv '{kind} {name}'",
    ),
    Meaning(
        r"access beyond the end of member (?P<name>\w+)",
        "context",
        "{here} reaches beyond the end of the member {name}",
        "check the index against the member's size",
    ),
    Meaning(
        r"cannot access ptr member (?P<name>\w+)|only read is supported|dereference of modified",
        "context",
        "{here} writes to, or computes within, kernel memory that may only be read as it is",
        "copy the value to a variable first",
    ),
    Meaning(
        r"R(?P<reg>\d+) is (?:a )?ptr_(?P<name>\w+) (?:access |invalid )(?P<how>.*)",
        "context",
        "{here} follows a pointer to {name} where the kernel does not allow it ({how})",
        "read it by cast and pointer, as in: ((struct {name} *)ptr)->member",
    ),
    # -- pointers ---------------------------------------------------------------------------------
    Meaning(
        r"R(?P<reg>\d+) invalid mem access '(?:scalar|inv)'",
        "untyped pointer",
        "{here} follows a number as if it were a pointer that the kernel knows",
        "give it a type and an address space, as in: *(uint64 *)kptr(arg0)",
    ),
    Meaning(
        r"R(?P<reg>\d+) invalid mem access '(?P<kind>[\w* ]+)'",
        "untyped pointer",
        "{here} reads memory through a pointer ({kind}) that may not be followed directly",
    ),
    Meaning(
        r"R(?P<reg>\d+) pointer arithmetic with (?P<op>\S+) operator prohibited",
        "pointer arithmetic",
        "{here} applies {op} to a pointer; pointers can only be moved by adding and subtracting",
        "turn it into a number first: (uint64)pointer",
    ),
    Meaning(
        r"R(?P<reg>\d+) pointer (?P<op>[-+*/%&|^<>]+=?) pointer prohibited|"
        r"R\d+ pointer comparison prohibited|R\d+ 32-bit pointer arithmetic prohibited|"
        r"R\d+ pointer arithmetic on (?P<kind>\w+) prohibited",
        "pointer arithmetic",
        "{here} computes with a pointer in a way that the kernel does not allow",
        "turn it into a number first: (uint64)pointer",
    ),
    Meaning(
        r"R(?P<reg>\d+) leaks addr|attempt to corrupt spilled pointer|leaking pointer",
        "pointer arithmetic",
        "{here} would show a kernel address to an unprivileged user",
        "run it as root, or with CAP_PERFMON",
    ),
    Meaning(r"frame pointer is read only", "code", "the program writes to its frame pointer"),
    # -- the stack --------------------------------------------------------------------------------
    Meaning(
        r"invalid (?:read|write|access|indirect access) (?:from|to) stack R\d+ off=(?P<off>-?\d+) "
        r"size=(?P<width>\d+)",
        "stack",
        "{here} uses {width} bytes at offset {off} of the program's stack, outside of the object "
        "there or of the 512 bytes there are",
        "make what is kept smaller: fewer or shorter strings, tuples and buffers, or lower "
        "on_stack_limit",
    ),
    Meaning(
        r"combined stack size of (?P<count>\d+) calls is (?P<size>\d+)\. Too large",
        "stack",
        "loops within loops need {size} bytes of stack, of the 512 there are",
        "nest fewer loops, or keep less across them",
    ),
    Meaning(r"misaligned stack access", "stack", "{here} uses the stack at a misaligned address"),
    Meaning(
        r"misaligned (?P<kind>[\w ]*)access", "alignment", "{here} reads at a misaligned address"
    ),
    # -- the flow of control ----------------------------------------------------------------------
    Meaning(
        r"unreachable insn (?P<insn>\d+)", "code", "the program has code that nothing leads to"
    ),
    Meaning(
        r"jump out of range from insn (?P<insn>\d+) to (?P<to>\d+)",
        "code",
        "the program jumps out of itself",
    ),
    Meaning(r"last insn is not an exit or jmp", "code", "the program runs off its end"),
    Meaning(
        r"unknown opcode (?P<op>\w+)",
        "code",
        "the program has an instruction (opcode {op}) that this kernel does not know",
    ),
    Meaning(r"div by zero", "code", "{here} divides by zero", "divide by something else"),
    Meaning(
        r"invalid shift (?P<count>-?\d+)",
        "code",
        "{here} shifts by {count}, which is no less than the number's width",
        "shift by less",
    ),
    Meaning(
        r"infinite loop detected at insn (?P<insn>\d+)|back-edge from insn (?P<from>\d+) to \d+",
        "loop",
        "{here} is a loop of which the kernel cannot see that it ends",
        "loop over a range with a constant end: for ($i : 0..N) {{ … }}",
    ),
    Meaning(
        r"The sequence of (?P<count>\d+) jumps is too complex",
        "complexity",
        "the program has too many ways through it ({count} branches in a row)",
        "use for ($i : 0..N) {{ … }} in place of unroll or while, or split the probe",
    ),
    Meaning(
        r"BPF program is too large\. Processed (?P<count>\d+) insn",
        "complexity",
        "checking every way through the program took more than {limit} steps",
        "use for ($i : 0..N) {{ … }} in place of unroll or while, or split the probe",
    ),
    Meaning(
        # Before 5.13 the function of a callback is not seen as one.
        r"number of funcs in func_info doesn't match number of subprogs",
        "missing helper",
        "this kernel has no loops over maps and ranges, and no len() of a map (helpers of 5.13 "
        "and 5.17)",
        "while and unroll loop here, too",
    ),
    Meaning(
        r"(?:number of|too many) (?:funcs|subprograms|subprogs)",
        "complexity",
        "the program has too many loops and functions",
        "split the probe",
    ),
    # -- calls ------------------------------------------------------------------------------------
    Meaning(
        r"invalid func (?P<func>\w+)#(?P<number>\d+)",
        "missing helper",
        "this kernel does not have the helper that {here} needs ({name_of_helper})",
        "prybee doctor lists what this kernel has",
    ),
    Meaning(
        # Older kernels show helpers that wait only to programs that may.
        r"(?:program of this type cannot use helper|unknown func) "
        r"bpf_(?:copy_from_user(?:_task)?|ima_(?:file|inode)_hash)#\d+",
        "sleeping",
        "{here} may have to wait, for which this type of probe does not allow",
        "use a probe that may sleep (uprobe.s), or a function that does not wait",
    ),
    Meaning(
        r"program of this type cannot use helper (?P<func>\w+)#(?P<number>\d+)|"
        r"unknown func (?P<old>\w+)#(?P<old_number>\d+)",
        "missing helper",
        "{here} needs the helper {name_of_helper}, which probes of this type may not call "
        "on this kernel",
        "use another type of probe; prybee doctor lists what each can do",
    ),
    Meaning(
        # As bpftrace says it.
        r"helper call is not allowed in probe",
        FORBIDDEN,
        "helper bpf_{helper} not allowed in probe",
        "the kernel lets programs call it at some functions only: path() for one at "
        "security_file_open, vfs_getattr, filp_close, and at hooks (lsm)",
    ),
    Meaning(
        r"cannot call GPL-restricted function",
        "license",
        "{here} needs a helper that the kernel keeps for programs under the GPL",
        'set the license in the config block: config = {{ license = "GPL" }}',
    ),
    Meaning(
        # Before 5.13 there are none, and what says that a call is of one is reserved.
        r"BPF_CALL uses reserved fields|"
        r"kernel btf_id (?P<id>\d+) is not a function|kernel function btf_id (?P<id2>\d+)|"
        r"calling kernel function (?P<func>\w+) is not allowed|"
        r"kfunc '(?P<kfunc>\w+)' is (?:referenced|not)",
        "missing helper",
        "{here} needs a kernel function that this kernel does not offer to this type of probe",
        "prybee doctor lists what this kernel has",
    ),
    Meaning(
        r"helper call might sleep in a non-sleepable prog|"
        r"sleepable (?:helper|kfunc|kernel function) .* in non-sleepable|"
        r"(?:program|kernel func \w+) .*sleepable.*",
        "sleeping",
        "{here} may have to wait, for which this type of probe does not allow",
        "use a probe that may sleep (uprobe.s), or a function that does not wait",
    ),
    Meaning(
        r"R(?P<reg>\d+) type=(?P<have>\S+) expected=(?P<want>.+)",
        "argument",
        "{here} gives {helper} a value of the wrong kind as argument {nth}: {have}, not {want}",
    ),
    Meaning(
        r"R(?P<reg>\d+) (?:min value is negative|unbounded memory access|invalid zero-sized read)",
        "argument",
        "the size that {here} gives to {helper} may be negative or too large{known}",
        "check it first, as in: if ($n <= 64) {{ … }}, or mask it: $n & 63",
    ),
    Meaning(
        r"invalid (?P<kind>\w+) argument|arg#(?P<arg>\d+) .*expected.*",
        "argument",
        "{here} gives {helper} an argument of the wrong kind",
    ),
    Meaning(
        r"cannot pass map_type (?P<kind>\d+) into func (?P<func>\S+)",
        "argument",
        "{here} uses a map with a function that does not work on its type",
        "declare the map with another type",
    ),
    # -- what was taken must be given back --------------------------------------------------------
    Meaning(
        r"Unreleased reference id=(?P<id>\d+) alloc_insn=(?P<insn>\d+)",
        "reference",
        "what {here} takes is not given back on every way to the end of the program",
    ),
    # -- results ----------------------------------------------------------------------------------
    Meaning(
        r"At (?:program exit|callback return) the register R0 has (?P<have>.*?) "
        r"should have been in \[(?P<low>-?\d+), (?P<high>-?\d+)\]",
        "result",
        "{here}: the program must return a number from {low} to {high} ({have})",
        "return a number within that range",
    ),
    Meaning(
        # Older kernels tell a number, and the bits that may be others than in it.
        r"At (?:program exit|callback return) the register R0 has (?P<have>.*?) "
        r"should have been in \(0x0; (?P<high>0x[0-9a-f]+)\)",
        "result",
        "{here}: the program must return a number from 0 to {high} ({have})",
        "return a number within that range",
    ),
    Meaning(
        r"At (?:program exit|callback return) the register R0 (?:is|has).*",
        "result",
        "{here}: the program returns something that is no number the kernel allows",
        "return 0 or 1",
    ),
    # -- maps -------------------------------------------------------------------------------------
    Meaning(
        r"fd (?P<fd>-?\d+) is not pointing to valid bpf_map",
        "map",
        "a map of the program does not exist any more (descriptor {fd})",
    ),
    Meaning(
        r"(?:attach_btf_id|Invalid btf_id|.*btf.*id).* (?P<id>\d+)",
        "types",
        "the kernel does not know the type or function that the probe attaches to",
        "list the probes of this kernel: prybee -l",
    ),
)


def find(messages: tuple[str, ...]) -> tuple[Meaning, re.Match[str], str] | None:
    """The row of the first message that the table knows, the match, and the message.

    Where several lines are one refusal, the first names the fact and the others what follows.
    """
    for message in messages:
        for meaning in TABLE:
            match = re.match(meaning.pattern, message)
            if match is not None:
                return meaning, match, message
    return None
