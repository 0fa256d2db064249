"""What containers are called, by the paths of their control groups."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from prybee.output.containers import name

if TYPE_CHECKING:
    from pathlib import Path

FIRST, SECOND = "0123456789abcdef" * 4, "fedcba9876543210" * 4


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/", ""),
        ("/system.slice/ssh.service", ""),
        (f"/docker/{FIRST}", "0123456789ab"),
        (f"/system.slice/docker-{SECOND}.scope", "shop"),
        (f"/system.slice/docker-{SECOND}.scope/init", "shop"),
        (f"/docker/{SECOND}/kubepods/pod7/{FIRST}", "0123456789ab"),
        (f"/kubepods.slice/kubepods-pod7.slice/cri-containerd-{FIRST}.scope", "0123456789ab"),
        (f"/user.slice/libpod-{FIRST}.scope/container", "0123456789ab"),
        (f"/docker/{FIRST}0", ""),
        ("/machine.slice/machine-web\\x2d1.scope/payload", "web-1"),
        ("/machine.slice/machine-qemu\\x2d3\\x2ddb.scope", "db"),
        ("/lxc.payload.mail/init.scope", "mail"),
        ("/lxc/mail", "mail"),
    ],
)
def test_names(path: str, said: str, tmp_path: Path) -> None:
    (tmp_path / SECOND).mkdir()
    (tmp_path / SECOND / "config.v2.json").write_text(json.dumps({"Name": "/shop"}))
    assert name(path, str(tmp_path)) == said


@pytest.mark.parametrize("text", ["", "[]", "{", '{"Name": ""}'])
def test_what_docker_does_not_tell(text: str, tmp_path: Path) -> None:
    (tmp_path / FIRST).mkdir()
    (tmp_path / FIRST / "config.v2.json").write_text(text)
    assert name(f"/docker/{FIRST}", str(tmp_path)) == "0123456789ab"
