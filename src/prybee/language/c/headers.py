"""Where headers are: folders, in the order of a compiler; and those that compilers bring along."""

from __future__ import annotations

import os

from prybee.data import Data
from prybee.machines import machine as machine_named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Folders of headers that belong to the kernel: with its own types at hand, none has to be there.
KERNEL_FOLDERS = frozenset(
    ("linux", "asm", "asm-generic", "net", "uapi", "trace", "kvm", "vdso", "crypto", "acpi",
     "drm", "media", "scsi", "sound", "rdma", "target", "xen", "video", "misc", "mtd", "bcc",
     "soc", "keys", "math-emu", "memory", "ras", "clocksource", "cxl", "dt-bindings", "kunit",
     "pcmcia", "hyperv", "ufs")
)  # fmt: skip

# The C library has headers of these names, too: they are its own where they are found there.
_SYSTEM = ("/usr/local/include", "/usr/include/{triplet}", "/usr/include")

# Predefined by compilers for every 64-bit Linux.  The version of gcc is one that no header works
# around, and that has no built-in types which this parser does not have.
PREDEFINED = {
    "__STDC__": "1", "__STDC_VERSION__": "201710L", "__STDC_HOSTED__": "1",
    "__GNUC__": "12", "__GNUC_MINOR__": "2", "__GNUC_PATCHLEVEL__": "0",
    "__linux__": "1", "__linux": "1", "linux": "1", "__gnu_linux__": "1",
    "__unix__": "1", "__unix": "1", "unix": "1", "__ELF__": "1",
    "__LP64__": "1", "_LP64": "1", "__CHAR_BIT__": "8", "__NO_INLINE__": "1",
    "__ORDER_LITTLE_ENDIAN__": "1234", "__ORDER_BIG_ENDIAN__": "4321",
    "__ORDER_PDP_ENDIAN__": "3412", "__BIGGEST_ALIGNMENT__": "16",
    "__SIZEOF_SHORT__": "2", "__SIZEOF_INT__": "4", "__SIZEOF_LONG__": "8",
    "__SIZEOF_LONG_LONG__": "8", "__SIZEOF_POINTER__": "8", "__SIZEOF_SIZE_T__": "8",
    "__SIZEOF_PTRDIFF_T__": "8", "__SIZEOF_WCHAR_T__": "4", "__SIZEOF_WINT_T__": "4",
    "__SIZEOF_FLOAT__": "4", "__SIZEOF_DOUBLE__": "8", "__SIZEOF_LONG_DOUBLE__": "16",
    "__SIZEOF_INT128__": "16",
    "__SCHAR_MAX__": "0x7f", "__SHRT_MAX__": "0x7fff", "__INT_MAX__": "0x7fffffff",
    "__LONG_MAX__": "0x7fffffffffffffffL", "__LONG_LONG_MAX__": "0x7fffffffffffffffLL",
    "__SIZE_MAX__": "0xffffffffffffffffUL", "__PTRDIFF_MAX__": "0x7fffffffffffffffL",
    "__INTMAX_MAX__": "0x7fffffffffffffffL", "__UINTMAX_MAX__": "0xffffffffffffffffUL",
    "__WCHAR_MAX__": "0x7fffffff", "__WCHAR_MIN__": "(-__WCHAR_MAX__ - 1)",
    "__INT_WIDTH__": "32", "__LONG_WIDTH__": "64",
    "__SIZE_TYPE__": "long unsigned int", "__PTRDIFF_TYPE__": "long int",
    "__WCHAR_TYPE__": "int", "__WINT_TYPE__": "unsigned int", "__INTPTR_TYPE__": "long int",
    "__UINTPTR_TYPE__": "long unsigned int", "__INTMAX_TYPE__": "long int",
    "__UINTMAX_TYPE__": "long unsigned int", "__INT8_TYPE__": "signed char",
    "__INT16_TYPE__": "short int", "__INT32_TYPE__": "int", "__INT64_TYPE__": "long int",
    "__UINT8_TYPE__": "unsigned char", "__UINT16_TYPE__": "short unsigned int",
    "__UINT32_TYPE__": "unsigned int", "__UINT64_TYPE__": "long unsigned int",
    "__CHAR16_TYPE__": "short unsigned int", "__CHAR32_TYPE__": "unsigned int",
}  # fmt: skip

