"""Holds what clients and services wrote down against what is promised. No processes here: a list
of sentences, one for each promise that was broken, comes out."""

import collections

SHOWN = 5  # of each kind of violation


class Judge:
    def __init__(self, requests, executions, events, timeout, late, settle):
        self.requests, self.events = requests, events
        self.timeout = timeout  # of each request
        self.late = late  # how much later than that it may end
        self.settle = settle  # after an event is mended, all is served again within that
        self.executions = collections.defaultdict(list)
        for one in executions:
            self.executions[one.name].append(one)
        self.found = collections.defaultdict(list)

    def verdict(self):
        for one in self.requests:
            self._answer(one)
            self._times(one)
            self._deadline(one)
            self._reason(one)
            self._calm(one)
        self._unknown()
        return [f"{what}: {len(cases)}, such as {case}" if number == 0 else f"    {case}"
                for what, cases in self.found.items()
                for number, case in enumerate(cases[:SHOWN])]

    def _during(self, one, kinds, slack=0.0):
        """Whether the request was under way while an event of these kinds was."""
        return any(event.kind in kinds and one.ended >= event.begun and
                   one.sent <= event.mended + slack for event in self.events)

    # ---- the promises ------------------------------------------------------------------------

    def _answer(self, one):
        """No answer goes to the wrong request; every 2xx is in the ledger."""
        runs = self.executions[one.name]
        if one.own == "mixed":
            self.found["an answer was another request's"].append(one)
        if any(run.body == "mixed" for run in runs):
            self.found["a body was another request's"].append(one)
        if not one.failed and one.instance not in [run.instance for run in runs]:
            self.found["a 2xx is not in the service's ledger"].append(one)

    def _times(self, one):
        """No POST runs twice, others only after a retry; what was not sent did not run."""
        runs = self.executions[one.name]
        if one.method == "POST" and len(runs) > 1:
            self.found["a POST ran twice"].append((one, runs))
        elif one.method != "POST" and one.attempts is not None:
            # A sidecar sends once more what a kept connection of its server's took with it.
            allowed = max(one.attempts, 1)
            if self._during(one, ("origin-kill", "sidecar-kill")):
                allowed += one.attempts
            if len(runs) > allowed:
                self.found["ran more often than it was sent"].append((one, runs))
        certain = ("no-service", "disconnected", "refused", "busy")
        if runs and (one.outcome in certain or one.code in certain):
            self.found["ran, although that was said to be impossible"].append((one, runs))

    def _deadline(self, one):
        """It ends in time, unless the gateway itself does not run, or cannot be reached."""
        took = one.ended - one.sent
        if took <= self.timeout + self.late:
            return
        if one.way == "library" or not self._during(one, ("gateway-stop", "gateway-net"),
                                                    self.settle):
            self.found["ended late"].append((f"{took:.2f} s", one))

    def _reason(self, one):
        """It fails with a reason, unless there is no gateway that could say one."""
        if not one.failed:
            return
        if one.outcome == "ok":
            if one.code == "-":
                self.found["failed without a reason"].append(one)
        elif one.way == "gateway" and not self._during(
                one, ("gateway-kill", "gateway-stop", "gateway-net"), self.settle):
            self.found["the gateway broke off"].append(one)

    def _calm(self, one):
        """Nothing fails but for an event; those that are no failure are no reason."""
        if one.failed and not any(
                event.kind not in ("server-duck", "native-drain", "sidecar-drain") and
                one.ended >= event.begun and one.sent <= event.mended + self.settle
                for event in self.events):
            about = [event.label for event in self.events
                     if one.ended >= event.begun and one.sent <= event.mended + self.settle]
            self.found["failed for no cause"].append((about, one))

    def _unknown(self):
        asked = {one.name for one in self.requests}
        for name, runs in self.executions.items():
            if runs and name not in asked:
                self.found["nobody asked for what ran"].append(runs)


# ---- figures -----------------------------------------------------------------------------------


def outcomes(requests):
    return {way: collections.Counter(one.kind for one in requests if one.way == way)
            for way in ("library", "gateway")}


def effects(requests, events):
    """Of each event that was alone: its kind, what failed, and for how long things failed, counted
    from its begin and from when it was mended. Times are when the last request that failed was
    sent."""
    result = []
    for event in events:
        if not event.alone:
            continue
        bad = [one for one in requests
               if one.failed and event.begun <= one.ended <= event.ended]
        all_of_it = [one for one in requests if event.begun <= one.sent <= event.ended]
        last = max((one.sent for one in bad), default=0.0)
        result.append({
            "kind": event.kind,
            "requests": len(all_of_it),
            "failed": collections.Counter((one.way, one.kind) for one in bad),
            "lasted": max(0.0, last - event.begun),
            "after": max(0.0, last - event.mended),
        })
    return result
