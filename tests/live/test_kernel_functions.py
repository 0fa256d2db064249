"""Functions of the kernel by trampolines, fentry and fexit, and what decides: lsm, fmod_ret."""

from __future__ import annotations

import json
import shutil
import subprocess
from itertools import pairwise

import pytest

from prybee.linux import features
from tests.live import tracing

FENTRY = features.probe("fentry")
LSM = features.probe("lsm")
FMOD_RET = features.probe("fmod_ret")

pytestmark = pytest.mark.live
functions = pytest.mark.skipif(not FENTRY, reason="this kernel has no fentry")
hooks = pytest.mark.skipif(not LSM, reason="this kernel has no BPF LSM")
results = pytest.mark.skipif(not FMOD_RET, reason="this kernel has no fmod_ret")

READ = ("-c", "sh -c 'read line </etc/passwd'")


# Seconds: guests are slow, the more the more of them run.
LIMIT = 400


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return tracing.run(*arguments, limit=LIMIT)


# -- entered, left -------------------------------------------------------------------------------

# Attach point, what more to ask than the process, format and values to print, and a line of it.
# All run at once while a shell reads a file: guests take seconds for each start.
HANDLERS = [
    # Arguments by name, and through structs.
    ("fentry:vfs_read", "", "%d %d", "args.count > 0, args.buf != 0", "1 1"),
    ("fentry:vfs_read", "", "%s", "str(args.file.f_path.dentry.d_name.name)", "passwd"),
    (
        "fentry:vfs_read",
        "&& args.file.f_inode.i_size > 0",
        "%d",
        "args.file.f_inode.i_sb.s_magic != 0",
        "1",
    ),
    # The result, and the arguments beside it.
    ("fexit:vfs_read", "&& retval > 0", "%d", "args.count >= (uint64)retval", "1"),
    # What the function is.
    ("fentry:vfs_read", "", "%s", "func", "vfs_read"),
    ("fexit:vfs_read", "", "%s", "func", "vfs_read"),
    ("fentry:vfs_read", "", "%s %s", "probe, probetype", "fentry:vmlinux:vfs_read fentry"),
    # Patterns, the module, the old names.
    ("fentry:vmlinux:vfs_r*ad", "", "%s", "probe", "fentry:vmlinux:vfs_read"),
    ("kfunc:vfs_read", "", "%s", '"ok"', "ok"),
    ("kretfunc:vfs_read", "", "%s", '"ok"', "ok"),
    # The path of a file, where the kernel lets programs ask.
    ("fentry:security_file_open", "", "%s", "path(args.file.f_path)", "/etc/passwd"),
]
# Nobody looks at what such a handler returns; the stack reaches down to the system call.
MORE = "fentry:vfs_read /pid == cpid/ { print(kstack); return 5; }"


def handler(number: int) -> str:
    """One of them, whose lines begin with its number."""
    point, condition, format_, values, _line = HANDLERS[number]
    return f'{point} /pid == cpid {condition}/ {{ printf("{number}: {format_}\\n", {values}); }}'


@pytest.fixture(scope="module")
def printed() -> list[str]:
    """What all of them print."""
    script = "\n".join([MORE, *map(handler, range(len(HANDLERS)))])
    done = run("-q", "-e", script, *READ)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@functions
def test_stacks(printed: list[str]) -> None:
    """Down to the system call."""
    assert any("ksys_read+" in line for line in printed)


@functions
def test_handlers_run_in_the_order_of_the_script(printed: list[str]) -> None:
    """The kernel puts each in front of those that it has."""
    pairs = [(one[:3], two[:3]) for one, two in pairwise(printed)]
    assert ("0: ", "1: ") in pairs
    assert ("1: ", "0: ") not in pairs
    assert ("3: ", "5: ") in pairs


@functions
@pytest.mark.parametrize("number", range(len(HANDLERS)))
def test_functions(number: int, printed: list[str]) -> None:
    """One line of each."""
    assert f"{number}: {HANDLERS[number][-1]}" in printed


@functions
def test_functions_of_modules() -> None:
    """Types of a module upon those of the kernel."""
    if shutil.which("modprobe"):
        subprocess.run(["modprobe", "9pnet"], check=False, capture_output=True)
    listed = run("-l", "fentry:9pnet:p9_client_*").stdout.split()
    if not listed:
        pytest.skip("no module of the 9p file system")
    assert "fentry:9pnet:p9_client_read" in listed
    described = run("-lv", "fentry:9pnet:p9_client_read").stdout.splitlines()
    assert described[0] == "fentry:9pnet:p9_client_read"
    assert "    struct p9_fid * fid" in described
    script = (
        "fentry:9pnet:p9_client_clunk { @[args.fid.fid >= 0] = count(); }"
        ' fexit:9pnet:p9_client_clunk { @left = count(); } end { printf("%d\\n", @left >= 0); }'
    )
    done = run("-q", "-e", script, *READ)
    assert done.returncode == 0, done.stderr
    assert "1" in done.stdout.splitlines()
    # A type that only the module has, from each kind of probe; elsewhere there is none.
    named = "$r = (struct p9_req_t *)0; print(sizeof(struct p9_req_t) > 40); }"
    for probe in ("fentry:9pnet:p9_client_clunk", "kprobe:9pnet:p9_client_clunk"):
        done = run("--dry-run", "-e", f"{probe} {{ {named}")
        assert done.returncode == 0, done.stderr
    done = run("--dry-run", "-e", f"begin {{ {named}")
    assert 'Cannot resolve unknown type "struct p9_req_t"' in done.stderr


