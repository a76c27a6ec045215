#!/usr/bin/python3
"""Writes seeds for the HTTP targets, a folder for each, from what others have collected.

    seeds.py OUT [H2O_SEEDS.tar.gz]

Of these the corpora were made, with libFuzzer's -merge=1: see corpus/README.md.
"""

import base64
import hashlib
import json
import os
import re
import sys
import tarfile

CASES = os.path.join(os.path.dirname(__file__), "..", "vectors", "http1", "cases.jsonl")
LARGEST = 2048  # bytes of a seed


def put(out, target, data):
    """A file is called by its content, as libFuzzer does it, so that the same one comes once."""
    if len(data) <= LARGEST:
        folder = os.path.join(out, target)
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, hashlib.sha1(data).hexdigest()), "wb") as file:
            file.write(data)


def put_fields(out, message):
    lines = message.split(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    put(out, "fields", b"\n".join(lines) + b"\n")


def put_request(out, message):
    put(out, "h1_request", message)
    put(out, "h1_differential", message)
    # The service of that target is a.nats, and looks no further at requests for others.
    put(out, "service_payload", re.sub(rb"(?im)^(Host: *)[^\r\n]*", rb"\1a.nats", message))
    put_fields(out, message)


def put_response(out, message):
    put(out, "h1_response", message)
    put(out, "h1_differential", message)
    put(out, "client_reply", message)
    put_fields(out, message)


def put_chunks(out, message):
    head, end, body = message.partition(b"\r\n\r\n")
    if end and b"chunked" in head.lower():
        put(out, "h1_chunked", body)


def read_cases():
    with open(CASES, encoding="utf-8") as file:
        for line in file:
            case = json.loads(line)
            yield case["kind"], base64.b64decode(case["raw_b64"])


def read_archive(path):
    with tarfile.open(path) as archive:
        for member in archive:
            if member.isfile() and "/http1-corpus/" in member.name:
                yield archive.extractfile(member).read()


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    out = sys.argv[1]
    for kind, message in read_cases():
        (put_request if kind == "request" else put_response)(out, message)
        put_chunks(out, message)
    for message in read_archive(sys.argv[2]) if len(sys.argv) == 3 else []:
        put_request(out, message)
        put_chunks(out, message)


if __name__ == "__main__":
    main()
