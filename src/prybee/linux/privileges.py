"""What this process may do, and what to say when the kernel refuses.

Everything is read from /proc and /sys when asked for, never at import: it is wanted only after a
refusal, and by ``prybee doctor``.
"""

from __future__ import annotations

import os
from errno import EACCES, EBUSY, EMFILE, ENFILE, ENOMEM, ENOSYS, EPERM

from prybee.data import Data
from prybee.linux import mounts

# In the order of include/uapi/linux/capability.h.
_CAPABILITY_WORDS = """
    chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap
    linux_immutable net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner
    sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin sys_boot sys_nice
    sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap
    mac_override mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf
    checkpoint_restore
"""
CAPABILITIES = tuple(_CAPABILITY_WORDS.split())

# Linux 5.8 split these two off sys_admin, which still stands for both.
NEEDED = ("bpf", "perfmon")


class Privileges(Data):
    """The facts that decide about tracing. Settings are None where the file is not there.

    ``effective`` and ``bounding`` are capability names in lower case without ``CAP_``;
    ``lockdown`` is ``none``, ``integrity``, ``confidentiality`` or empty (unknown or not built);
    ``seccomp`` is 0 (off), 1 (strict) or 2 (a filter); ``container`` names the sign by which one
    was recognised, or is empty; ``initial_user_namespace`` is false where root is not the real one.
    """

    uid: int
    effective: frozenset[str]
    bounding: frozenset[str]
    seccomp: int
    initial_user_namespace: bool
    container: str
    lockdown: str
    unprivileged_bpf_disabled: int | None
    perf_event_paranoid: int | None
    kptr_restrict: int | None
    ptrace_scope: int | None
    jit_enabled: int | None

    @property
    def missing(self) -> tuple[str, ...]:
        """The capabilities that tracing needs and this process lacks."""
        if "sys_admin" in self.effective:
            return ()
        return tuple(name for name in NEEDED if name not in self.effective)


def capability_names(mask: int) -> frozenset[str]:
    """The names of a capability bit mask; bits without a name become ``cap_41`` and so on."""
    return frozenset(
        CAPABILITIES[bit] if bit < len(CAPABILITIES) else f"cap_{bit}"
        for bit in range(mask.bit_length())
        if mask >> bit & 1
    )


def read() -> Privileges:
    """The privileges of this process, now."""
    status = _status(_text("/proc/self/status"))
    return Privileges(
        uid=os.geteuid(),
        effective=capability_names(int(status.get("CapEff", "0"), 16)),
        bounding=capability_names(int(status.get("CapBnd", "0"), 16)),
        seccomp=int(status.get("Seccomp", "0")),
        initial_user_namespace=_initial_user_namespace(),
        container=container(),
        lockdown=lockdown(),
        unprivileged_bpf_disabled=_number("/proc/sys/kernel/unprivileged_bpf_disabled"),
        perf_event_paranoid=_number("/proc/sys/kernel/perf_event_paranoid"),
        kptr_restrict=_number("/proc/sys/kernel/kptr_restrict"),
        ptrace_scope=_number("/proc/sys/kernel/yama/ptrace_scope"),
        jit_enabled=_number("/proc/sys/net/core/bpf_jit_enable"),
    )


def effective() -> frozenset[str]:
    """The names of this process's effective capabilities."""
    return capability_names(int(_status(_text("/proc/self/status")).get("CapEff", "0"), 16))


def lockdown() -> str:
    """The kernel's lockdown mode; empty where it is unknown or not built."""
    text = _security("lockdown")
    start, end = text.find("["), text.find("]")
    return text[start + 1 : end] if 0 <= start < end else ""


def container() -> str:
    """What shows that this process runs in a container (``docker``, ``lxc`` …); empty: nothing."""
    for path, name in (("/.dockerenv", "docker"), ("/run/.containerenv", "podman")):
        if os.path.exists(path):
            return name
    for entry in _text("/proc/1/environ").split("\0"):
        if entry.startswith("container="):
            return entry[10:]
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        return "kubernetes"
    return ""


def bpf_hint(errno: int) -> str:
    """What to do about a refused bpf(2) or perf_event_open(2) call; empty where nothing is known.

    Looks at the machine only for the errors that privilege can cause, so it costs nothing else.
    """
    if errno in (EMFILE, ENFILE):
        return "too many open files: raise the limit with 'ulimit -n'"
    if errno == ENOMEM:
        return "the kernel is out of memory for maps; smaller maps (max_map_keys) need less"
    if errno == EBUSY:
        return "something else holds the resource; 'bpftool prog' and 'bpftool link' show what"
    if errno not in (EPERM, EACCES, ENOSYS):
        return ""
    status = _status(_text("/proc/self/status"))
    filtered = status.get("Seccomp", "0") != "0"
    if errno == ENOSYS:
        return (
            "a seccomp filter (a container's, usually) hides the call"
            if filtered
            else "this kernel is built without it (CONFIG_BPF_SYSCALL, CONFIG_PERF_EVENTS)"
        )
    have = capability_names(int(status.get("CapEff", "0"), 16))
    if "sys_admin" not in have:
        lacking = [f"CAP_{name.upper()}" for name in NEEDED if name not in have]
        if lacking:
            needs = " and ".join(lacking)
            if os.geteuid() != 0:
                return f"run it as root (sudo), or give the process {needs}"
            return f"root without {needs}: a container has to be started with these capabilities"
    if not _initial_user_namespace():
        return "this is root of a user namespace only; tracing needs the real root"
    if filtered:
        return "a seccomp filter (a container's, usually) may forbid the call"
    if errno == EPERM:
        mode = lockdown()
        if mode == "confidentiality":
            return "lockdown mode 'confidentiality' forbids reading kernel memory"
        if mode:
            return f"a security policy of this kernel forbids it (lockdown mode is {mode!r})"
    return ""


def _initial_user_namespace() -> bool:
    # The real root's namespace maps all ids to themselves; the owner's inode number is fixed
    # (PROC_USER_INIT_INO), but the map is visible where /proc is restricted too.
    return _text("/proc/self/uid_map").split() in ([], ["0", "0", "4294967295"])


def _security(name: str) -> str:
    """A file of securityfs, mounted or not."""
    text = _text(f"/sys/kernel/security/{name}")
    return text or mounts.read_private("securityfs", name) or ""


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _number(path: str) -> int | None:
    text = _text(path).strip()
    try:
        return int(text)
    except ValueError:
        return None


def _status(text: str) -> dict[str, str]:
    fields = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        fields[name] = value.strip()
    return fields
