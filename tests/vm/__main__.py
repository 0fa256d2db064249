"""``python -m tests.vm``: run a command on another kernel, or the tests on several."""

from __future__ import annotations

import argparse
import sys

from tests.vm import guest, kernels
from tests.vm.archive import ArchiveError, cache


def main(arguments: list[str] | None = None) -> int:
    """The command line; the status of what was run."""
    parser = argparse.ArgumentParser(prog="python -m tests.vm", description=__doc__)
    commands = parser.add_subparsers(dest="what", required=True)
    run = commands.add_parser("run", help="boot a kernel and run a command as root in it")
    run.add_argument("kernel", help="the beginning of a version: 6.1, 6.12, 7")
    run.add_argument("--cpus", type=int, default=2)
    run.add_argument("--memory", default="1G")
    run.add_argument("--timeout", type=float, default=600, metavar="SECONDS")
    run.add_argument("--append", default="", metavar="WORDS", help="for the kernel's command line")
    run.add_argument("--rw", action="append", default=[], metavar="DIR", help="writable folder")
    run.add_argument("command", nargs=argparse.REMAINDER, help="-- PROGRAM ARGUMENTS")
    fetch = commands.add_parser("fetch", help="fetch kernels into the cache")
    fetch.add_argument("kernels", nargs="*", default=kernels.RELEASES)
    commands.add_parser("list", help="the kernels that tests run on, and which are in the cache")
    given = parser.parse_args(arguments)
    try:
        if given.what == "list":
            print(f"cache: {cache()}")
            for version in kernels.RELEASES:
                found = kernels.cached(version)
                print(f"{version:6} {kernels.fetch(version).release if found else 'not fetched'}")
            return 0
        if given.what == "fetch":
            for version in given.kernels:
                print(f"{version:6} {kernels.fetch(version).release}", flush=True)
            return 0
        command = given.command[1:] if given.command[:1] == ["--"] else given.command
        if not command:
            parser.error("which command?")
        return guest.run(
            kernels.fetch(given.kernel),
            command,
            cpus=given.cpus,
            memory=given.memory,
            timeout=given.timeout,
            append=given.append,
            writable=given.rw,
        )
    except ArchiveError as error:
        print(f"tests.vm: {error}", file=sys.stderr)
        return guest.NO_STATUS


if __name__ == "__main__":
    sys.exit(main())
