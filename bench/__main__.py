"""``python -m bench [MEASURE …] [--peer COMMAND] [--rounds N] [--update]``."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import re
import shlex
import shutil
import sys
import time
from pathlib import Path

from bench import breakdown, flame
from bench.measures import NAMES, UNTRACED
from bench.report import Row, table
from bench.tracer import Tracer

HERE = Path(__file__).parent


def default_peer() -> str:
    """The newest bpftrace at hand: a wrapper beside the checkout, or Debian's own package."""
    wrapper = HERE.parent.parent / "shared" / "bin" / "peer"
    if wrapper.exists():
        return f"{wrapper} bpftrace"
    return shutil.which("bpftrace") or ""


def main() -> int:
    """Run the measures, print their tables; 1 where a bound does not hold."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("measures", nargs="*", metavar="MEASURE", help=", ".join(NAMES))
    parser.add_argument("--peer", default=default_peer(), help="command to compare with")
    parser.add_argument("--rounds", type=int, default=7, help="samples of each (default 7)")
    parser.add_argument("--update", action="store_true", help="put the tables into bench/README.md")
    parser.add_argument("--size", type=float, default=100, help="MB of captures (default 100)")
    parser.add_argument("--flamegraph", default=flame.SETTINGS.flamegraph, help="its checkout")
    parser.add_argument(
        "--inferno",
        default=flame.SETTINGS.inferno,
        help="folder with it, or cargo-flamegraph's flamegraph",
    )
    options = parser.parse_args()
    flame.SETTINGS.size = options.size
    flame.SETTINGS.flamegraph, flame.SETTINGS.inferno = options.flamegraph, options.inferno
    unknown = [name for name in options.measures if name not in (*NAMES, "breakdown")]
    if unknown:
        parser.error(f"no measure {', '.join(unknown)}; there are {', '.join(NAMES)}, breakdown")
    ours = Tracer("prybee", [str(HERE / ".venv" / "bin" / "prybee")])
    names = options.measures or [*NAMES, "breakdown"]
    peer, version = None, "peer"
    if not {*names} <= {*UNTRACED}:
        peer, version = _peer(parser, options.peer)
    print(f"{platform.release()} {platform.machine()}, {os.cpu_count()} CPUs, "
          f"Python {platform.python_version()}")  # fmt: skip
    if peer is not None:
        print(f"peer: {version}, its wrapper's {peer.wrapper * 1e3:.0f} ms taken off")
    print()
    results: dict[str, list[Row]] = {}
    texts: dict[str, str] = {}
    for name in names:
        begin = time.time()
        if name == "breakdown":
            texts[name] = breakdown.table(ours, options.rounds)
        else:
            module = importlib.import_module(f"bench.measures.{name}")
            results[name] = module.measure(ours, peer, options.rounds)
            texts[name] = table(module.TITLE, results[name], version)
        print(texts[name], flush=True)
        print(f"({name}: {time.time() - begin:.0f} s)\n", file=sys.stderr)
    _save(results)
    if options.update:
        _update(texts)
    failed = [f"{name}: {row.what}" for name, rows in results.items() for row in rows
              if row.holds is False]  # fmt: skip
    if failed:
        print("bounds that do not hold:", *failed, sep="\n  ")
    return 1 if failed else 0


def _peer(parser: argparse.ArgumentParser, command: str) -> tuple[Tracer, str]:
    """What traces are compared with, and its version."""
    if os.geteuid() != 0:
        parser.error("loading BPF programs needs root")
    if not command:
        parser.error(
            "no bpftrace here to compare with: apt-get install bpftrace, or --peer COMMAND"
        )
    peer = Tracer("bpftrace", shlex.split(command))
    peer.calibrate()
    peer_root = Path(os.environ.get("PEER_ROOT") or Path.home() / ".cache/peer/sid")
    if "peer" in peer.command[0]:
        peer.environment["BENCH_PEER_ROOT"] = str(peer_root)
    return peer, peer.run("-V").out.decode().strip()


def _save(results: dict[str, list[Row]]) -> None:
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    content = {name: [vars(row) for row in rows] for name, rows in results.items()}
    (folder / f"{stamp}.json").write_text(json.dumps(content, indent=1))


def _update(texts: dict[str, str]) -> None:
    """Replace what stands between the markers of each measure in README.md."""
    readme = HERE / "README.md"
    content = readme.read_text()
    for name, text in texts.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.S)
        content = pattern.sub(lambda m, text=text: f"{m[1]}{text}{m[2]}", content)
    readme.write_text(content)


if __name__ == "__main__":
    sys.exit(main())
