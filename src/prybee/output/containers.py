"""Names of containers, by the paths of their control groups: how runtimes call these."""

from __future__ import annotations

import re

# A container's id as runtimes of images write it into the names of control groups.
ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
# What others call theirs by: systemd-nspawn and libvirt, LXC.
_NAMED = re.compile(r"(?:^|/)(?:machine-([^/]+)\.scope|lxc\.payload\.([^/]+)|lxc/([^/]+))")
_ESCAPED = re.compile(r"\\x([0-9a-f]{2})")
# Digits of an id that tools show.
_SHOWN = 12
_DOCKER = "/var/lib/docker/containers"


def name(path: str, docker: str = _DOCKER) -> str:
    """What the container is called whose control group has a path; "" where it is of none.

    Args:
        path: below where control groups are mounted.
        docker: where docker keeps what it knows of containers.
    """
    ids = ID.findall(path)
    if ids:
        # The innermost container is the one that a process is in.
        return _docker_name(ids[-1], docker) or ids[-1][:_SHOWN]
    found = _NAMED.search(path)
    if found is None:
        return ""
    scope = found[1]
    if scope is None:
        return found[2] or found[3]
    scope = _ESCAPED.sub(lambda escaped: chr(int(escaped[1], 16)), scope)
    # libvirt: qemu-1-NAME.
    return re.sub(r"^(?:qemu|lxc)-\d+-", "", scope)


def _docker_name(number: str, folder: str) -> str:
    import json

    try:
        with open(f"{folder}/{number}/config.v2.json", encoding="utf-8") as file:
            return str(json.load(file).get("Name", "")).lstrip("/")
    except (OSError, ValueError, AttributeError):
        return ""