# What the kernel's own headers want to find (its Makefile, and what BPF programs define).
FOR_KERNEL = {
    "__KERNEL__": "1",
    "__BPF_TRACING__": "1",
    "__HAVE_BUILTIN_BSWAP16__": "1",
    "__HAVE_BUILTIN_BSWAP32__": "1",
    "__HAVE_BUILTIN_BSWAP64__": "1",
    "KBUILD_MODNAME": '"prybee"',
}

# Headers of the compiler. A C library relies on them.
COMPILERS = {
    "stddef.h": """
#if !defined __need_size_t && !defined __need_wchar_t && !defined __need_ptrdiff_t \\
    && !defined __need_NULL && !defined __need_wint_t
#define __need_size_t
#define __need_wchar_t
#define __need_ptrdiff_t
#define __need_NULL
typedef struct { long long __max_align_ll __attribute__((aligned(8)));
    long double __max_align_ld __attribute__((aligned(16))); } max_align_t;
#define offsetof(type, member) __builtin_offsetof(type, member)
#endif
#ifdef __need_size_t
typedef __SIZE_TYPE__ size_t;
#undef __need_size_t
#endif
#ifdef __need_ptrdiff_t
typedef __PTRDIFF_TYPE__ ptrdiff_t;
#undef __need_ptrdiff_t
#endif
#ifdef __need_wchar_t
typedef __WCHAR_TYPE__ wchar_t;
#undef __need_wchar_t
#endif
#ifdef __need_wint_t
typedef __WINT_TYPE__ wint_t;
#undef __need_wint_t
#endif
#ifdef __need_NULL
#undef NULL
#define NULL ((void *)0)
#undef __need_NULL
#endif
""",
    "stdarg.h": """
typedef __builtin_va_list __gnuc_va_list;
#ifndef __need___va_list
typedef __gnuc_va_list va_list;
#endif
#undef __need___va_list
""",
    "stdbool.h": "#define bool _Bool\n#define true 1\n#define false 0\n",
    "stdalign.h": "#define alignas _Alignas\n#define alignof _Alignof\n",
    "stdnoreturn.h": "#define noreturn _Noreturn\n",
    "float.h": "#define FLT_RADIX 2\n#define DBL_MANT_DIG 53\n#define FLT_MANT_DIG 24\n",
    "iso646.h": "",
    "limits.h": """
#ifndef _GCC_LIMITS_H_
#define _GCC_LIMITS_H_
#include_next <limits.h>
#define CHAR_BIT 8
#define SCHAR_MIN (-SCHAR_MAX - 1)
#define SCHAR_MAX 127
#define UCHAR_MAX 255
#ifdef __CHAR_UNSIGNED__
#define CHAR_MIN 0
#define CHAR_MAX UCHAR_MAX
#else
#define CHAR_MIN SCHAR_MIN
#define CHAR_MAX SCHAR_MAX
#endif
#define SHRT_MIN (-SHRT_MAX - 1)
#define SHRT_MAX 32767
#define USHRT_MAX 65535
#define INT_MIN (-INT_MAX - 1)
#define INT_MAX 2147483647
#define UINT_MAX 4294967295U
#define LONG_MIN (-LONG_MAX - 1L)
#define LONG_MAX 9223372036854775807L
#define ULONG_MAX 18446744073709551615UL
#define LLONG_MIN (-LLONG_MAX - 1LL)
#define LLONG_MAX 9223372036854775807LL
#define ULLONG_MAX 18446744073709551615ULL
#endif
""",
}
# For machines without a C library's headers: the language has these types itself.
FALLBACK = {
    "stdint.h": "".join(
        f"#define INT{bits}_MAX {(1 << bits - 1) - 1}\n"
        f"#define INT{bits}_MIN (-INT{bits}_MAX - 1)\n"
        f"#define UINT{bits}_MAX {(1 << bits) - 1}{'U' if bits > 16 else ''}\n"
        for bits in (8, 16, 32, 64)
    ),
    "inttypes.h": "#include <stdint.h>\n",
}


