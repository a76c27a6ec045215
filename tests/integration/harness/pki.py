"""Certificates for tests, made by the openssl program: an authority, and what it signs."""

import os
import re
import subprocess
import time


def openssl(*args, data=None):
    done = subprocess.run(["openssl", *map(str, args)], input=data, capture_output=True, check=False)
    assert done.returncode == 0, f"openssl {args}: {done.stderr.decode()}"
    return done.stdout


def openssl_version():
    return tuple(map(int, re.match(rb"OpenSSL (\d+)\.(\d+)", openssl("version")).groups()))


def write(path, data):
    with open(path, "wb") as out:
        out.write(data)


def read(path):
    with open(path, "rb") as file:
        return file.read()


class Authority:
    """A CA in a folder of its own; each certificate is a pair of files."""

    def __init__(self, folder, name="test CA"):
        self.folder = folder
        os.makedirs(folder, exist_ok=True)
        self.cert, self.key = self.path("ca.pem"), self.path("ca-key.pem")
        self._new_key(self.key)
        openssl("req", "-x509", "-new", "-key", self.key, "-out", self.cert, "-days", "10",
                "-subj", f"/CN={name}")

    def path(self, name):
        return os.path.join(self.folder, name)

    @staticmethod
    def _new_key(path):
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)

    def issue(self, name, names="DNS:localhost,IP:127.0.0.1", days=5, usage="serverAuth", ca=False,
              issuer=None):
        """(certificate, key) files; `names` is a subjectAltName, empty for none; a negative number
        of days makes one that has expired; `issuer` is another pair, of an intermediate CA."""
        cert, key, request = (self.path(name + end) for end in (".pem", "-key.pem", ".csr"))
        extensions = self.path(name + ".ext")
        lines = ["basicConstraints=critical,CA:TRUE" if ca else
                 f"basicConstraints=CA:FALSE\nextendedKeyUsage={usage}"]
        if names:
            lines.append(f"subjectAltName={names}")
        write(extensions, "\n".join(lines).encode())
        self._new_key(key)
        openssl("req", "-new", "-key", key, "-out", request, "-subj", f"/CN={name}")
        by, by_key = issuer or (self.cert, self.key)
        life = ["-days", days]
        if days < 0 and openssl_version() >= (3, 4):  # which wants them to begin before they end
            begin, end = (time.gmtime(time.time() + at * 86400) for at in (days - 10, days))
            life = ["-not_before", time.strftime("%Y%m%d%H%M%SZ", begin), "-not_after", time.strftime("%Y%m%d%H%M%SZ", end)]
        openssl("x509", "-req", "-in", request, "-CA", by, "-CAkey", by_key, "-CAcreateserial",
                "-out", cert, *life, "-extfile", extensions)
        return cert, key


def server_config(pair, ca=None, more=""):
    """The tls block of a nats-server; with `ca` it wants certificates of its clients."""
    cert, key = pair
    verify = f'ca_file: "{ca}"\nverify: true' if ca else ""
    return f'tls {{\ncert_file: "{cert}"\nkey_file: "{key}"\n{verify}\n{more}\n}}\n'
