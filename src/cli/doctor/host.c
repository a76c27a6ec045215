/* Whether a host is served: who says so ($SRV), and who answers.
 *
 * The probe is `OPTIONS *` on the subject of another method. A service of nrt sees the mismatch
 * and answers 403 before any handler is called (docs/protocol.md, What a service checks); an old
 * peer, which does not look, hands its handler the one request of HTTP that is about nothing (RFC
 * 9110 section 9.3.7). The subject is never that of OPTIONS: there it would be a proper request. */
#include <stdlib.h>

#include "cli/doctor/doctor.h"
#include "core/base/suggest.h"
#include "core/discovery/read.h"

enum { SKEW_S = 30, SHOWN_MAX = 8 };

static bool is_ours(const nrt__doctor *doctor, const nrt_instance *one) {
    return strcmp(one->host, doctor->host) == 0 && strcmp(one->prefix, doctor->prefix) == 0;
}

/* ---- who says that it is there ---- */

static nrt_discovery *ask(nrt__doctor *doctor, const char *name) {
    nrt_discover_options options;
    nrt_discovery *found = NULL;
    nrt_discover_options_init(&options);
    options.name = name;
    options.timeout_ms = doctor->wait_ms;
    if (doctor->permits.ask && doctor->permits.inbox && !doctor->dialing.lost) {
        (void)nrt_discover(doctor->conn, &options, &found);
    }
    return found;
}

static json_t *instance_json(const nrt_instance *one) {
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:f}", "id", one->id, "version", one->version,
                     "library", one->library, "server", one->server, "cluster", one->cluster,
                     "rtt_ms", (double)one->rtt_ns / 1e6);
}

static size_t count_ours(const nrt__doctor *doctor, const nrt_discovery *found) {
    size_t count = 0;
    for (size_t i = 0; found && i < nrt_discovery_count(found); i++) {
        count += is_ours(doctor, nrt_discovery_at(found, i));
    }
    return count;
}

static void tell_instances(nrt__doctor *doctor, const nrt_discovery *found) {
    size_t count = count_ours(doctor, found);
    json_t *list = json_array();
    nrt__doctor_tell(doctor, NRT__MARK_OK, "instances", "%zu instance%s of %s", count,
                     count == 1 ? "" : "s", doctor->host);
    size_t shown = 0;
    for (size_t i = 0; found && i < nrt_discovery_count(found); i++) {
        const nrt_instance *one = nrt_discovery_at(found, i);
        if (!is_ours(doctor, one)) {
            continue;
        }
        (void)json_array_append_new(list, instance_json(one));
        if (shown++ < SHOWN_MAX) {
            nrt__doctor_detail(doctor, "%s: version %s, nrt %s, at %s%s%s, %.2f ms", one->id,
                               *one->version ? one->version : "-",
                               *one->library ? one->library : "of an unknown version", one->cluster,
                               *one->cluster ? "/" : "",
                               *one->server ? one->server : "a server without a name",
                               (double)one->rtt_ns / 1e6);
        }
    }
    nrt__doctor_set(doctor, "instances", list);
}

/* ---- who answers ---- */

static bool any(const nrt__doctor *doctor, nrt__probed outcome, const nrt__probe **first) {
    for (size_t i = 0; i < NRT__DOCTOR_METHODS; i++) {
        if (doctor->probes[i].outcome == outcome) {
            *first = &doctor->probes[i];
            return true;
        }
    }
    return false;
}

static int by_value(const void *a, const void *b) {
    const double *x = a;
    const double *y = b;
    return (*x > *y) - (*x < *y);
}

/* Whether the instance of this probe answered an earlier one. */
static bool seen_before(const nrt__doctor *doctor, size_t at) {
    const nrt__probe *one = &doctor->probes[at];
    for (size_t i = 0; i < at; i++) {
        const nrt__probe *before = &doctor->probes[i];
        if (before->outcome == NRT__PROBED_ANSWER && strcmp(before->client, one->client) == 0 &&
            strcmp(before->server, one->server) == 0) {
            return true;
        }
    }
    return false;
}

static void tell_answers(nrt__doctor *doctor, const nrt__probe *first) {
    double ms[NRT__DOCTOR_METHODS] = {0};
    size_t count = 0;
    size_t instances = 0;
    for (size_t i = 0; i < NRT__DOCTOR_METHODS; i++) {
        if (doctor->probes[i].outcome == NRT__PROBED_ANSWER) {
            instances += !seen_before(doctor, i);
            ms[count++] = doctor->probes[i].rtt_ms;
        }
    }
    qsort(ms, count, sizeof(ms[0]), by_value);
    nrt__doctor_tell(doctor, NRT__MARK_OK, "answer",
                     "%s answers, in %.2f ms (the middle of %zu; the longest %.2f ms), %zu "
                     "instance%s of it; the first is at %s%s%s",
                     doctor->host, ms[count / 2], count, ms[count - 1], instances,
                     instances == 1 ? "" : "s", first->cluster, *first->cluster ? "/" : "",
                     *first->server ? first->server : "a server that it does not name");
    nrt__doctor_set(doctor, "rtt_ms", json_real(ms[count / 2]));
    nrt__doctor_set(doctor, "answered_by", json_integer((json_int_t)instances));
}

