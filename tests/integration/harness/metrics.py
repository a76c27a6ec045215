"""What /metrics says, read by Prometheus's own Python client, and checked by Prometheus's own tool."""

import os
import subprocess

from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_open
from prometheus_client.parser import text_string_to_metric_families as read_text

from .client import curl
from .outside import unpacked


class Metrics:
    """The samples of one scrape: metrics["name"] or metrics.get("name", service="a.nats")."""

    def __init__(self, text, open_format=False):
        self.text = text
        self.families = {family.name: family for family in (read_open if open_format else read_text)(text)}
        self.samples = {}
        for family in self.families.values():
            for sample in family.samples:
                key = (sample.name, frozenset(sample.labels.items()))
                assert key not in self.samples, f"{key} stands there twice"
                self.samples[key] = sample.value

    def get(self, name, **labels):
        return self.samples.get((name, frozenset(labels.items())))

    def __getitem__(self, name):
        return self.samples[name, frozenset()]

    def labels(self, name, label):
        """All values of a label."""
        return {dict(labels)[label] for found, labels in self.samples if found == name}


def scrape(url):
    got = curl("-s", "--fail-with-body", f"{url}/metrics")
    return Metrics(got.text)


def scrape_open(url):
    got = curl("-s", "--fail-with-body", "-H", "Accept: application/openmetrics-text; version=1.0.0", f"{url}/metrics")
    return Metrics(got.text, True)


def promtool_complaints(text):
    """What `promtool check metrics` has to say."""
    tool = os.path.join(unpacked("prometheus"), "usr/bin/promtool")
    done = subprocess.run([tool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr if done.returncode != 0 or done.stderr else ""
