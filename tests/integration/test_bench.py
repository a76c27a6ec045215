"""The benchmark in its short form: that all of it works, and that an exchange costs no more
instructions and allocations than bench/bounds.json says. Nothing here depends on how fast a machine is."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from harness.clock import SLOW
from harness.world import BUILD, sanitized

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ROWS = ["a", "b", "c", "c-loop", "c-asap", "d", "e", "f", "g"]


def bench(folder, *args):
    if sanitized():
        pytest.skip("what is measured is the code that people run")
    for tool in ("wrk", "nginx", "nats-server", "valgrind"):
        if not shutil.which(tool, path=os.environ.get("PATH", "") + ":/usr/sbin"):
            pytest.skip(f"{tool} is not installed")
    for program in ("raw_client", "../src/nginx/ngx_http_nrt_module.so"):
        if not os.path.exists(os.path.join(BUILD, "bench", program)):
            pytest.skip(f"{program} is not built: libnats-dev, libevent-dev and nginx-dev bring what it takes")
    found = folder / "found.json"
    done = subprocess.run(
        [sys.executable, os.path.join(ROOT, "bench", "bench.py"), "--quick", "--json", found, *args],
        env={**os.environ, "NRT_BUILD": BUILD}, capture_output=True, text=True, timeout=240 * SLOW,
        check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(found.read_text()), done.stdout


def test_all_rows_are_measured_and_no_request_fails(tmp_path):
    found, output = bench(tmp_path, "--parts", "rows,growth")
    assert list(found["rows"]) == ROWS
    assert list(found["bulk"]) == ["h", "i", "j"]
    levels = [level for row in [*found["rows"].values(), *found["bulk"].values(),
                                found["growth"]["in_flight"], found["growth"]["services"]]
              for level in row["levels"].values()]
    assert len(levels) == 2 * len(ROWS) + 3 + 2 + 2
    for level in levels:
        for sample in level["samples"]:
            assert sample["failed"] == 0 and sample["requests"] > 0
            assert all(us >= 0 for us in sample["cpu_us"].values())
    for one in found["promises"]:
        assert one["what"] in output and one["value"] > 0
    assert len(found["promises"]) == 9
    for kind in ("exchange", "stream"):
        assert all(0 < size < 100_000 for size in found["growth"]["memory"][kind].values())


def test_an_exchange_costs_what_is_written_down(tmp_path):
    """A tenth more instructions, or an allocation more, is noticed."""
    found, output = bench(tmp_path, "--parts", "micro")
    assert found["beyond_bounds"] == [], output
    figures = found["micro"]
    assert set(figures["exchange"]) == {"client", "service", "gateway", "serve"}

    sys.path.insert(0, os.path.join(ROOT, "bench"))
    try:
        import micro
    finally:
        sys.path.pop(0)
    figures["exchange"]["client"]["instructions"] *= 1.5
    figures["exchange"]["service"]["allocations"] += 1
    told = micro.beyond_bounds(figures)
    assert len(told) == 2 and told[0].startswith("client") and told[1].startswith("service"), told
