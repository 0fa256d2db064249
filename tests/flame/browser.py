"""A headless Chromium, driven through its debugging pipe (the DevTools protocol, no library)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


def program() -> str | None:
    """The browser, if there is one."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Browser:
    """One page."""

    def __init__(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="prybee-browser-")
        theirs, self._write = os.pipe()
        self._read, answers = os.pipe()

        def numbers() -> None:
            # The protocol is on descriptors 3 and 4. Both may be among those.
            one, other = os.dup(theirs), os.dup(answers)
            one, other = os.dup2(one, 63), os.dup2(other, 64)
            os.dup2(one, 3)
            os.dup2(other, 4)

        self.process = subprocess.Popen(
            [
                program() or "", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
                f"--user-data-dir={self.folder}", "--remote-debugging-pipe",
                "--window-size=1200,700", "about:blank",
            ],
            preexec_fn=numbers, close_fds=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(theirs)
        os.close(answers)
        self._held = b""
        self._last = 0
        self.messages: list[dict[str, Any]] = []
        self.session = ""
        targets = self.call("Target.getTargets")["targetInfos"]
        target = next(each["targetId"] for each in targets if each["type"] == "page")
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def close(self) -> None:
        """Ends it."""
        self.process.kill()
        self.process.wait()
        os.close(self._write)
        os.close(self._read)
        shutil.rmtree(self.folder, ignore_errors=True)

    def call(self, method: str, **parameters: Any) -> Any:
        """One command: its result."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            said = self._message()
            if said.get("id") == self._last:
                assert "error" not in said, said
                return said["result"]
            self.messages.append(said)

    def _message(self) -> Any:
        while b"\0" not in self._held:
            data = os.read(self._read, 1 << 16)
            assert data, "the browser has ended"
            self._held += data
        text, _, self._held = self._held.partition(b"\0")
        return json.loads(text)

    def open(self, path: Path, state: str = "") -> None:
        """Goes to a file, and waits until its profile is shown."""
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=f"file://{path}#{state}")
        self.wait("window.page && document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """The value of an expression."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, condition: str, seconds: float = 30) -> None:
        """Until an expression is true."""
        deadline = time.monotonic() + seconds
        while not self.run(f"Boolean({condition})"):
            assert time.monotonic() < deadline, condition
            time.sleep(0.05)

    def key(self, key: str, text: str = "", modifiers: int = 0) -> None:
        """Presses a key; of the modifiers, 8 is Shift."""
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, text=text, modifiers=modifiers)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, modifiers=modifiers)

    def mouse(self, kind: str, x: float, y: float) -> None:
        """Moves the mouse, or presses its button."""
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Presses the mouse at one place and lets it go at another."""
        self.mouse("mousePressed", *start)
        for x, y in (start, end):
            self.call(
                "Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y, button="left", buttons=1
            )
        self.mouse("mouseReleased", *end)

    def drawn(self) -> list[str]:
        """The names of all boxes of the picture that is shown, in order."""
        self.wait("!page.view.waiting && page.view.drawn.length")
        found: list[str] = self.run("page.view.drawn.map(b => page.name(page.view.tree, b[0]))")
        return sorted(found)

    def text(self, element: str) -> str:
        """The text of an element, by its id."""
        return str(self.run(f"document.getElementById({element!r}).innerText"))

    def processor_time(self) -> float:
        """Seconds that the page's main thread has had a CPU."""
        self.call("Performance.enable")
        metrics = self.call("Performance.getMetrics")["metrics"]
        return next(float(each["value"]) for each in metrics if each["name"] == "ThreadTime")

    def complaints(self) -> list[str]:
        """What the page's console has: errors, and what the policy of the page forbids."""
        found = []
        for each in self.messages:
            if each.get("method") == "Log.entryAdded":
                found.append(each["params"]["entry"]["text"])
            elif each.get("method") == "Runtime.exceptionThrown":
                found.append(str(each["params"]["exceptionDetails"]))
        return found
