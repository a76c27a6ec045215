/* What services tell of themselves: requests on $SRV come in, answers go out, no more of them at a
 * time than is good for the connection. */
#include "core/discovery/discovery.h"

#include <jansson.h>
#include <stdlib.h>

#include "core/base/str.h"
#include "core/discovery/text.h"
#include "core/exchange/services.h"
#include "core/nats/subject.h"

enum {
    ASKS_MAX = 64,       /* requests that wait for their answers; further ones are dropped */
    ASK_LASTS_MS = 5000, /* and who has waited so long has gone */
    BURST_MAX = 256,     /* answers that a connection gives at once after a rest */
    PER_MS = 2,          /* and then, for as long as it is asked */
    PER_TURN = 32,
    LOOKS_PER_TURN = 4096, /* listings passed over because they were not asked */
    TURN_MS = 8,
};

static const char subject_all[] = "$SRV.>";

struct nrt__listing {
    nrt__listing *next;
    nrt__listing *prev;
    const nrt_service *service;
    json_t *metadata; /* of the service's own; NULL: none */
    nrt_str name;
    nrt_str version;
    nrt_str description;
    char id[NRT__DISCOVERY_ID_CHARS + 1];
    char started[24]; /* RFC 3339 */
    /* Behind it lie name, version and description. */
};

/* A request that has not been answered by all whom it asks. */
typedef struct ask {
    struct ask *next;
    nrt__listing *at; /* who is to answer next */
    nrt__discovery_verb verb;
    int64_t until_ms;
    nrt_str reply;
    nrt_str name; /* absent: all */
    nrt_str id;   /* likewise */
    char text[];
} ask;

struct nrt__discovery {
    nrt__env *env;
    nrt__timers *timers;
    nrt__session *session;
    nrt_str prefix;
    nrt__sub *sub;
    nrt__listing listings; /* head of the ring */
    ask *asks;
    ask **last_ask;
    size_t ask_count;
    unsigned credit;
    int64_t credit_at_ms;
    nrt__timer timer; /* set while asks wait for their turn */
    bool denied;      /* and the log says so */
    nrt__log_gate dropped;
    nrt__log_gate unanswered;
};

static void on_timer(nrt__timer *timer, void *arg);

void nrt__discovery_switch(nrt__discovery *discovery, nrt__session *session) {
    discovery->session = session;
}

nrt__discovery *nrt__discovery_create(nrt__env *env, nrt__timers *timers, nrt__session *session,
                                      nrt_str prefix) {
    nrt__discovery *discovery = calloc(1, sizeof(*discovery));
    if (!discovery) {
        return NULL;
    }
    discovery->env = env;
    discovery->timers = timers;
    discovery->session = session;
    discovery->prefix = prefix;
    discovery->listings.next = discovery->listings.prev = &discovery->listings;
    discovery->last_ask = &discovery->asks;
    discovery->credit = BURST_MAX;
    discovery->credit_at_ms = env->now_ms;
    return discovery;
}

static void drop_first(nrt__discovery *discovery) {
    ask *first = discovery->asks;
    discovery->asks = first->next;
    if (!discovery->asks) {
        discovery->last_ask = &discovery->asks;
    }
    discovery->ask_count--;
    free(first);
}

/* Nobody is left to answer: asks go, and the subscription. */
static void leave(nrt__discovery *discovery) {
    while (discovery->asks) {
        drop_first(discovery);
    }
    nrt__timer_clear(discovery->timers, &discovery->timer);
    nrt__session_sub_destroy(discovery->session, discovery->sub);
    discovery->sub = NULL;
}

static void listing_free(nrt__listing *listing) {
    json_decref(listing->metadata);
    free(listing);
}

void nrt__discovery_destroy(nrt__discovery *discovery) {
    if (!discovery) {
        return;
    }
    leave(discovery);
    while (discovery->listings.next != &discovery->listings) {
        nrt__listing *listing = discovery->listings.next;
        discovery->listings.next = listing->next;
        listing_free(listing);
    }
    free(discovery);
}

/* ---- answers ---- */

static bool put(json_t *object, const char *key, json_t *value) {
    return json_object_set_new(object, key, value) == 0;
}

static json_t *text_of(nrt_str text) {
    return json_stringn(text.ptr ? text.ptr : "", text.len);
}

static json_t *number_of(uint64_t value) {
    return json_integer(value <= INT64_MAX ? (json_int_t)value : INT64_MAX);
}

