"""The processes of a run: started on free ports of loopback, measured from outside, ended by pid."""

import json
import os
import select
import signal
import socket
import subprocess
import time

DEADLINE = 30  # seconds for what takes a moment


class Failed(Exception):
    """The bench cannot go on; the text says why."""


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def wait_for_port(port, process):
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        process.check()
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.01)
    raise Failed(f"{process.role} does not listen on port {port}:\n{process.errors()}")


def cpu_clock(pid):
    """The clock of a process's CPU time, all its threads: nanoseconds (see clock_getcpuclockid)."""
    return (~pid << 3) | 2


class Process:
    """One process, or a master with its children. `role` is what the tables call it."""

    def __init__(self, role, argv, folder, pipe=False):
        self.role = role
        self.log = os.path.join(folder, f"{role.replace(' ', '-')}-{free_port()}.log")
        with open(self.log, "wb") as log:
            self.popen = subprocess.Popen(
                argv, stdin=subprocess.PIPE if pipe else subprocess.DEVNULL,
                stdout=subprocess.PIPE if pipe else log, stderr=log)
        self.pid = self.popen.pid

    def check(self):
        if self.popen.poll() is not None:
            raise Failed(f"{self.role} ended with code {self.popen.returncode}:\n{self.errors()}")

    def errors(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()[-2000:]

    def pids(self):
        with open(f"/proc/{self.pid}/task/{self.pid}/children", encoding="ascii") as children:
            return [self.pid, *map(int, children.read().split())]

    def cpu_ns(self):
        return sum(time.clock_gettime_ns(cpu_clock(pid)) for pid in self.pids())

    def _status(self, name):
        total = 0
        for pid in self.pids():
            with open(f"/proc/{pid}/status", encoding="ascii") as status:
                for line in status:
                    if line.startswith(name + ":"):
                        total += int(line.split()[1])
        return total

    def peak_kib(self):
        """The most memory it has had (VmHWM)."""
        return self._status("VmHWM")

    def memory_kib(self):
        """What it has of its own now: neither files nor what is shared (RssAnon)."""
        return self._status("RssAnon")

    def stop(self):
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
            try:
                self.popen.wait(20)  # under valgrind it takes a moment
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        for pipe in (self.popen.stdin, self.popen.stdout):
            if pipe:
                pipe.close()


class Program(Process):
    """One of our C programs: says `ready`, then takes commands and answers each with a line."""

    def __init__(self, role, argv, folder):
        super().__init__(role, argv, folder, pipe=True)
        if self.line(DEADLINE) != "ready":
            raise Failed(f"{role} is not ready:\n{self.errors()}")

    def line(self, seconds):
        if not select.select([self.popen.stdout], [], [], seconds)[0]:
            raise Failed(f"{self.role} says nothing for {seconds} s:\n{self.errors()}")
        line = self.popen.stdout.readline().decode()
        if not line:
            self.popen.wait()
            self.check()
        return line.strip()

    def command(self, text, seconds):
        self.popen.stdin.write(f"{text}\n".encode())
        self.popen.stdin.flush()
        return json.loads(self.line(seconds + DEADLINE))


def run_and_account(argv):
    """Runs a program to its end: what it printed, and the nanoseconds of CPU that it took."""
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        output = child.stdout.read().decode()
        errors = child.stderr.read().decode()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise Failed(f"{argv[0]} ended with code {child.returncode}:\n{output}{errors}")
    return output, round((usage.ru_utime + usage.ru_stime) * 1e9)
