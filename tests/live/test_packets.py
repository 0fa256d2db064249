"""Packets of the loopback device, written by skboutput() and read back."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from tests.conftest import need_function
from tests.live.tracing import Trace
from tests.session.test_packets import read_pcap

pytestmark = pytest.mark.live

MARK = b"a packet of prybee's tests"


@pytest.fixture
def loopback() -> None:
    try:
        send()
    except OSError as error:
        pytest.skip(f"no network here: {error}")


def send() -> int:
    """Send the mark from a port of ours to itself; which one that was."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind(("127.0.0.1", 0))
        sender.settimeout(5)
        sender.sendto(MARK, sender.getsockname())
        assert sender.recv(100) == MARK
        port: int = sender.getsockname()[1]
        return port


@pytest.mark.usefixtures("loopback")
@pytest.mark.parametrize("skb", ["args.skb", "(struct sk_buff *)arg0"])
def test_packets(skb: str, tmp_path: Path) -> None:
    path = tmp_path / "out.pcap"
    call = f'skboutput("{path}", {skb}, args.skb.len, 14)'
    before = time.time_ns()
    with Trace("-e", f"rawtracepoint:net_dev_start_xmit {{ @[{call}] = count(); }}") as trace:
        port = send()
        out = trace.finish()
    assert "@[0]: " in out
    ours = [each for each in read_pcap(path) if each[2].endswith(MARK)]
    assert len(ours) == 1
    when, length, packet = ours[0]
    assert before < when < time.time_ns()
    # An IPv4 header without options, then UDP's.
    assert (packet[0], packet[9], length) == (0x45, socket.IPPROTO_UDP, 28 + len(MARK))
    assert int.from_bytes(packet[20:22], "big") == int.from_bytes(packet[22:24], "big") == port


@pytest.mark.usefixtures("loopback")
def test_more_than_the_packet_has(tmp_path: Path) -> None:
    """The kernel refuses; the call's value says so, and -k tells."""
    script = (
        f'rawtracepoint:net_dev_start_xmit {{ $r = skboutput("{tmp_path}/out.pcap", args.skb, '
        "100000, 0); @[(int32)$r] = count(); }"
    )
    with Trace("-k", "-e", script) as trace:
        send()
        out = trace.finish()
    assert "@[-14]: " in out
    assert read_pcap(tmp_path / "out.pcap") == []


@pytest.mark.usefixtures("loopback")
def test_cookies() -> None:
    """The number that the socket itself tells."""
    need_function("bpf_get_socket_ptr_cookie", "cookies of sockets for tracing (Linux 5.12)")
    so_cookie = 57  # include/uapi/asm-generic/socket.h
    script = "rawtracepoint:tcp_probe { @[socket_cookie(args.sk)] = 1; }"
    with Trace("-e", script) as trace, socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()) as client:
            peer, _ = server.accept()
            with peer:
                client.sendall(MARK)
                assert peer.recv(100) == MARK
                cookie = int.from_bytes(peer.getsockopt(socket.SOL_SOCKET, so_cookie, 8), "little")
        out = trace.finish()
    assert f"@[{cookie}]: 1" in out