/* Of the server, what is UTF-8: names may be anything that an HTTP field can hold. */
static json_t *metadata_of(const nrt__discovery *discovery, const nrt__listing *listing) {
    const nrt__nats_info *info = nrt__session_info(discovery->session);
    json_t *metadata = listing->metadata ? json_copy(listing->metadata) : json_object();
    if (!metadata || !put(metadata, "nrt.host", text_of(listing->service->host)) ||
        !put(metadata, "nrt.prefix", text_of(discovery->prefix)) ||
        !put(metadata, "nrt.version", json_string(nrt_version()))) {
        json_decref(metadata);
        return NULL;
    }
    (void)put(metadata, "nrt.server", json_string(info->server_name));
    if (info->cluster[0]) {
        (void)put(metadata, "nrt.cluster", json_string(info->cluster));
    }
    return metadata;
}

/* [from, to, count] for each bucket that is not empty. */
static json_t *latency_of(const nrt__histogram *histogram) {
    json_t *buckets = json_array();
    for (size_t i = 0; buckets && i < NRT__HISTOGRAM_BUCKETS; i++) {
        if (histogram->counts[i] == 0) {
            continue;
        }
        uint64_t from;
        uint64_t to;
        nrt__histogram_bounds(i, &from, &to);
        json_t *bucket = json_pack("[I, I, o]", (json_int_t)from, (json_int_t)to,
                                   number_of(histogram->counts[i]));
        if (json_array_append_new(buckets, bucket) < 0) {
            json_decref(buckets);
            return NULL;
        }
    }
    return buckets ? json_pack("{s:s, s:o}", "unit", "us", "buckets", buckets) : NULL;
}

static bool put_stats(json_t *endpoint, const nrt_service *service) {
    const nrt__service_stats *stats = &service->stats;
    uint64_t average = stats->requests ? stats->processing_ns / stats->requests : 0;
    json_t *data = json_object();
    bool fine = put(endpoint, "num_requests", number_of(stats->requests)) &&
                put(endpoint, "num_errors", number_of(stats->errors)) &&
                put(endpoint, "processing_time", number_of(stats->processing_ns)) &&
                put(endpoint, "average_processing_time", number_of(average)) && data &&
                put(data, "in_flight", number_of(service->in_flight)) &&
                put(data, "refused", number_of(stats->refused)) &&
                put(data, "latency", latency_of(&stats->latency));
    if (fine && stats->last_status) {
        /* From our own tables: what a handler or an origin wrote may be secret. */
        fine = stats->last_code.ptr
                   ? put(endpoint, "last_error",
                         json_sprintf("%d %.*s", stats->last_status, NRT__ARG(stats->last_code)))
                   : put(endpoint, "last_error",
                         json_sprintf("%d %s", stats->last_status,
                                      nrt_status_reason(stats->last_status)));
    }
    if (!fine) {
        json_decref(data);
        return false;
    }
    return put(endpoint, "data", data);
}

static json_t *endpoint_of(const nrt__listing *listing, nrt__discovery_verb verb) {
    const nrt_service *service = listing->service;
    json_t *endpoint = json_object();
    if (endpoint && put(endpoint, "name", json_string("http")) &&
        put(endpoint, "subject", text_of(service->subject)) &&
        put(endpoint, "queue_group", json_string("nrt")) &&
        (verb == NRT__DISCOVERY_STATS ? put_stats(endpoint, service)
                                      : put(endpoint, "metadata", json_object()))) {
        return endpoint;
    }
    json_decref(endpoint);
    return NULL;
}

static json_t *answer_of(const nrt__discovery *discovery, const nrt__listing *listing,
                         nrt__discovery_verb verb) {
    json_t *answer = json_object();
    bool fine = answer && put(answer, "type", json_string(nrt__discovery_type(verb))) &&
                put(answer, "name", text_of(listing->name)) &&
                put(answer, "id", json_string(listing->id)) &&
                put(answer, "version", text_of(listing->version)) &&
                put(answer, "metadata", metadata_of(discovery, listing));
    if (fine && verb == NRT__DISCOVERY_INFO) {
        fine = put(answer, "description", text_of(listing->description));
    }
    if (fine && verb == NRT__DISCOVERY_STATS) {
        fine = put(answer, "started", json_string(listing->started));
    }
    if (fine && verb != NRT__DISCOVERY_PING) {
        fine = put(answer, "endpoints", json_array()) &&
               json_array_append_new(json_object_get(answer, "endpoints"),
                                     endpoint_of(listing, verb)) == 0;
    }
    if (!fine) {
        json_decref(answer);
        return NULL;
    }
    return answer;
}

