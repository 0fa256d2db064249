"""``python -m conformance SUITE [--file NAME …] [--filter REGEX] [--json FILE] …``."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import re
import shutil
import sys
import time
from pathlib import Path

from conformance import build, categories, inside, launcher, report, scripts, suite
from conformance.engine import FAILED, PASSED, SKIPPED, Engine, Result

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "compatibility.md"
# Features that the suite asks for and that are the kernel's to give: without them a test cannot
# run.  Any other that we say no to is one that we lack, and its tests count as failed.
_OF_THE_KERNEL = {"kprobe_multi", "kprobe_session", "fentry", "dpath", "aot"}
# Programs that the engine calls, and the compiler of the suite's programs.
_COMMANDS = ("gcc", "bash", "ps", "pidof", "unshare", "nsenter")
_MISSED = re.compile(r"missed feature: '(.*)'")


def main() -> int:
    """Run the suite; 1 where a bound or the baseline does not hold."""
    options = _options()
    checkout = Path(options.suite).resolve()
    tests = checkout / "tests"
    try:
        cases = suite.read(tests)
    except (suite.SuiteError, OSError) as error:
        print(f"conformance: {error}", file=sys.stderr)
        return 2
    lacking = missing()
    if lacking:
        print(f"conformance: the suite needs {', '.join(lacking)}", file=sys.stderr)
        return 2
    folder = options.build.resolve()
    (folder / "testprogs").mkdir(parents=True, exist_ok=True)
    builder = build.Builder(tests, folder)
    builder.build(build.jobs())
    build.lay_out(tests, folder)
    for line in builder.missing:
        print(f"not built: {line}")
    if options.kernel:
        return inside.run(options)
    program = launcher.make(folder)
    engine = Engine(folder, program, options.patience or 1)
    results = run(engine, chosen(cases, options), options)
    ready: list[scripts.Script] = []
    texts = ""
    if whole(options):
        tested = scripts.self_tests(tests, program)
        tools = scripts.tools(checkout / "tools", program, folder)
        ready = [*tested, *tools]
        texts = (
            f"{scripts.HEAD}{scripts.table('tests/self', tested)}{scripts.table('tools', tools)}"
        )
    print()
    print(report.files_table(results))
    print(report.categories_table(results))
    if options.all:
        print(report.groups_table(results))
    print(f"skipped, and why:\n{report.skips(results)}")
    failed = report.failures(results)
    print(f"failed: {len(failed)}\n")
    for result in failed:
        print(report.failure(result))
    if texts:
        print(texts)
    for script in ready:
        if not script.good:
            print(f"## {script.name}, to be {script.how}:\n{script.why}")
    return finish(results, ready, texts, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make conformance", description=__doc__)
    parser.add_argument("suite", metavar="SUITE", help="a checkout of bpftrace")
    parser.add_argument("--file", action="append", default=[], metavar="NAME",
                        help="only this file of tests/runtime (more than once: these)")  # fmt: skip
    parser.add_argument("--filter", default="", metavar="REGEX",
                        help="only tests whose FILE.NAME matches")  # fmt: skip
    parser.add_argument("--all", action="store_true",
                        help="run those too that this kernel is not expected to pass")  # fmt: skip
    parser.add_argument("--group", action="append", default=[], choices=categories.GROUPS,
                        help="only tests of this group (more than once: these)")  # fmt: skip
    parser.add_argument("--kernel", default="", metavar="VERSION",
                        help="boot this kernel of Debian's and run all tests there")  # fmt: skip
    parser.add_argument("--record", action="store_true",
                        help="keep what it passes for docs/kernels.md")  # fmt: skip
    parser.add_argument("--timeout", type=float, default=4 * 3600, metavar="SECONDS",
                        help="for the whole run in another kernel")  # fmt: skip
    parser.add_argument("--patience", type=float, default=0, metavar="FACTOR",
                        help="how many times longer than bpftrace allows anything may take "
                        "(default: 1; 8 where another kernel is emulated)")  # fmt: skip
    parser.add_argument("--build", type=Path, default=HERE / "build", metavar="DIR",
                        help="where programs are built (default: conformance/build)")  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all verdicts to FILE")
    parser.add_argument("--baseline", type=Path, metavar="FILE",
                        help="tests that passed before, one a line: all must pass again, and "
                        "those that pass for the first time are added")  # fmt: skip
    parser.add_argument("--update", action="store_true",
                        help="put the tables into docs/compatibility.md")  # fmt: skip
    options = parser.parse_args()
    if os.geteuid() != 0:
        parser.error("loading BPF programs needs root")
    return options


def missing() -> list[str]:
    """What the suite's engine cannot do without, and this machine does not have."""
    lacking = [name for name in _COMMANDS if shutil.which(name) is None]
    if importlib.util.find_spec("looseversion") is None:
        lacking.append("the Python package looseversion (pip install looseversion)")
    return lacking


