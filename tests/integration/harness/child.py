"""A child process: its lines as they come, its end, and sanitizer reports in what it printed."""

import os
import re
import signal
import subprocess
import threading
import time

from .clock import DEADLINE

SANITIZER = re.compile(
    r"AddressSanitizer|LeakSanitizer|ThreadSanitizer|MemorySanitizer|UndefinedBehaviorSanitizer"
    r"|runtime error:|Sanitizer:DEADLYSIGNAL"
)


class Child:
    def __init__(self, argv, name, env=None, cwd=None, stdin=subprocess.DEVNULL):
        self.name = name
        self.argv = [str(part) for part in argv]
        self.started = time.monotonic()
        self._lines = {"stdout": [], "stderr": []}
        self._raw = {"stdout": b"", "stderr": b""}
        self._changed = threading.Condition()
        self.proc = subprocess.Popen(
            self.argv, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, cwd=cwd
        )
        self._pumps = [
            threading.Thread(target=self._pump, args=(which,), daemon=True)
            for which in ("stdout", "stderr")
        ]
        for pump in self._pumps:
            pump.start()

    def _pump(self, which):
        stream = getattr(self.proc, which)
        for line in iter(stream.readline, b""):
            with self._changed:
                self._raw[which] += line
                self._lines[which].append(line.decode("utf-8", "replace").rstrip("\r\n"))
                self._changed.notify_all()
        stream.close()

    @property
    def pid(self):
        return self.proc.pid

    @property
    def stdin(self):
        return self.proc.stdin

    @property
    def running(self):
        return self.proc.poll() is None

    @property
    def stdout(self):
        return self.text("stdout")

    @property
    def stderr(self):
        return self.text("stderr")

    def raw(self, which="stdout"):
        with self._changed:
            return self._raw[which]

    def text(self, which):
        return self.raw(which).decode("utf-8", "replace")

    def lines(self, which="stdout"):
        with self._changed:
            return list(self._lines[which])

    def wait_line(self, pattern, which="stderr", timeout=DEADLINE, skip=0):
        """The match of the first line, past the first `skip` ones, that matches."""
        wanted = re.compile(pattern)
        end = time.monotonic() + timeout
        seen = skip
        while True:
            with self._changed:
                lines = self._lines[which]
                while seen < len(lines):
                    match = wanted.search(lines[seen])
                    seen += 1
                    if match:
                        return match
                left = end - time.monotonic()
                ended = self.proc.poll() is not None and not any(p.is_alive() for p in self._pumps)
                if not ended and left > 0:
                    self._changed.wait(min(left, 0.05))
                    continue
                if seen < len(lines):
                    continue
            state = f"exited with {self.proc.poll()}" if ended else "still running"
            raise AssertionError(
                f"{self.name} ({state}) did not print {pattern!r} on {which}:\n{self.transcript()}"
            )

    def signal(self, number):
        if self.running:
            self.proc.send_signal(number)

    def wait(self, timeout=DEADLINE):
        """Waits for the end and returns the exit code (negative: killed by that signal)."""
        try:
            code = self.proc.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} is still running:\n{self.transcript()}") from None
        for pump in self._pumps:
            pump.join(1)
        return code

    def stop(self, timeout=DEADLINE):
        """SIGTERM, and the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(timeout)

    def kill(self):
        """kill -9, and the exit code."""
        self.signal(signal.SIGKILL)
        return self.wait()

    def check_sanitizers(self):
        found = SANITIZER.search(self.stderr)
        assert not found, f"{self.name}: a sanitizer reports:\n{self.transcript()}"

    def transcript(self, limit=8000):
        parts = [f"$ {' '.join(self.argv)}   (pid {self.pid}, exit {self.proc.poll()})"]
        for which in ("stdout", "stderr"):
            text = self.text(which)
            if text:
                cut = "" if len(text) <= limit else f"[... {len(text) - limit} characters]\n"
                parts.append(f"-- {which}\n{cut}{text[-limit:]}")
        return "\n".join(parts)

    def status(self, field):
        """A number of kB out of /proc/PID/status, such as VmHWM (the peak of resident memory)."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            for line in status:
                if line.startswith(field + ":"):
                    return int(line.split()[1])
        raise AssertionError(f"no {field} in /proc/{self.pid}/status")

    def descriptors(self):
        """How many descriptors it has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))