static int answer(nrt__discovery *discovery, const nrt__listing *listing, const ask *one) {
    json_t *object = answer_of(discovery, listing, one->verb);
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);
    if (!text) {
        return NRT_ERR_MEMORY;
    }
    nrt_str payload = nrt_str_from(text);
    int error =
        nrt__session_publish(discovery->session, one->reply, (nrt_str){NULL, 0}, &payload, 1);
    free(text);
    return error;
}

/* ---- whose turn it is ---- */

static void refill(nrt__discovery *discovery) {
    int64_t passed = discovery->env->now_ms - discovery->credit_at_ms;
    discovery->credit_at_ms = discovery->env->now_ms;
    if (passed > BURST_MAX) {
        passed = BURST_MAX;
    }
    discovery->credit += passed > 0 ? (unsigned)passed * PER_MS : 0;
    if (discovery->credit > BURST_MAX) {
        discovery->credit = BURST_MAX;
    }
}

/* A service that is paused takes no requests: it is not there. */
static bool is_asked(const nrt__listing *listing, const ask *one) {
    return listing->service->sub && (!one->name.ptr || nrt__str_equal(listing->name, one->name)) &&
           (!one->id.ptr || nrt__str_equal(nrt_str_from(listing->id), one->id));
}

static void tell_unanswered(nrt__discovery *discovery, int error) {
    uint64_t count;
    if (nrt__log_due(discovery->env, &discovery->unanswered, &count)) {
        nrt__log(discovery->env, NRT_LOG_WARN, "$SRV: %llu answers could not be sent: %s",
                 (unsigned long long)count, nrt_error_text(error));
    }
}

static void run(nrt__discovery *discovery) {
    int answers = 0;
    int looks = 0;
    refill(discovery);
    while (discovery->asks) {
        ask *one = discovery->asks;
        if (one->at == &discovery->listings || one->until_ms < discovery->env->now_ms ||
            nrt__session_state_get(discovery->session) != NRT__SESSION_READY) {
            drop_first(discovery);
            continue;
        }
        if (answers == PER_TURN || looks == LOOKS_PER_TURN || discovery->credit == 0) {
            break;
        }
        looks++;
        if (is_asked(one->at, one)) {
            int error = answer(discovery, one->at, one);
            if (error == NRT_ERR_BUSY) {
                break; /* requests go first; when there is room, we go on */
            }
            if (error < 0) {
                tell_unanswered(discovery, error);
            }
            answers++;
            discovery->credit--;
        }
        one->at = one->at->next;
    }
    if (discovery->asks) {
        nrt__timer_set(discovery->timers, &discovery->timer, discovery->env->now_ms + TURN_MS,
                       on_timer, discovery);
    }
}

static void on_timer(nrt__timer *timer, void *arg) {
    (void)timer;
    run(arg);
}

/* ---- requests ---- */

/* Takes a token off the subject. */
static nrt_str next_token(nrt_str *rest) {
    const char *dot = memchr(rest->ptr, '.', rest->len);
    size_t len = dot ? (size_t)(dot - rest->ptr) : rest->len;
    nrt_str token = {rest->ptr, len};
    size_t used = dot ? len + 1 : len;
    *rest = (nrt_str){rest->ptr + used, rest->len - used};
    return token;
}

/* $SRV.VERB[.NAME[.ID]] and nothing behind it. */
static bool read_subject(nrt_str subject, nrt__discovery_verb *verb, nrt_str *name, nrt_str *id) {
    *name = *id = (nrt_str){NULL, 0};
    (void)next_token(&subject); /* a mapping may have given it another first token */
    nrt_str word = next_token(&subject);
    if (subject.len > 0) {
        *name = next_token(&subject);
    }
    if (subject.len > 0) {
        *id = next_token(&subject);
    }
    return subject.len == 0 && nrt__discovery_verb_read(word, verb);
}

static void on_ask(const nrt__nats_msg *msg, void *arg) {
    nrt__discovery *discovery = arg;
    nrt__discovery_verb verb;
    nrt_str name;
    nrt_str id;
    if (!read_subject(msg->subject, &verb, &name, &id)) {
        return; /* other verbs may come to be, and are not for us */
    }
    /* An answer must not be aimed at a service or at the system. */
    ask *one = nrt__reply_is_safe(msg->reply) && discovery->ask_count < ASKS_MAX
                   ? malloc(sizeof(*one) + msg->reply.len + name.len + id.len)
                   : NULL;
    if (!one) {
        uint64_t count;
        if (nrt__log_due(discovery->env, &discovery->dropped, &count)) {
            nrt__log(discovery->env, NRT_LOG_WARN,
                     "$SRV: %llu requests were dropped: too many at once, or without a proper "
                     "reply subject",
                     (unsigned long long)count);
        }
        return;
    }
    *one = (ask){.at = discovery->listings.next,
                 .verb = verb,
                 .until_ms = discovery->env->now_ms + ASK_LASTS_MS};
    char *at = one->text;
    memcpy(at, msg->reply.ptr, msg->reply.len);
    one->reply = (nrt_str){at, msg->reply.len};
    at += msg->reply.len;
    if (name.ptr) {
        memcpy(at, name.ptr, name.len);
        one->name = (nrt_str){at, name.len};
        at += name.len;
    }
    if (id.ptr) {
        memcpy(at, id.ptr, id.len);
        one->id = (nrt_str){at, id.len};
    }
    *discovery->last_ask = one;
    discovery->last_ask = &one->next;
    discovery->ask_count++;
    if (!nrt__timer_is_set(&discovery->timer)) { /* else others come first */
        run(discovery);
    }
}

