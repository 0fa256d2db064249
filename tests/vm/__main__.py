"""``python -m tests.vm``: run a command on another kernel, or the tests on several."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from tests.vm import facts, guest, kernels, standing, table
from tests.vm.archive import ArchiveError, cache

if TYPE_CHECKING:
    from collections.abc import Sequence

# Where set, kernels that cannot be fetched are only reported.
OPTIONAL = "PRYBEE_VM_OPTIONAL"


def main(arguments: list[str] | None = None) -> int:
    """The command line; the status of what was run."""
    parser = argparse.ArgumentParser(prog="python -m tests.vm", description=__doc__)
    commands = parser.add_subparsers(dest="what", required=True)
    run = commands.add_parser("run", help="boot a kernel and run a command as root in it")
    run.add_argument("kernel", help="the beginning of a version: 6.1, 6.12, 7; arm64:6.12")
    run.add_argument("--cpus", type=int, default=2)
    run.add_argument("--memory", default="1G")
    run.add_argument("--timeout", type=float, default=600, metavar="SECONDS")
    run.add_argument("--append", default="", metavar="WORDS", help="for the kernel's command line")
    run.add_argument("--rw", action="append", default=[], metavar="DIR", help="writable folder")
    run.usage = "python -m tests.vm run KERNEL [options] -- PROGRAM ARGUMENTS"
    inside = commands.add_parser("in", help="run a command in a guest that stays (booted if none)")
    inside.add_argument("kernel")
    inside.add_argument("--timeout", type=float, default=600, metavar="SECONDS")
    inside.add_argument("--memory", default="2G", help="of the guest, if it must be booted")
    inside.add_argument(
        "--send", action="append", default=[], metavar="PATH",
        help="the guest is to see this file or folder as it is now, not as it was at its boot;"
        " done without asking for the project's own",
    )  # fmt: skip
    inside.usage = "python -m tests.vm in KERNEL [options] -- PROGRAM ARGUMENTS"
    down = commands.add_parser("down", help="end guests that stay")
    down.add_argument("kernels", nargs="*", default=kernels.RELEASES)
    stand = commands.add_parser("stand", help="what is behind a guest that stays")
    stand.add_argument("kernel")
    stand.add_argument("port", type=int)
    fetch = commands.add_parser("fetch", help="fetch kernels into the cache")
    fetch.add_argument("kernels", nargs="*", default=kernels.RELEASES)
    commands.add_parser("list", help="the kernels that tests run on, and which are in the cache")
    tests = commands.add_parser("table", help="run tests in kernels; a table of how they went")
    tests.usage = "python -m tests.vm table [KERNEL...] [options] [-- PYTEST ARGUMENTS]"
    tests.add_argument("kernels", nargs="*", default=kernels.RELEASES)
    tests.add_argument("--jobs", type=int, default=0, metavar="GUESTS", help="at a time")
    tests.add_argument("--cpus", type=int, default=2, help="of each guest")
    tests.add_argument("--timeout", type=float, default=7200, metavar="SECONDS", help="of a guest")
    tests.add_argument("--limit", type=float, default=240, metavar="SECONDS", help="of a test")
    tests.add_argument("--record", action="store_true", help="for docs/kernels.md")
    ask = commands.add_parser("facts", help="record what kernels can do, for docs/kernels.md")
    ask.add_argument("kernels", nargs="*", default=(*kernels.RELEASES, facts.HERE))
    words = sys.argv[1:] if arguments is None else arguments
    end = words.index("--") if "--" in words else len(words)
    given, command = parser.parse_args(words[:end]), words[end + 1 :]
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
        if given.what == "table":
            results = table.run(
                given.kernels,
                command or ["-m", "live and not slow"],
                side_by_side=given.jobs or table.guests_at_a_time(),
                cpus=given.cpus,
                timeout=given.timeout,
                limit=given.limit,
            )
            print(table.text(results))
            if given.record:
                for each in results:
                    if not each.lacking and not each.failure:
                        facts.record(each.version, "tests", each.summary())
            return status(results)
        if given.what == "facts":
            for version in given.kernels:
                facts.record(version, "facts", facts.take(version))
                print(f"{version:6} recorded", flush=True)
            return 0
        if given.what == "down":
            for version in given.kernels:
                print(f"{version:6} {'ended' if standing.down(version) else 'there was none'}")
            return 0
        if given.what == "stand":
            return standing.stand(given.kernel, given.port)
        if not command:
            parser.error("which command?")
        if given.what == "in":
            return standing.run(
                given.kernel, command,
                send=given.send, timeout=given.timeout, memory=given.memory,
            )  # fmt: skip
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


def status(results: Sequence[table.Results]) -> int:
    """0 where all is well: no kernel is missing either, unless that was said to be all right."""
    if os.environ.get(OPTIONAL):
        results = [each for each in results if not each.lacking]
    return 0 if all(each.green for each in results) else 1


if __name__ == "__main__":
    sys.exit(main())