static void tell_frames(nrt__doctor *doctor, const nrt__probe *first) {
    if (first->frames) {
        nrt__doctor_tell(doctor, NRT__MARK_OK, "frames",
                         "it sends frames: an instance that dies is noticed within a second");
    } else if (first->refused_as_meant) {
        nrt__doctor_tell(doctor, NRT__MARK_WARNING, "frames",
                         "it sends no frames (no NRT-Version): it may send one reply only, so what "
                         "does not fit one message fails, and an instance that dies with a request "
                         "in hand is noticed by the timeout");
        nrt__doctor_advise(
            doctor,
            "let the service's user publish to inboxes and subscribe to %s.streams.%s.>, and "
            "restart the service, for it finds out when it connects; or permit allow_responses { "
            "max: -1 }, and start it with --multi-reply (nrt_options.multi_reply)",
            doctor->prefix, doctor->host);
        nrt__doctor_paste(doctor, "permissions: { publish: { allow: [\"%s.>\"] } }", doctor->inbox);
        nrt__doctor_advise(doctor, "if it is in another account: the export allows one reply (its "
                                   "reply subjects begin with _R_.); make it a stream of replies, "
                                   "let both accounts have the subjects of streams, and start the "
                                   "service with --multi-reply (nrt_options.multi_reply)");
        nrt__doctor_paste(doctor,
                          "exports: [ { service: \"%s.requests.%s.*\", response_type: stream }, { "
                          "service: \"%s.streams.%s.>\" } ]",
                          doctor->prefix, doctor->host, doctor->prefix, doctor->host);
    } else {
        nrt__doctor_tell(doctor, NRT__MARK_INFO, "frames",
                         "it is an old peer, without frames: it answered the probe with %d instead "
                         "of refusing it, and an instance that dies is noticed by the timeout",
                         first->status);
    }
}

static void tell_clock(nrt__doctor *doctor, const nrt__probe *first) {
    if (!first->has_skew) {
        nrt__doctor_tell(doctor, NRT__MARK_UNCHECKED, "clock", "the answer has no Date");
        return;
    }
    int64_t skew = first->skew_s;
    int64_t size = skew < 0 ? -skew : skew;
    if (size > SKEW_S) {
        nrt__doctor_tell(doctor, NRT__MARK_WARNING, "clock",
                         "the service's clock is %lld s %s of ours: certificates and JWTs are "
                         "judged wrongly by one of the two",
                         (long long)size, skew > 0 ? "ahead" : "behind");
        nrt__doctor_advise(doctor, "compare with date -u on both machines, and see timedatectl");
    } else {
        nrt__doctor_tell(doctor, NRT__MARK_OK, "clock",
                         "the service's clock and ours agree within %lld s",
                         (long long)(size > 1 ? size : 1));
    }
    nrt__doctor_set(doctor, "skew_s", json_integer(skew));
}

/* ---- nobody ---- */

/* Under another prefix, or under a name like it. */
static void advise_others(nrt__doctor *doctor, const nrt_discovery *all) {
    size_t count = all ? nrt_discovery_count(all) : 0;
    const char **hosts = count > 0 ? calloc(count, sizeof(*hosts)) : NULL;
    size_t ours = 0;
    bool told = false;
    for (size_t i = 0; hosts && i < count; i++) {
        const nrt_instance *one = nrt_discovery_at(all, i);
        if (strcmp(one->host, doctor->host) == 0 && !is_ours(doctor, one) && !told) {
            nrt__doctor_advise(doctor,
                               "%s is served under the prefix \"%s\", and \"%s\" was asked "
                               "for: set it with --prefix or NATS_PREFIX, or let a mapping "
                               "of the NATS server lead there",
                               doctor->host, one->prefix, doctor->prefix);
            nrt__doctor_paste(doctor, "nrt doctor --prefix %s %s", one->prefix, doctor->host);
            told = true;
        } else if (*one->host && strcmp(one->host, doctor->host) != 0) {
            hosts[ours++] = one->host;
        }
    }
    const char *near = ours > 0 && !told ? nrt__suggest(doctor->host, hosts, ours) : NULL;
    if (near) {
        nrt__doctor_advise(doctor, "did you mean %s? That is served", near);
    } else if (!told && ours > 0) {
        nrt__doctor_advise(doctor, "nrt ls lists the hosts that are served");
    } else if (!told && doctor->permits.ask) {
        nrt__doctor_advise(doctor, "no service answers at all here: is this the right NATS system "
                                   "and account?");
    }
    free(hosts);
}