/* ---- listings ---- */

static void on_sub_state(int error, void *arg) {
    nrt__discovery *discovery = arg;
    bool denied = error < 0;
    if (denied && !discovery->denied) {
        nrt__log(discovery->env, NRT_LOG_WARN,
                 "NATS permissions do not allow subscribing to %s: requests are served, but nrt ls "
                 "and its kind do not see the services; grant subscribe: \"%s\"",
                 subject_all, subject_all);
    }
    discovery->denied = denied;
}

static bool subscribe(nrt__discovery *discovery) {
    if (!discovery->sub) {
        discovery->sub =
            nrt__session_subscribe(discovery->session, nrt_str_from(subject_all),
                                   (nrt_str){NULL, 0}, on_ask, on_sub_state, discovery);
    }
    return discovery->sub != NULL;
}

static nrt_str copy_text(char **at, nrt_str text) {
    nrt_str copy = {*at, text.len};
    if (text.len > 0) {
        memcpy(*at, text.ptr, text.len);
    }
    *at += text.len;
    return copy;
}

static nrt__listing *listing_make(nrt_service *service, const nrt_service_options *options) {
    nrt_str version = nrt_str_from(options->version ? options->version : "0.0.0");
    nrt_str description = nrt_str_from(options->description ? options->description : "");
    char name[NRT__HOST_MAX + 1];
    nrt__discovery_name(service->host, name);
    nrt__listing *listing =
        calloc(1, sizeof(*listing) + strlen(name) + version.len + description.len);
    if (!listing) {
        return NULL;
    }
    char *at = (char *)(listing + 1);
    listing->service = service;
    listing->name = copy_text(&at, nrt_str_from(name));
    listing->version = copy_text(&at, version);
    listing->description = copy_text(&at, description);
    const char *const *pair = options->metadata;
    if (pair && *pair) {
        listing->metadata = json_object();
        bool fine = listing->metadata != NULL;
        for (; fine && *pair; pair += 2) {
            fine = put(listing->metadata, pair[0], json_string(pair[1]));
        }
        if (!fine) {
            listing_free(listing);
            return NULL;
        }
    }
    return listing;
}

int nrt__discovery_add(nrt__discovery *discovery, nrt_service *service,
                       const nrt_service_options *options, nrt__listing **out) {
    nrt__listing *listing = listing_make(service, options);
    if (!listing || !subscribe(discovery)) {
        if (listing) {
            listing_free(listing);
        }
        return NRT_ERR_MEMORY;
    }
    nrt__discovery_rfc3339(discovery->env->date, listing->started);
    /* Its own random characters: an id is shown to all, and nothing secret may be near it. */
    if (nrt__random_text(discovery->env, listing->id, NRT__DISCOVERY_ID_CHARS) < 0) {
        listing_free(listing);
        if (discovery->listings.next == &discovery->listings) {
            leave(discovery);
        }
        return NRT_ERR_SYSTEM;
    }
    listing->prev = &discovery->listings; /* before all others: who is being answered goes on */
    listing->next = discovery->listings.next;
    listing->next->prev = listing;
    discovery->listings.next = listing;
    *out = listing;
    return 0;
}

const char *nrt__listing_id(const nrt__listing *listing) {
    return listing ? listing->id : "";
}

void nrt__discovery_remove(nrt__discovery *discovery, nrt__listing *listing) {
    if (!listing) {
        return;
    }
    for (ask *one = discovery->asks; one; one = one->next) {
        if (one->at == listing) {
            one->at = listing->next;
        }
    }
    listing->prev->next = listing->next;
    listing->next->prev = listing->prev;
    listing_free(listing);
    if (discovery->listings.next == &discovery->listings) {
        leave(discovery);
    }
}
