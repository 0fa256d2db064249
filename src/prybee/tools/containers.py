"""``--cgroup`` and ``--container``: what the kernel knows them by."""

from __future__ import annotations

import os
import re

from prybee.diagnostics import PrybeeError
from prybee.output.containers import ID

# Cgroups of one filter: each is a comparison in each program.
MOST_CGROUPS = 64


def cgroup_root() -> str:
    """Where the cgroup v2 tree is mounted; empty where it is not."""
    try:
        with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                words = line.split()
                if len(words) > 2 and words[2] == "cgroup2":
                    return words[1]
    except OSError:
        pass
    return ""


def cgroup_ids(path: str) -> tuple[int, ...]:
    """The ids of a cgroup and of those below it.

    Args:
        path: a directory of the cgroup file system, or a path in the cgroup v2 tree such as
            ``/system.slice/ssh.service``, or a number: the id itself.

    Raises:
        PrybeeError: there is no such cgroup, or too many below it.
    """
    if path.isdecimal():
        return (int(path),)
    root = cgroup_root()
    folder = os.path.join(root, path.lstrip("/"))
    if path.startswith("/sys/"):
        folder = path
    if not root or not os.path.isfile(os.path.join(folder, "cgroup.procs")):
        what = f"no cgroup '{path}' below {root}" if root else "no cgroup v2 tree is mounted"
        raise PrybeeError(f"--cgroup: {what}")
    # The id of a cgroup is its inode number (kernfs: the low 64 bits of the node's id).
    found = [os.stat(below).st_ino for below, _folders, _files in os.walk(folder)]
    if len(found) > MOST_CGROUPS:
        raise PrybeeError(
            f"--cgroup: {len(found)} cgroups in '{path}', more than a filter can test "
            f"({MOST_CGROUPS}); name one further down"
        )
    return tuple(found)


def find(wanted: str, proc: str = "/proc") -> tuple[int, tuple[int, ...], int]:
    """A container's pid namespace, cgroups and network namespace.

    Args:
        wanted: its id, or the first digits of it (four at least); its host name; or, with docker
            on this machine, its name.
        proc: where processes are shown.

    Returns:
        The inode number of its pid namespace, 0 where it has none of its own; then the ids of its
        cgroups, where its processes can be told only by these; then the inode number of its network
        namespace, 0 where it has none of its own.

    Raises:
        PrybeeError: no process of such a container runs, or several containers match.
    """
    members = _members(wanted, proc)
    if not members:
        docker = _docker_id(wanted)
        members = _members(docker, proc) if docker else {}
    if not members:
        raise PrybeeError(
            f"--container: no process of a container '{wanted}' runs here; give its id, the first "
            "digits of it, or its host name"
        )
    if len(members) > 1:
        raise PrybeeError(
            f"--container: '{wanted}' fits several: " + ", ".join(sorted(members)[:4])
        )
    ((_name, (pids, path)),) = members.items()
    # Whoever put a process into the container may be in its cgroup, but not in its namespace.
    network = _own_namespace(pids, proc, "net")
    namespace = _own_namespace(pids, proc, "pid")
    if namespace:
        return namespace, (), network
    if path:
        return 0, cgroup_ids(path), network
    raise PrybeeError(
        f"--container: '{wanted}' has neither a pid namespace nor a v2 cgroup of its own"
    )


def _members(wanted: str, proc: str) -> dict[str, tuple[list[str], str]]:
    """Containers that match: id (or host name) → (its pids, its cgroup v2 path or empty)."""
    found: dict[str, tuple[list[str], str]] = {}
    digits = re.fullmatch("[0-9a-f]{4,64}", wanted) is not None
    host = _namespace("self", proc, "uts")
    for pid in sorted(filter(str.isdecimal, os.listdir(proc)), key=int):
        text = _text(f"{proc}/{pid}/cgroup")
        ids = ID.findall(text)
        # The innermost container is the one that a process is in.
        if ids and digits and ids[-1].startswith(wanted):
            found.setdefault(ids[-1], ([], _path(text, ids[-1])))[0].append(pid)
            continue
        namespace = _namespace(pid, proc, "uts")
        if namespace not in (0, host) and _hostname(pid, proc) == wanted:
            found.setdefault(wanted, ([], ""))[0].append(pid)
    return found


def _path(text: str, name: str) -> str:
    """The cgroup v2 path of a container, from a process's ``cgroup`` file."""
    for line in text.splitlines():
        if line.startswith("0::") and name in line:
            parts = line[3:].split("/")
            last = max(at for at, part in enumerate(parts) if name in part)
            return "/".join(parts[: last + 1])
    return ""


def _own_namespace(pids: list[str], proc: str, kind: str) -> int:
    """The first namespace of a container's processes that is not the host's; 0 without one."""
    ours = (0, _namespace("self", proc, kind), _namespace("1", proc, kind))
    for pid in pids:
        namespace = _namespace(pid, proc, kind)
        if namespace not in ours:
            return namespace
    return 0


def _namespace(pid: str, proc: str, kind: str = "pid") -> int:
    """The inode number of a process's namespace; 0 where it cannot be told."""
    try:
        return os.stat(f"{proc}/{pid}/ns/{kind}").st_ino
    except OSError:
        return 0


def _hostname(pid: str, proc: str) -> str:
    """The host name that a process's container has, from its own /etc/hostname."""
    return _text(f"{proc}/{pid}/root/etc/hostname").strip()


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""


def _docker_id(name: str, folder: str = "/var/lib/docker/containers") -> str:
    """The id of docker's container called ``name``; empty where there is none."""
    import json

    try:
        found = os.listdir(folder)
    except OSError:
        return ""
    for each in found:
        try:
            with open(f"{folder}/{each}/config.v2.json", encoding="utf-8") as file:
                if str(json.load(file).get("Name", "")).lstrip("/") == name:
                    return each
        except (OSError, ValueError):
            continue
    return ""