@functions
def test_programs_of_others() -> None:
    """They are listed, entered and left; each has a name that tells its probe."""
    script = "interval:ms:51 { @a = 1; } interval:ms:51 { @a = 2; }"
    with tracing.Trace("-e", script, limit=LIMIT):
        listed = run("-l", "fentry:bpf:interval_ms_51*").stdout.split()
        assert [name.rpartition(":")[2] for name in listed] == [
            "interval_ms_51_1",
            "interval_ms_51_2",
        ]
        # Before Linux 5.17 nothing tells what they return.
        told = "/retval == 0/" if features.probe("helper:get_func_ret") else ""
        script = (
            "fentry:bpf:interval_ms_51* { @in[probe] = count(); } fexit:bpf:interval_ms_51_2 "
            f"{told} {{ @out = count(); }} interval:s:2 {{ exit(); }}"
        )
        done = run("-q", "-f", "json", "-e", script)
    assert done.returncode == 0, done.stderr
    maps = [json.loads(line)["data"] for line in done.stdout.splitlines()]
    (entered,) = [each["@in"] for each in maps if "@in" in each]
    assert sorted(entered) == sorted(listed)
    assert any(each.get("@out", 0) > 0 for each in maps)


@functions
def test_listings() -> None:
    """Names, and arguments with their types."""
    assert run("-l", "fentry:vfs_read").stdout == "fentry:vmlinux:vfs_read\n"
    lines = run("-lv", "fexit:vfs_read").stdout.splitlines()
    assert lines == [
        "fexit:vmlinux:vfs_read",
        "    struct file * file",
        "    char * buf",
        "    size_t count",
        "    loff_t * pos",
        "    ssize_t retval",
    ]


@functions
def test_nearest_names() -> None:
    """A function that there is not."""
    done = run("-e", "fentry:vfs_raed { }")
    assert done.returncode == 1
    assert "did you mean 'vfs_read'" in done.stderr


# -- decided -------------------------------------------------------------------------------------

DENY = (
    'lsm:bprm_check_security /str(args.bprm.filename) == "/usr/bin/true"/ '
    '{ printf("refused\\n"); return -1; }'
)
TWO = ("-c", "sh -c '/usr/bin/true; echo $?; /usr/bin/false; echo $?'")


@hooks
def test_a_hook_refuses() -> None:
    """The shell may not run one program, and may run the other."""
    done = run("-q", "--unsafe", "-e", DENY, *TWO)
    lines = sorted(done.stdout.split())
    assert lines == ["1", "126", "refused"], done.stderr


@hooks
def test_what_decides_needs_unsafe() -> None:
    """Before anything is attached; a handler that lets all happen needs it not."""
    done = run("-q", "-e", DENY, *TWO)
    assert done.returncode == 1
    assert "To use that you need the --unsafe flag" in done.stderr
    assert done.stdout == ""
    done = run("-q", "-e", "lsm:bprm_check_security { @ = count(); return 0; }", *TWO)
    assert done.stdout.split()[:3] == ["0", "1", "@:"], done.stderr


@hooks
def test_paths_in_hooks() -> None:
    """Of the program that is to be run."""
    script = 'lsm:bprm_check_security { printf("%s\\n", path(args.bprm.file.f_path)); }'
    done = run("-q", "-e", script, "-c", "sh -c '/usr/bin/env true; true'")
    assert "/usr/bin/env" in done.stdout.splitlines(), done.stderr


@results
def test_a_result_is_replaced() -> None:
    """One file cannot be opened; its name is told."""
    script = (
        "fmod_ret:security_file_open /pid == cpid && "
        'str(args.file.f_path.dentry.d_name.name) == "hostname"/ '
        '{ printf("%s %s\\n", func, path(args.file.f_path)); return -13; }'
    )
    done = run("-q", "--unsafe", "-e", script, "-c", "cat /etc/hostname")
    assert "security_file_open /etc/hostname" in done.stdout.splitlines(), done.stderr
    assert "Permission denied" in done.stderr


@results
def test_a_result_is_left_alone() -> None:
    """What returns 0 lets the function run."""
    script = "fmod_ret:security_file_open /pid == cpid/ { @ = count(); }"
    done = run("-q", "-f", "json", "-e", script, "-c", "cat /etc/passwd")
    assert done.returncode == 0, done.stderr
    assert "root:" in done.stdout
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["data"]["@"] > 0


@pytest.mark.parametrize("point", ["lsm:bprm_check_securty", "fmod_ret:security_file_opn"])
def test_nearest_hooks(point: str) -> None:
    """A hook that there is not."""
    name = point.replace("securty", "security").replace("opn", "open")
    done = run("-e", f"{point} {{ }}")
    assert done.returncode == 1
    assert f"did you mean '{name}'" in done.stderr


@pytest.mark.skipif(bool(LSM), reason="this kernel has a BPF LSM")
def test_what_a_kernel_without_hooks_says() -> None:
    """What is missing, and where one sees it."""
    done = run("-e", "lsm:bprm_check_security { }")
    assert done.returncode == 1
    assert "lsm probes: this kernel does not ask BPF programs" in done.stderr
    assert "/sys/kernel/security/lsm" in done.stderr
