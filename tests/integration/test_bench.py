"""The benchmark in its short form: that all of it works, and that an exchange costs no more
instructions and allocations than bench/bounds.json says. Nothing here depends on how fast a machine
is."""

import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree

import pytest

from harness.clock import SLOW
from harness.world import BUILD, sanitized

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BENCH = os.path.join(ROOT, "bench")
ROWS = ["a", "b", "c", "c-loop", "c-asap", "c-same", "d", "e", "f", "g"]


@pytest.fixture(scope="module")
def modules():
    """What bench.py is made of."""
    sys.path.insert(0, BENCH)
    try:
        import bench
        yield bench
    finally:
        sys.path.remove(BENCH)


@pytest.fixture(scope="module")
def quick(modules, tmp_path_factory):
    """One run: what it found, and what it printed."""
    if sanitized():
        pytest.skip("what is measured is the code that people run")
    for tool in ("wrk", "nginx", "nats-server", "valgrind"):
        if not shutil.which(tool, path=os.environ.get("PATH", "") + ":/usr/sbin"):
            pytest.skip(f"{tool} is not installed")
    for program in ("raw_client", "../src/nginx/ngx_http_nrt_module.so"):
        if not os.path.exists(os.path.join(BUILD, "bench", program)):
            pytest.skip(f"{program} is not built: libnats-dev, libevent-dev and nginx-dev bring what it takes")
    path = tmp_path_factory.mktemp("bench") / "found.json"
    done = subprocess.run(
        [sys.executable, os.path.join(BENCH, "bench.py"), "--quick", "--in-flight", "64", "--json", path],
        env={**os.environ, "NRT_BUILD": BUILD}, capture_output=True, text=True, timeout=300 * SLOW,
        check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return modules.load(path), done.stdout


def test_all_rows_are_measured_and_no_request_fails(quick):
    found, output = quick
    assert list(found["rows"]) == ROWS
    assert list(found["bulk"]) == ["h", "i", "j"]
    levels = [level for row in [*found["rows"].values(), *found["bulk"].values(),
                                found["growth"]["in_flight"], found["growth"]["services"]]
              for level in row["levels"].values()]
    assert len(levels) == len(ROWS) + 3 + 2 + 2
    for level in levels:
        for sample in level["samples"]:
            assert sample["failed"] == 0 and sample["requests"] > 0
            assert all(us >= 0 for us in sample["cpu_us"].values())
    for kind in ("exchange", "stream"):
        assert all(0 < size < 100_000 for size in found["growth"]["memory"][kind].values())
    assert len(found["promises"]) == 8
    for one in found["promises"]:
        assert one["what"] in output and one["value"] > 0


def test_an_exchange_costs_what_is_written_down(quick):
    """A tenth more instructions, or an allocation more, is noticed."""
    found, output = quick
    assert found["beyond_bounds"] == [], output
    watched = "--admin --access-log --trace-export"
    assert set(found["micro"]["exchange"]) == {"client", "service", "gateway", "serve", f"gateway {watched}",
                                               f"serve {watched}"}


def test_what_has_grown_is_told(quick, modules):
    figures = json.loads(json.dumps(quick[0]["micro"]))
    figures["exchange"]["client"]["instructions"] *= 1.5
    figures["exchange"]["service"]["allocations"] += 1
    told = modules.micro.beyond_bounds(figures)
    assert len(told) == 2 and told[0].startswith("client") and told[1].startswith("service"), told


def test_page_and_chart_can_be_written(quick, modules):
    found = quick[0]
    with open(modules.publish.PAGE, encoding="utf-8") as page:
        text = page.read()
    filled = modules.publish.fill(text, found)
    assert f"{found['rows']['d']['levels'][64]['rps']:,.0f}" in filled
    assert modules.publish.fill(filled, found) == filled
    chart = xml.etree.ElementTree.fromstring(modules.publish.chart(found))
    bars = [bar for bar in chart if bar.tag.endswith("rect")]
    assert len(bars) == len(modules.publish.BARS)
