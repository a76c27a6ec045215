"""Rows (h), (i) and (j): one large body at a time. What they count as a request is a MiB."""

import os

from rows import ProgramRow

PERIOD = 64 * 1024
MIB = 1024 * 1024


def pattern():
    """The bytes that bulk.c checks."""
    number, out = 1, bytearray()
    for _ in range(PERIOD):
        number = (number * 1664525 + 1013904223) & 0xFFFFFFFF
        out.append(ord("!") + (number >> 16) % 94)
    return bytes(out)


class BulkRow(ProgramRow):
    """`in_flight` is how many MiB the body has."""

    def drive(self, in_flight, seconds, services=1):
        sample = self.client.command(f"fetch {in_flight * MIB}", 60)
        sample["requests"] = sample["bytes"] // MIB
        return sample, {}


class RawBulk(BulkRow):
    letter, name = "h", "libnats publish/subscribe, 64 KiB each"

    def start(self):
        url = f"nats://127.0.0.1:{self.nats()}"
        self.program("publisher", "raw_bulk", "send", url, "default")
        self.client = self.program("subscriber", "raw_bulk", "fetch", url, "default")


class OurBulk(BulkRow):
    letter, name = "i", "our service -> our client, one stream"

    def start(self):
        url = f"nats://127.0.0.1:{self.nats()}"
        self.program("service", "nrt_bulk", "serve", url)
        self.client = self.program("client", "nrt_bulk", "fetch", url)


class NginxBulk(BulkRow):
    letter, name = "j", "nginx -> nginx -> client"

    def start(self):
        folder = os.path.join(self.run.folder, "bulk")
        os.mkdir(folder)
        piece = pattern() * 16
        for size in {self.run.bulk_mib, self.run.warm_mib}:
            with open(os.path.join(folder, str(size * MIB)), "wb") as file:
                for _ in range(size):
                    file.write(piece)
        origin = self.nginx("nginx", f"root {folder};")
        self.client = self.program("client", "http_bulk", self.proxy(origin))


BULK_ROWS = [RawBulk, OurBulk, NginxBulk]
