"""What a guest's kernel starts with: busybox, a few modules, and a script that goes to the root."""

from __future__ import annotations

import lzma
import re
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.vm.kernels import Kernel

# What it takes to see the root and to speak: those that are not there are built in.
MODULES = ("virtio_pci", "virtio_console", "virtio_net", "9pnet_virtio", "9p", "overlay")

INIT = r"""#!/busybox sh
b=/busybox
$b mkdir -p /proc /sys /dev /lower /upper /root
$b mount -t proc proc /proc
$b mount -t sysfs sysfs /sys
$b mount -t devtmpfs dev /dev
while read -r module; do $b insmod "/modules/$module"; done < /modules/order
n9p="trans=virtio,version=9p2000.L,msize=262144,cache=loose"
$b mount -t 9p -o "ro,$n9p" root /lower || exec $b poweroff -f
$b mount -t tmpfs upper /upper
$b mkdir /upper/files /upper/work
$b mount -t overlay -o lowerdir=/lower,upperdir=/upper/files,workdir=/upper/work overlay /root
cd /root
for d in proc sys dev run; do $b mkdir -p $d; done
$b mount -t proc proc proc
$b mount -t sysfs sysfs sys
$b mount -t devtmpfs dev dev
$b mkdir -p dev/pts dev/shm
$b mount -t devpts devpts dev/pts
$b mount -t tmpfs shm dev/shm
$b mount -t tmpfs run run
for l in fd:self/fd stdin:self/fd/0 stdout:self/fd/1 stderr:self/fd/2; do
    $b ln -sf "/proc/${l#*:}" "dev/${l%%:*}"
done
$b mount -t cgroup2 cgroup2 sys/fs/cgroup
$b mount -t bpf bpf sys/fs/bpf
$b mount -t debugfs debugfs sys/kernel/debug
$b mount -t tracefs tracefs sys/kernel/tracing
$b mount -t securityfs securityfs sys/kernel/security
if [ -s /modules/folder ]; then
    $b mkdir -p "lib/modules/$($b uname -r)"
    $b mount --bind "/lower/$(cat /modules/folder)" "lib/modules/$($b uname -r)"
fi
while read -r tag folder; do
    $b mkdir -p "/views/$tag" "/upper/$tag/files" "/upper/$tag/work" "/root/$folder"
    $b mount -t 9p -o "ro,$n9p" "$tag" "/views/$tag"
    layers="lowerdir=/views/$tag,upperdir=/upper/$tag/files,workdir=/upper/$tag/work"
    $b mount -t overlay -o "$layers" overlay "/root/$folder"
done < /folders
while read -r tag folder; do
    $b mkdir -p "/root/$folder"
    $b mount -t 9p -o "$n9p" "$tag" "/root/$folder"
done < /shares
$b mkdir -p /root/run/bin
for tool in /bin/*; do [ -e "$tool" ] && $b cp "$tool" /root/run/bin/; done
$b ip link set lo up
if [ -e /sys/class/net/eth0 ]; then
    # The address that QEMU's own network gives to its first guest.
    $b ip addr add 10.0.2.15/24 dev eth0
    $b ip link set eth0 up
fi
$b hostname guest
$b cp /command /root/run/command
$b mkfifo /out /err
# Named after the device's number among all virtio devices.
set -- /dev/vport*p1
port=${1%1}
$b cat /out > "${port}1" & out=$!
$b cat /err > "${port}2" & err=$!
# Moved, not only entered: the kernel tells paths of other namespaces from the real root on.
cd /root
$b mount --move . /
$b chroot . /bin/sh /run/command < /dev/null > /out 2> /err
status=$?
wait $out $err
echo $status > "${port}3"
$b sync
echo b > /proc/sysrq-trigger
$b sleep 60
"""


def build(
    kernel: Kernel,
    busybox: Path,
    command: Sequence[str],
    folder: str,
    environment: Mapping[str, str],
    shares: Mapping[str, str],
    views: Mapping[str, Path],
    tools: Mapping[str, str],
) -> bytes:
    """The archive for one run.

    Args:
        command: program and arguments.
        folder: where it starts.
        environment: of the command, whole.
        shares: tag to folder of what is shared for writing.
        views: folder to what of this machine is seen there, behind an overlay; where there are
            such, the root is not this machine's.
        tools: name to text of scripts that the command finds, last, on its path.
    """
    given = "".join(f"export {name}={shlex.quote(text)}\n" for name, text in environment.items())
    given += 'export PATH="$PATH:/run/bin"\n' if tools else ""
    script = f"{given}cd {shlex.quote(folder)} && exec {shlex.join(command)}\n"
    paths = needed(kernel)
    order = [path.name.removesuffix(".xz") for path in paths]
    files: dict[str, tuple[int, bytes]] = {
        "init": (0o755, INIT.encode()),
        "busybox": (0o755, busybox.read_bytes()),
        "command": (0o644, script.encode()),
        "modules/order": (0o644, "".join(f"{name}\n" for name in order).encode()),
        "modules/folder": (0o644, b"" if views else str(kernel.modules).encode()),
        "folders": (0o644, "".join(f"view{n} {to}\n" for n, to in enumerate(views)).encode()),
        "shares": (0o644, "".join(f"{t} {f}\n" for t, f in shares.items()).encode()),
    }
    files |= {f"bin/{name}": (0o755, text.encode()) for name, text in tools.items()}
    for name, path in zip(order, paths, strict=True):
        files[f"modules/{name}"] = (0o644, module(path))
    return cpio(files)


def module(path: Path) -> bytes:
    """A module, unpacked: busybox cannot."""
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def needed(kernel: Kernel) -> list[Path]:
    """The modules' files, each behind those it depends on."""
    available = {
        path.name.partition(".")[0].replace("-", "_"): path
        for path in (kernel.modules / "kernel").rglob("*.ko*")
    }
    ordered: list[Path] = []

    def add(name: str) -> None:
        path = available.get(name.replace("-", "_"))
        if path is None or path in ordered:
            return
        found = re.search(rb"\0depends=([^\0]*)", module(path))
        for other in found[1].decode().split(",") if found is not None else ():
            add(other)
        ordered.append(path)

    for name in MODULES:
        add(name)
    return ordered


def cpio(files: Mapping[str, tuple[int, bytes]]) -> bytes:
    """Files, name to (mode, content), in the "newc" form (cpio(5)); folders are made for them."""
    folders = {name.rpartition("/")[0] for name in files} - {""}
    parts = [_entry(folder, 0o040755, b"") for folder in sorted(folders)]
    parts += [_entry(name, 0o100000 | mode, data) for name, (mode, data) in files.items()]
    return b"".join([*parts, _entry("TRAILER!!!", 0, b"")])


def _entry(name: str, mode: int, data: bytes) -> bytes:
    text = name.encode() + b"\0"
    numbers = (0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(text), 0)
    head = b"070701" + b"".join(b"%08X" % number for number in numbers) + text
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)
