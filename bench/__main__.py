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

from bench import breakdown
from bench.measures import NAMES
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
    options = parser.parse_args()
    unknown = [name for name in options.measures if name not in (*NAMES, "breakdown")]
    if unknown:
        parser.error(f"no measure {', '.join(unknown)}; there are {', '.join(NAMES)}, breakdown")
    if os.geteuid() != 0:
        parser.error("loading BPF programs needs root")
    if not options.peer:
        parser.error(
            "no bpftrace here to compare with: apt-get install bpftrace, or --peer COMMAND"
        )
    ours = Tracer("prybee", [str(HERE / ".venv" / "bin" / "prybee")])
    peer = Tracer("bpftrace", shlex.split(options.peer))
    peer.calibrate()
    peer_root = Path(os.environ.get("PEER_ROOT") or Path.home() / ".cache/peer/sid")
    if "peer" in peer.command[0]:
        peer.environment["BENCH_PEER_ROOT"] = str(peer_root)
    version = peer.run("-V").out.decode().strip()
    print(f"{platform.release()} {platform.machine()}, {os.cpu_count()} CPUs, "
          f"Python {platform.python_version()}; peer: {version}, its wrapper's "
          f"{peer.wrapper * 1e3:.0f} ms taken off\n")  # fmt: skip
    names = options.measures or [*NAMES, "breakdown"]
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