def chosen(cases: list[suite.Case], options: argparse.Namespace) -> list[suite.Case]:
    """The tests for this machine that the options ask for."""
    return [
        case
        for case in cases
        if suite.for_this_machine(case)
        and (not options.file or case.file in options.file)
        and (not options.group or set(options.group) & set(categories.groups(case)))
        and re.search(options.filter, case.id)
    ]


def whole(options: argparse.Namespace) -> bool:
    """Whether no part of the suite was chosen."""
    return not options.file and not options.filter and not options.group


def run(engine: Engine, cases: list[suite.Case], options: argparse.Namespace) -> list[Result]:
    """Run tests file by file; those that cannot pass here are skipped unless asked for.

    Verdicts are written out after each file: a guest may die.
    """
    files: dict[str, list[suite.Case]] = {}
    for case in cases:
        files.setdefault(case.file, []).append(case)
    results: list[Result] = []
    for name, members in files.items():
        begin = time.time()
        eligible = [
            case
            for case in members
            if options.all or categories.CATEGORIES[categories.category(case)].eligible
        ]
        done = [judged(result) for result in engine.run(name, eligible)]
        chosen_ids = {id(case) for case in eligible}
        done += [
            Result(case, SKIPPED, f"needs {categories.CATEGORIES[categories.category(case)].title}")
            for case in members
            if id(case) not in chosen_ids
        ]
        results += done
        passed = sum(result.verdict == PASSED for result in done)
        failed = sum(result.verdict == FAILED for result in done)
        print(f"{name}: {passed} passed, {failed} failed, {len(done) - passed - failed} skipped "
              f"({time.time() - begin:.0f} s)", flush=True)  # fmt: skip
        if options.json:
            write(results, options.json)
        if options.patience > 1:
            for result in report.failures(done):
                print(report.failure(result), flush=True)
    return results


def judged(result: Result) -> Result:
    """A result; failed instead of skipped where the suite skips it for something that we lack."""
    missed = _MISSED.search(result.reason)
    if result.verdict == SKIPPED and missed:
        names = {name for name in missed[1].split(",") if not name.startswith("!")}
        if names and not names & _OF_THE_KERNEL:
            return Result(result.case, FAILED, f"--info does not say yes to {', '.join(names)}",
                          command=(result.case.all("RUN") + result.case.all("PROG"))[0],
                          expected=result.case.expectations)  # fmt: skip
    return result


def finish(
    results: list[Result], ready: list[scripts.Script], texts: str, options: argparse.Namespace
) -> int:
    """Write what was asked for, judge the bounds; the exit status."""
    if options.json:
        write(results, options.json)
    wrong: list[str] = []
    if options.all:
        wrong += report.missed_group_bounds(results)
    if whole(options):
        wrong += report.missed_bounds(results)
        wrong += unexplained(results, PAGE.read_text())
        wrong += [f"{script.name} was not {script.how}" for script in ready if not script.good]
    if options.baseline:
        wrong += ratchet(results, options.baseline)
    if options.update:
        update(PAGE, {"files": report.files_table(results),
                      "categories": report.categories_table(results),
                      "scripts": texts,
                      "machine": machine()})  # fmt: skip
    if wrong:
        print("what does not hold:", *wrong, sep="\n  ")
    return 1 if wrong else 0


def write(results: list[Result], path: Path) -> None:
    """All verdicts, as JSON."""
    content = [
        {"test": result.case.id, "category": categories.category(result.case),
         "groups": categories.groups(result.case), "verdict": result.verdict,
         "reason": result.reason, "seconds": result.seconds}
        for result in results
    ]  # fmt: skip
    path.write_text(json.dumps(content, indent=1) + "\n")


def unexplained(results: list[Result], page: str) -> list[str]:
    """Failed tests that a page does not name in backquotes, as it should: with the reason."""
    failed = dict.fromkeys(result.case.id for result in report.failures(results))
    return [f"{name}: docs/compatibility.md says nothing of it" for name in failed
            if f"`{name}`" not in page]  # fmt: skip


def ratchet(results: list[Result], path: Path) -> list[str]:
    """Tests that once passed and do not now; those that pass now are added to the file."""
    before = set(path.read_text().splitlines()) if path.exists() else set()
    verdicts = {result.case.id: result.verdict for result in results}
    passed = {name for name, verdict in verdicts.items() if verdict == PASSED}
    path.write_text("".join(f"{name}\n" for name in sorted(before | passed)))
    return [
        f"{name} passed before" for name in sorted(before) if verdicts.get(name, PASSED) != PASSED
    ]


def machine() -> str:
    """What the figures were taken on."""
    return (
        f"Linux {platform.release()} {platform.machine()}, Python {platform.python_version()}, "
        f"{time.strftime('%Y-%m-%d')}\n"
    )


def update(page: Path, texts: dict[str, str]) -> None:
    """Replace what stands between the markers of each text in a page."""
    content = page.read_text()
    for name, text in texts.items():
        start, end = f"<!-- {name} -->\n", "<!-- end -->"
        before, found, rest = content.partition(start)
        if found:
            content = before + start + text + end + rest.partition(end)[2]
    page.write_text(content)


if __name__ == "__main__":
    sys.exit(main())
