"""Packages of Debian's archive as files, with an apt configuration of our own."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
MIRROR = "http://deb.debian.org/debian"
# From the oldest with kernels that programs still run on to the newest.
SUITES = ("bullseye", "bookworm", "trixie", "trixie-backports", "forky", "sid")


class ArchiveError(Exception):
    """A package that cannot be had, and why."""


def cache() -> Path:
    """Where everything is kept between runs."""
    given = os.environ.get("PRYBEE_VM_CACHE")
    if given:
        return Path(given).absolute()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "prybee" / "vm"


@contextmanager
def locked(name: str) -> Iterator[Path]:
    """The cache, while nobody else makes the part called ``name``."""
    root = cache()
    root.mkdir(parents=True, exist_ok=True)
    with open(root / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield root


class Archive:
    """One suite of the archive.

    Args:
        suite: such as ``trixie``.
        machine: whose packages, as Debian says it.

    Raises:
        ArchiveError: its list of packages cannot be had.
    """

    def __init__(self, suite: str, machine: str = "amd64") -> None:
        self.suite = suite
        self.machine = machine
        name = suite if machine == "amd64" else f"{machine}-{suite}"
        self.root = cache() / "apt" / name
        with locked(f"apt-{name}"):
            if not (self.root / "ready").exists():
                self._prepare()

    def _prepare(self) -> None:
        for program in ("apt-get", "apt-cache", "dpkg-deb"):
            if shutil.which(program) is None:
                raise ArchiveError(f"no {program} here, which Debian's archive is read with")
        if not os.path.exists(KEYRING):
            raise ArchiveError(f"no {KEYRING} here (package debian-archive-keyring)")
        for folder in ("lists/partial", "archives/partial", "etc"):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        (self.root / "status").touch()
        line = f"deb [signed-by={KEYRING}] {mirror()} {self.suite} main\n"
        (self.root / "sources.list").write_text(line)
        self._apt("apt-get", "update")
        (self.root / "ready").touch()

    def _apt(self, *command: str, cwd: Path | None = None) -> str:
        root = self.root
        options = {
            "Dir::State::Lists": root / "lists",
            "Dir::State::status": root / "status",
            "Dir::State::extended_states": root / "extended",
            "Dir::Cache": root,
            "Dir::Cache::archives": root / "archives",
            "Dir::Etc::sourcelist": root / "sources.list",
            "Dir::Etc::sourceparts": "-",
            "Dir::Etc::preferencesparts": "-",
            "APT::Architecture": self.machine,
            "APT::Architectures": self.machine,
            "APT::Sandbox::User": "root",
            "Acquire::Languages": "none",
            "Acquire::Retries": "2",
            "Acquire::http::Timeout": "20",
            "Debug::NoLocking": "true",
        }
        given = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
        program, *rest = command
        done = subprocess.run(
            [program, "-q", *given, *rest], cwd=cwd, capture_output=True, text=True, check=False
        )
        if done.returncode:
            last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
            raise ArchiveError(f"{program} {rest[0]} ({self.suite}): {''.join(last)}")
        return done.stdout

    def names(self, prefix: str) -> list[str]:
        """Packages whose names begin with ``prefix``."""
        return self._apt("apt-cache", "pkgnames", prefix).split()

    def depends(self, package: str) -> list[str]:
        """The packages that one depends on, as they are named."""
        lines = self._apt("apt-cache", "depends", "--important", package).splitlines()
        return [line.split()[-1] for line in lines if "Depends:" in line]

    def download(self, packages: Sequence[str], target: Path) -> list[Path]:
        """Packages as files in ``target``.

        Raises:
            ArchiveError: one of them is not there.
        """
        target.mkdir(parents=True, exist_ok=True)
        self._apt("apt-get", "download", *packages, cwd=target)
        return sorted(target.glob("*.deb"))

    def download_with_dependencies(self, packages: Sequence[str]) -> list[Path]:
        """Packages as files, and all that they need to run."""
        self._apt(
            "apt-get", "install", "--yes", "--download-only", "--no-install-recommends", *packages
        )
        return sorted((self.root / "archives").glob("*.deb"))


def mirror() -> str:
    """The address of the archive that this machine uses, or Debian's own."""
    done = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(ORIGIN)"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    for line in done.stdout.splitlines():
        address, _, origin = line.partition(" ")
        if origin == "Debian" and "security" not in address:
            return address.rstrip("/")
    return MIRROR


def unpack(package: Path, target: Path) -> None:
    """The files of a package, below ``target``."""
    target.mkdir(parents=True, exist_ok=True)
    subprocess.run(["dpkg-deb", "-x", package, target], check=True)
