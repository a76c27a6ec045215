"""A Debian of its own, with our packages installed and a systemd that runs it, in namespaces: nothing
of it touches the machine. For root only."""

import glob
import os
import shutil
import signal
import subprocess


from .clock import DEADLINE, until

DEBIAN = "bookworm"
# Run as PID 1 of a new PID namespace, in new namespaces of mounts, network and the rest: the network has a loopback, and
# what systemd mounts for services (credentials) has to reach them, so it is shared within.
BOOT = """set -e
root=$1
ip link set lo up
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mount --make-rshared "$root"
exec chroot "$root" env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin \\
    /lib/systemd/systemd --system --log-target=journal --show-status=0
"""


def make_root(folder, packages, also=()):
    """A tree of Debian with the .deb files and `also`, by way of apt, as people install them."""
    root = os.path.join(folder, "root")
    debs = [path for path in glob.glob(os.path.join(packages, "*.deb")) if "-dbgsym_" not in path]
    install = ("DEBIAN_FRONTEND=noninteractive chroot \"$1\" apt-get -q install -y --no-install-recommends "
               + " ".join(f"./packages/{os.path.basename(deb)}" for deb in debs))
    done = subprocess.run(
        ["mmdebstrap", "--mode=root", "--variant=minbase", f"--include={','.join(('systemd', 'systemd-sysv', 'dbus', *also))}",
         "--setup-hook=mkdir -p \"$1/packages\"", f"--customize-hook=copy-in {' '.join(debs)} /packages",
         f"--customize-hook={install}", "--skip=cleanup/apt", DEBIAN, root],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:]
    return root


class Booted:
    def __init__(self, root):
        self.root = root
        self.shell = subprocess.Popen(
            ["unshare", "--pid", "--fork", "--mount", "--uts", "--ipc", "--cgroup", "--net", "--kill-child", "--mount-proc",
             "bash", "-c", BOOT, "boot", root], stdin=subprocess.DEVNULL)
        self.pid = until(self._child, "there is a PID 1")
        until(lambda: self.run("systemctl", "is-system-running", check=False).strip() in ("running", "degraded"),
              "systemd has started all", DEADLINE * 6, 0.2)

    def _child(self):
        """The PID of its systemd, once it is one."""
        try:
            with open(f"/proc/{self.shell.pid}/task/{self.shell.pid}/children", encoding="ascii") as file:
                pid = int(file.read().split()[0])
            return pid if os.path.basename(os.readlink(f"/proc/{pid}/exe")) == "systemd" else None
        except (OSError, IndexError):
            return None

    def argv(self, *argv):
        return ["nsenter", f"--target={self.pid}", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd",
                "env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8",
                *map(str, argv)]

    def run(self, *argv, check=True, timeout=300):
        """In there; what it said."""
        done = subprocess.run(self.argv(*argv), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                              text=True, timeout=timeout, check=False)
        assert not check or done.returncode == 0, f"{argv}: {done.returncode}\n{done.stdout[-4000:]}\n{self.journal()}"
        return done.stdout

    def start(self, *argv):
        """In there, in the background."""
        return subprocess.Popen(self.argv(*argv), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                stdin=subprocess.DEVNULL, text=True)

    def journal(self):
        return subprocess.run(self.argv("journalctl", "--no-pager", "--lines=80", "--unit=nrt-*", "--unit=nats-server"),
                              capture_output=True, text=True, check=False).stdout

    def write(self, path, text, mode=0o644):
        path = self.root + path
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)

    def read(self, path):
        with open(self.root + path, encoding="utf-8") as file:
            return file.read()

    def show(self, unit, name):
        return self.run("systemctl", "show", unit, "--property", name, "--value").strip()

    def until_shows(self, unit, name, wanted):
        until(lambda: self.show(unit, name) == wanted, f"{unit} has {name}={wanted}", DEADLINE * 3, 0.05)

    def close(self):
        """A killed PID 1 takes all of its processes along."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
        self.shell.kill()
        self.shell.wait()


def remove(root):
    shutil.rmtree(root, ignore_errors=True)