class Found(Data):
    """A header that was found.

    Attributes:
        path: of the file; of what is built in, its name in angle brackets.
        text: of what is built in; None for files.
        kernel: it is one of the kernel's.
        source: it is one of the kernel's own, not of those for programs.
        at: the number of the folder, for ``#include_next``; -1 beside the including file.
        shown: its name in messages; empty for the path.
        used: the place of the script that asks for it.
    """

    path: str
    text: str | None
    kernel: bool
    source: bool
    at: int
    shown: str = ""
    used: tuple[int, int] | None = None


class Search:
    """Finds headers.

    Args:
        folders: those of ``-I``; they come first.
        environment: where ``BPFTRACE_KERNEL_SOURCE`` and ``BPFTRACE_KERNEL_BUILD`` may be.
        machine: of the kernel, as uname says it; empty for this machine's.
        release: of the kernel; empty for this machine's.
    """

    def __init__(
        self,
        folders: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        machine: str = "",
        release: str = "",
    ) -> None:
        uname = os.uname()
        self.machine = machine or uname.machine
        self.folders = tuple(folders)
        self.environment = environment or {}
        self._release = release or uname.release
        self._source: list[str] | None = None
        known = machine_named(self.machine)
        triplet = known.triplet if known is not None else f"{self.machine}-linux-gnu"
        self.system = [folder.format(triplet=triplet) for folder in _SYSTEM]
        self._folder = known.folder if known is not None else self.machine

    @property
    def source(self) -> list[str]:
        """Folders of the kernel's own headers; empty where they are not installed."""
        if self._source is None:
            self._source = self._kernel_folders()
        return self._source

    def _kernel_folders(self) -> list[str]:
        source = self.environment.get("BPFTRACE_KERNEL_SOURCE", "")
        build = self.environment.get("BPFTRACE_KERNEL_BUILD", "") or source
        if not source:
            base = f"/lib/modules/{self._release}"
            there = [path for path in (f"{base}/source", f"{base}/build") if os.path.isdir(path)]
            if not there:
                return []
            source, build = there[0], there[-1]
        arch = self.environment.get("ARCH") or self._folder
        return [
            f"{source}/arch/{arch}/include",
            f"{build}/arch/{arch}/include/generated",
            f"{source}/include",
            f"{build}/include",
            f"{source}/arch/{arch}/include/uapi",
            f"{build}/arch/{arch}/include/generated/uapi",
            f"{source}/include/uapi",
            f"{build}/include/generated/uapi",
        ]

    def order(self, inside: bool) -> list[tuple[str, bool]]:
        """The folders, and whether they hold the kernel's own headers.

        ``inside``: for what a header of the C library includes.
        """
        own = [(folder, False) for folder in self.folders]
        kernel = [(folder, True) for folder in self.source]
        system = [(folder, False) for folder in self.system]
        return [*own, *system, *kernel] if inside else [*own, *kernel, *system]

    def find(
        self, name: str, beside: str | None, inside: bool = False, behind: int = -2
    ) -> Found | None:
        """Where the header ``name`` is; None where it is not.

        Args:
            name: as in the ``#include``.
            beside: the folder to look in first, for names in quotes.
            inside: a header of the C library asks.
            behind: the number of the folder to go on behind, for ``#include_next``.
        """
        if beside is not None:
            path = os.path.join(beside, name)
            if os.path.isfile(path):
                return Found(path, None, False, False, -1)
        if name.startswith("/"):
            return Found(name, None, False, False, -1) if os.path.isfile(name) else None
        order = self.order(inside)
        first = name.partition("/")[0]
        if behind < -1 and name in COMPILERS:
            return Found(f"<{name}>", COMPILERS[name], False, False, -1)
        for at, (folder, source) in enumerate(order):
            if at <= behind:
                continue
            path = f"{folder}/{name}"
            if os.path.isfile(path):
                kernel = source or (first in KERNEL_FOLDERS and folder not in self.folders)
                if first == "net" and not source:
                    kernel = False  # /usr/include/net is the C library's.
                return Found(path, None, kernel, source, at)
        if name in FALLBACK:
            return Found(f"<{name}>", FALLBACK[name], False, False, len(order))
        return None

    def looked(self, name: str, beside: str | None) -> str:
        """Where :meth:`find` has looked, as a text."""
        folders = [beside or "."] if beside is not None else []
        folders += [folder for folder, _source in self.order(False)]
        return ", ".join(dict.fromkeys(folders))
