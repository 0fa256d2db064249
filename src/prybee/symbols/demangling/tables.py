"""Codes of the Itanium C++ ABI (https://itanium-cxx-abi.github.io/cxx-abi/abi.html, chapter 5)."""

from __future__ import annotations

BUILTIN_TYPES = {
    "v": "void",
    "w": "wchar_t",
    "b": "bool",
    "c": "char",
    "a": "signed char",
    "h": "unsigned char",
    "s": "short",
    "t": "unsigned short",
    "i": "int",
    "j": "unsigned int",
    "l": "long",
    "m": "unsigned long",
    "x": "long long",
    "y": "unsigned long long",
    "n": "__int128",
    "o": "unsigned __int128",
    "f": "float",
    "d": "double",
    "e": "long double",
    "g": "__float128",
    "z": "...",
}

# After a D.
BUILTIN_D_TYPES = {
    "d": "decimal64",
    "e": "decimal128",
    "f": "decimal32",
    "h": "half",
    "s": "char16_t",
    "i": "char32_t",
    "u": "char8_t",
    "a": "auto",
    "c": "decltype(auto)",
    "n": "decltype(nullptr)",
}

# How an integer literal of a builtin type is written: its suffix.
LITERAL_SUFFIXES = {
    "int": "",
    "unsigned int": "u",
    "long": "l",
    "unsigned long": "ul",
    "long long": "ll",
    "unsigned long long": "ull",
}

# After an S: the name, what it abbreviates where a constructor's name is needed, that name.
STANDARD_SUBSTITUTIONS = {
    "a": ("std::allocator", "std::allocator", "allocator"),
    "b": ("std::basic_string", "std::basic_string", "basic_string"),
    "s": (
        "std::string",
        "std::basic_string<char, std::char_traits<char>, std::allocator<char> >",
        "basic_string",
    ),
    "i": (
        "std::istream",
        "std::basic_istream<char, std::char_traits<char> >",
        "basic_istream",
    ),
    "o": (
        "std::ostream",
        "std::basic_ostream<char, std::char_traits<char> >",
        "basic_ostream",
    ),
    "d": (
        "std::iostream",
        "std::basic_iostream<char, std::char_traits<char> >",
        "basic_iostream",
    ),
}

# Code → (text after ``operator``, operands in an expression).
OPERATORS = {
    "aN": ("&=", 2),
    "aS": ("=", 2),
    "aa": ("&&", 2),
    "ad": ("&", 1),
    "an": ("&", 2),
    "aw": ("co_await ", 1),
    "cl": ("()", 0),
    "cm": (",", 2),
    "co": ("~", 1),
    "dV": ("/=", 2),
    "da": ("delete[] ", 1),
    "de": ("*", 1),
    "dl": ("delete ", 1),
    "ds": (".*", 2),
    "dt": (".", 2),
    "dv": ("/", 2),
    "eO": ("^=", 2),
    "eo": ("^", 2),
    "eq": ("==", 2),
    "ge": (">=", 2),
    "gt": (">", 2),
    "ix": ("[]", 2),
    "lS": ("<<=", 2),
    "le": ("<=", 2),
    "ls": ("<<", 2),
    "lt": ("<", 2),
    "mI": ("-=", 2),
    "mL": ("*=", 2),
    "mi": ("-", 2),
    "ml": ("*", 2),
    "mm": ("--", 1),
    "na": ("new[]", 0),
    "ne": ("!=", 2),
    "ng": ("-", 1),
    "nt": ("!", 1),
    "nw": ("new", 0),
    "oR": ("|=", 2),
    "oo": ("||", 2),
    "or": ("|", 2),
    "pL": ("+=", 2),
    "pl": ("+", 2),
    "pm": ("->*", 2),
    "pp": ("++", 1),
    "ps": ("+", 1),
    "pt": ("->", 2),
    "qu": ("?", 3),
    "rM": ("%=", 2),
    "rS": (">>=", 2),
    "rm": ("%", 2),
    "rs": (">>", 2),
    "ss": ("<=>", 2),
}

# After a T or G: what a name is that is not a function's.
SPECIAL_NAMES = {
    "TV": "vtable for ",
    "TT": "VTT for ",
    "TI": "typeinfo for ",
    "TS": "typeinfo name for ",
    "TF": "typeinfo fn for ",
    "TJ": "java Class for ",
}
SPECIAL_OBJECTS = {
    "TH": "TLS init function for ",
    "TW": "TLS wrapper function for ",
    "GV": "guard variable for ",
}
