#!/bin/sh
# dev/setup.sh VENV: make the development environment, from whatever this machine has.
#
# Finds a Python of version 3.11 or newer that can make a virtual environment, makes VENV with it, and
# installs prybee in it (editable) with the tools of the `dev` group in pyproject.toml. What the system
# lacks is installed with apt-get when we are root on a Debian-like system; otherwise it is named, with
# the command that gets it. pip is used as it is configured: indexes, proxies and certificates are its own.
set -eu

venv=${1:?usage: dev/setup.sh VENV}
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*"; }

fail() {
    printf 'setup: %s\n' "$@" >&2
    exit 1
}

can_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; }

install() {
    say "installing $* with apt-get"
    if ! DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >/dev/null 2>&1; then
        # The package lists may be missing or old; once they are fresh, let errors be seen.
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >/dev/null
    fi
}

recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

# Debian splits ensurepip off into python3-venv, and without it `venv` fails half-way.
complete() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }

# The first recent Python for which the test given as an argument holds, PYTHON (if set) before all others.
find_python() {
    for name in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3; do
        path=$(command -v "$name" 2>/dev/null) || continue
        if recent "$path" && "$1" "$path"; then
            printf '%s\n' "$path"
            return 0
        fi
    done
    return 1
}

make_venv() {
    if python=$(find_python complete); then
        :
    elif can_install; then
        install python3 python3-venv
        python=$(find_python complete) || fail \
            "prybee needs Python 3.11 or newer; this system's packages have an older one." \
            "Put a newer one on PATH, or name it: make PYTHON=/path/to/python3.11"
    elif python=$(find_python recent) && "$python" -m virtualenv --version >/dev/null 2>&1; then
        say "making $venv with virtualenv and $python"
        "$python" -m virtualenv --quiet --clear "$venv"
        return
    elif [ -n "${python:-}" ]; then
        fail "$python has no venv module, and virtualenv is not there either." \
            "As root: apt-get install python3-venv" \
            "or, without root: $python -m pip install --user virtualenv"
    else
        fail "prybee needs Python 3.11 or newer, and found none on PATH." \
            "As root: apt-get install python3 python3-venv" \
            "or name one: make PYTHON=/path/to/python3.11"
    fi
    say "making $venv with $python"
    "$python" -m venv --clear "$venv"
}

# Live tests build small C programs to trace. Nothing else needs a compiler.
if ! echo 'int main(void) { return 0; }' | cc -x c -include stdio.h - -o /dev/null 2>/dev/null; then
    if can_install; then
        install gcc libc6-dev
    else
        say "no C compiler: live tests that trace C programs will be skipped. As root: apt-get install gcc libc6-dev"
    fi
fi

if ! { recent "$venv/bin/python" && "$venv/bin/python" -m pip --version >/dev/null 2>&1; }; then
    make_venv
fi

say "installing prybee and its development tools in $venv"
# Dependency groups (PEP 735) came with pip 25.1.
"$venv/bin/python" -m pip install --quiet --upgrade 'pip>=25.1'
"$venv/bin/python" -m pip install --quiet --editable . --group dev
