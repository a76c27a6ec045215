"""Memory, descriptors and threads that run out under the library: programs/failmalloc.c."""

import pytest

from harness.clock import DEADLINE
from harness.world import program


@pytest.mark.parametrize("how", ["once", "onwards"])
@pytest.mark.parametrize("who", ["any", "main", "others"])
@pytest.mark.parametrize("scenario", ["ask", "drain"])
def test_whatever_is_refused_to_the_library_a_program_is_told_and_goes_on(
        world, nats, scenario, who, how):
    """Each request for memory and the like is refused in turn, and then all that follow it."""
    url = nats.url.replace("127.0.0.1", "localhost")  # a name, so that it has to be looked up
    assert "localhost" in url
    done = world.run([program("failmalloc"), url, scenario, who, how], timeout=DEADLINE * 12)
    refused = int(done.stdout)
    assert refused > (3 if who == "others" else 100 if scenario == "ask" else 10) or (
        (scenario, who) == ("drain", "others"))