static void tell_nobody(nrt__doctor *doctor, const nrt_discovery *found, size_t there) {
    nrt__doctor_tell(doctor, NRT__MARK_PROBLEM, "answer",
                     "nobody subscribes to %s.requests.%s.*: requests get 503 no-service",
                     doctor->prefix, doctor->host);
    if (there > 0) {
        nrt__doctor_advise(doctor,
                           "but it answers on $SRV: it may not be permitted to subscribe "
                           "(nrt doctor --role service %s, with its credentials), or is "
                           "being stopped",
                           doctor->host);
        return;
    }
    advise_others(doctor, found);
    nrt__doctor_advise(doctor,
                       "start it (nrt serve %s TARGET); with --health it stays away while "
                       "its server is not well",
                       doctor->host);
}

static void tell_silence(nrt__doctor *doctor, const nrt_discovery *found, size_t there) {
    nrt__doctor_tell(doctor, NRT__MARK_PROBLEM, "answer",
                     "no answer from %s within %u ms, and NATS does not say that nobody is there",
                     doctor->host, (unsigned)doctor->wait_ms);
    if (there > 0) {
        nrt__doctor_advise(doctor, "it answers on $SRV: it may hang, or not be permitted to "
                                   "answer (nrt doctor --role service, with its credentials)");
    } else {
        nrt__doctor_advise(doctor, "somebody who is no service of nrt may subscribe there, and "
                                   "say nothing");
        nrt__doctor_advise(doctor, "across accounts nats-server does not say that nobody is there: "
                                   "is the service running, and does its account export the "
                                   "subject?");
        nrt__doctor_paste(doctor, "exports: [ { service: \"%s.requests.%s.*\" } ]", doctor->prefix,
                          doctor->host);
        advise_others(doctor, found);
    }
}

/* ---- */

static void tell_outcome(nrt__doctor *doctor, const nrt_discovery *found, size_t there) {
    const nrt__probe *one;
    if (any(doctor, NRT__PROBED_ANSWER, &one)) {
        tell_answers(doctor, one);
        tell_frames(doctor, one);
        tell_clock(doctor, one);
        if (!one->ours) {
            nrt__doctor_tell(doctor, NRT__MARK_WARNING, "protocol",
                             "the answer has no NRT-ID: who answers is no service of nrt or the "
                             "Go original");
        }
    } else if (any(doctor, NRT__PROBED_INVALID, &one)) {
        nrt__doctor_tell(doctor, NRT__MARK_PROBLEM, "answer",
                         "what answers for %s is no valid HTTP/1.1 response: clients get 502",
                         doctor->host);
        nrt__doctor_advise(doctor,
                           "somebody else subscribes to %s.requests.%s.*; the NATS "
                           "server's monitoring knows who: /connz?subs=1",
                           doctor->prefix, doctor->host);
    } else if (any(doctor, NRT__PROBED_NOBODY, &one)) {
        tell_nobody(doctor, found, there);
    } else if (doctor->permits.inbox && doctor->probes[0].sent) {
        tell_silence(doctor, found, there);
    } else {
        nrt__doctor_tell(doctor, NRT__MARK_UNCHECKED, "answer",
                         "whether %s answers: the permissions above come first", doctor->host);
    }
}

void nrt__doctor_host(nrt__doctor *doctor) {
    char name[NRT__HOST_MAX + 1];
    const nrt__probe *answer;
    nrt__doctor_tell(doctor, NRT__MARK_OK, "subject", "requests for %s go to %s.requests.%s.METHOD",
                     doctor->host, doctor->prefix, doctor->host);
    bool answered = any(doctor, NRT__PROBED_ANSWER, &answer);
    bool named = answered && nrt_discover_name(doctor->host, name) == 0;
    nrt_discovery *found = ask(doctor, named ? name : NULL); /* else who is there instead */
    size_t there = count_ours(doctor, found);
    if (there > 0) {
        tell_instances(doctor, found);
    } else if (!found) {
        nrt__doctor_tell(doctor, NRT__MARK_UNCHECKED, "instances",
                         "which instances there are: it takes publishing to $SRV.> and an inbox");
    } else if (answered) {
        nrt__doctor_tell(doctor, NRT__MARK_INFO, "instances",
                         "none answers on $SRV: it is in another account, is mapped to another "
                         "prefix, may not subscribe to $SRV.>, or is an old peer");
    }
    tell_outcome(doctor, found, there);
    nrt_discovery_destroy(found);
}
