"""Numbers of the ELF format (System V gABI, ``include/uapi/linux/elf.h``) that this room reads."""

FILE_TYPES = {1: "REL", 2: "EXEC", 3: "DYN", 4: "CORE"}

# Segment types and flags.
PT_LOAD = 1
PT_DYNAMIC = 2
PT_INTERP = 3
PT_NOTE = 4
PF_X = 1

# Where a count does not fit its 16 bits, section 0 has it.
PN_XNUM = 0xFFFF
SHN_XINDEX = 0xFFFF

# Section types and special indexes.
SHT_SYMTAB = 2
SHT_STRTAB = 3
SHT_DYNAMIC = 6
SHT_NOTE = 7
SHT_NOBITS = 8
SHT_DYNSYM = 11
SHT_GNU_VERDEF = 0x6FFFFFFD
SHT_GNU_VERNEED = 0x6FFFFFFE
SHT_GNU_VERSYM = 0x6FFFFFFF
SHN_UNDEF = 0

# Symbol types and bindings, by number.
SYMBOL_KINDS = {0: "notype", 1: "object", 2: "func", 5: "object", 6: "tls", 10: "ifunc"}
STT_OBJECT = 1
STT_FUNC = 2
STT_GNU_IFUNC = 10
SYMBOL_BINDINGS = {0: "local", 1: "global", 2: "weak", 10: "unique"}

# .gnu.version: the high bit says "not the default version".
VERSYM_HIDDEN = 0x8000

# Notes.
NT_GNU_BUILD_ID = 3
NT_STAPSDT = 3

# Record layouts by word size: struct format without the byte order. Program headers and symbols
# have their fields in another order in 32-bit files, which the readers of them put right.
HEADER = {32: "HHIIIIIHHHHHH", 64: "HHIQQQIHHHHHH"}
PROGRAM_HEADER = {32: "IIIIIIII", 64: "IIQQQQQQ"}
SECTION_HEADER = {32: "IIIIIIIIII", 64: "IIQQQQIIQQ"}
SYMBOL = {32: "IIIBBH", 64: "IBBHQQ"}

# Dynamic section tags.
DT_NULL = 0
DT_NEEDED = 1
DT_HASH = 4
DT_STRTAB = 5
DT_SYMTAB = 6
DT_STRSZ = 10
DT_GNU_HASH = 0x6FFFFEF5
