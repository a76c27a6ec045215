"""nkeys and the JWTs that operators, accounts and users of NATS are made of. The openssl program
signs; everything else is written here, apart from the library's own reading of it."""

import base64
import binascii
import json
import os
import tempfile
import time

from .pki import openssl, write

PREFIXES = {"operator": 14 << 3, "account": 0, "user": 20 << 3}
PKCS8 = bytes.fromhex("302e020100300506032b657004220420")


def base32(raw):
    return base64.b32encode(raw + binascii.crc_hqx(raw, 0).to_bytes(2, "little")).decode().rstrip("=")


def base64url(raw):
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


class NKey:
    def __init__(self, kind, secret=None):
        self.kind = kind
        secret = secret or os.urandom(32)
        with tempfile.TemporaryDirectory() as folder:
            der = os.path.join(folder, "key")
            write(der, PKCS8 + secret)
            self._pem = openssl("pkey", "-inform", "DER", "-in", der)
        public = openssl("pkey", "-pubout", "-outform", "DER", data=self._pem)[-32:]
        prefix = PREFIXES[kind]
        self.public = base32(bytes([prefix]) + public)
        self.seed = base32(bytes([18 << 3 | prefix >> 5, (prefix & 31) << 3]) + secret)

    def sign(self, data):
        with tempfile.TemporaryDirectory() as folder:
            key, text = os.path.join(folder, "key"), os.path.join(folder, "text")
            write(key, self._pem)
            write(text, data)
            return openssl("pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", text)


def claims(by, about, name, nats, expires=None):
    """A JWT by one key about another; `expires` in seconds from now."""
    now = int(time.time())
    body = {"jti": binascii.hexlify(os.urandom(16)).decode(), "iat": now, "iss": by.public,
            "name": name, "sub": about.public, "nats": {"version": 2, "type": about.kind, **nats}}
    if expires is not None:
        body["exp"] = now + expires
    head = json.dumps({"typ": "JWT", "alg": "ed25519-nkey"}).encode()
    text = base64url(head) + "." + base64url(json.dumps(body).encode())
    return text + "." + base64url(by.sign(text.encode()))


class Operator:
    """An operator with one account, and a nats-server configuration that knows both."""

    def __init__(self):
        self.key, self.account = NKey("operator"), NKey("account")
        self.jwt = claims(self.key, self.key, "O", {})
        self.revoked = {}

    def account_jwt(self):
        limits = dict.fromkeys(("subs", "data", "payload", "imports", "exports", "conn", "leaf"), -1)
        nats = {"limits": {**limits, "wildcards": True}}
        if self.revoked:
            nats["revocations"] = self.revoked
        return claims(self.key, self.account, "A", nats)

    def config(self):
        return (f"operator: {self.jwt}\nresolver: MEMORY\n"
                f"resolver_preload: {{ {self.account.public}: {self.account_jwt()} }}\n")

    def revoke(self, user):
        """From now on nothing of that user is good."""
        self.revoked[user.public] = int(time.time()) + 1

    def user(self, name, expires=None):
        """(key, JWT)"""
        key = NKey("user")
        nats = {"pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1}
        return key, claims(self.account, key, name, nats, expires)


def creds(key, jwt):
    """As nsc writes it."""
    return (f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
            "************************* IMPORTANT *************************\n"
            "NKEY Seed printed below can be used to sign and prove identity.\n"
            "NKEYs are sensitive and should be treated as secrets.\n\n"
            f"-----BEGIN USER NKEY SEED-----\n{key.seed}\n------END USER NKEY SEED------\n\n"
            "*************************************************************\n")
