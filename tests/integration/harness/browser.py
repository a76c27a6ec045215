"""A real browser (clients/browser.js), told what to do from here."""

import json
import shutil
import subprocess

from . import node
from .clock import DEADLINE, SLOW


class Browser:
    def __init__(self, world):
        chromium = shutil.which("chromium")
        assert chromium, "chromium is not installed"
        self.child = world.start(node.argv("browser.js", chromium), "browser", stdin=subprocess.PIPE,
                                 env={"NODE_PATH": node.modules(), "HOME": world.path("home"), "NRT_TEST_SLOW": str(SLOW)})
        self.child.expected = None
        self.child.wait_line("^ready$", "stdout", timeout=6 * DEADLINE)
        self.count = 1

    def _do(self, *command):
        self.child.stdin.write(json.dumps(command).encode() + b"\n")
        self.child.stdin.flush()
        answer = json.loads(self.child.wait_line("(?s).*", "stdout", timeout=6 * DEADLINE, skip=self.count).group())
        self.count += 1
        assert "error" not in answer, answer["error"]
        return answer["value"]

    def __getattr__(self, command):
        """open({url, width, height, dark, calm}), evaluate(js), wait(js), press("Tab Enter"), click(selector), ..."""
        return lambda *args: self._do(command, *args)

    def text(self, selector="body"):
        return self._do("evaluate", f"document.querySelector({json.dumps(selector)}).innerText")
