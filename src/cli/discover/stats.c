/* `nrt stats`: what services have counted, for each instance and each service. */
#include <inttypes.h>

#include "cli/commands.h"
#include "cli/discover/discover.h"
#include "cli/table.h"
#include "core/base/str.h"

/* Of one instance, or of several together. */
typedef struct totals {
    uint64_t requests;
    uint64_t errors;
    uint64_t in_flight;
    uint64_t refused;
    uint64_t processing_ns;
    uint64_t handled; /* requests whose latency is known */
    bool counts_more; /* all of them tell in_flight, refused and latencies */
    double rate;      /* requests a second; negative: not known */
    double mean_ns;
    double p50_ns;
    double p99_ns;
} totals;

static void stats_init(void *arg) {
    nrt__asking_init(arg, "nrt-stats");
}

static uint64_t requests_of(const nrt_instance *instance) {
    uint64_t requests = 0;
    for (size_t i = 0; i < instance->endpoint_count; i++) {
        requests += instance->endpoints[i]->requests;
    }
    return requests;
}

static const nrt_instance *same_in(const nrt_discovery *found, const nrt_instance *instance) {
    for (size_t i = 0; found && i < nrt_discovery_count(found); i++) {
        const nrt_instance *one = nrt_discovery_at(found, i);
        if (strcmp(one->id, instance->id) == 0 && strcmp(one->name, instance->name) == 0) {
            return one;
        }
    }
    return NULL;
}

/* How many requests came since `before` was looked at: those of an instance that was not there
 * then, all of them. */
static uint64_t new_requests(const nrt_instance *instance, const nrt_discovery *before) {
    const nrt_instance *old = same_in(before, instance);
    uint64_t now = requests_of(instance);
    uint64_t then = old ? requests_of(old) : 0;
    return now > then ? now - then : 0;
}

static void add_endpoint(totals *sum, const nrt_endpoint *endpoint) {
    sum->requests += endpoint->requests;
    sum->errors += endpoint->errors;
    sum->in_flight += endpoint->in_flight;
    sum->refused += endpoint->refused;
    sum->processing_ns += endpoint->processing_ns;
    sum->counts_more = sum->counts_more && endpoint->counts_more;
    for (size_t i = 0; i < endpoint->bucket_count; i++) {
        sum->handled += endpoint->buckets[i].count;
    }
}

static totals sum_up(const nrt_instance *const *list, size_t count, const nrt_discovery *before,
                     uint32_t interval_ms) {
    totals sum = {.counts_more = true, .rate = -1};
    uint64_t come = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < list[i]->endpoint_count; j++) {
            add_endpoint(&sum, list[i]->endpoints[j]);
        }
        sum.counts_more = sum.counts_more && list[i]->endpoint_count > 0;
        come += before ? new_requests(list[i], before) : 0;
    }
    if (before) {
        sum.rate = (double)come * 1000 / interval_ms;
    }
    uint64_t divisor = sum.counts_more ? sum.handled : sum.requests;
    sum.mean_ns = divisor ? (double)sum.processing_ns / (double)divisor : 0;
    sum.p50_ns = nrt_instances_latency(list, count, 0.5);
    sum.p99_ns = nrt_instances_latency(list, count, 0.99);
    return sum;
}

/* ---- JSON ---- */

static json_t *count_or_null(bool known, uint64_t value) {
    return known ? json_integer((json_int_t)(value & INT64_MAX)) : json_null();
}

static json_t *real_or_null(bool known, double value) {
    return known ? json_real(value) : json_null();
}

static bool put_totals(json_t *object, const totals *sum) {
    bool more = sum->counts_more;
    bool timed = more && sum->handled > 0;
    json_t *members = json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "requests", count_or_null(true, sum->requests),
        "errors", count_or_null(true, sum->errors), "in_flight",
        count_or_null(more, sum->in_flight), "refused", count_or_null(more, sum->refused),
        "requests_per_s", real_or_null(sum->rate >= 0, sum->rate), "mean_us",
        real_or_null(sum->mean_ns > 0, sum->mean_ns / 1000), "p50_us",
        real_or_null(timed, sum->p50_ns / 1000), "p99_us", real_or_null(timed, sum->p99_ns / 1000));
    bool fine = members && object && json_object_update(object, members) == 0;
    json_decref(members);
    return fine;
}

static const char *last_error_of(const nrt_instance *instance) {
    const char *last = "";
    for (size_t i = 0; i < instance->endpoint_count; i++) {
        last = *instance->endpoints[i]->last_error ? instance->endpoints[i]->last_error : last;
    }
    return last;
}

static json_t *instance_json(const nrt__asking *asking, const nrt_instance *instance,
                             const nrt_discovery *before) {
    totals sum = sum_up(&instance, 1, before, asking->interval_ms);
    json_t *object = nrt__instance_json(instance);
    if (!put_totals(object, &sum) ||
        json_object_set_new(object, "started", json_string(instance->started)) < 0 ||
        json_object_set_new(object, "last_error", json_string(last_error_of(instance))) < 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static json_t *service_json(const nrt__asking *asking, const nrt__group *group,
                            const nrt_discovery *before) {
    totals sum = sum_up(group->list, group->count, before, asking->interval_ms);
    json_t *instances = json_array();
    for (size_t i = 0; i < group->count && instances; i++) {
        if (json_array_append_new(instances, instance_json(asking, group->list[i], before)) < 0) {
            json_decref(instances);
            instances = NULL;
        }
    }
    json_t *object = nrt__group_json(group, instances);
    if (object && !put_totals(object, &sum)) {
        json_decref(object);
        object = NULL;
    }
    return object;
}

static int print_json(const nrt__asking *asking, const nrt_discovery *found,
                      const nrt_discovery *before, const nrt__wanted *wanted) {
    nrt__group group;
    json_t *services = json_array();
    for (size_t at = 0; services && nrt__group_next(found, wanted, &at, &group);) {
        if (json_array_append_new(services, service_json(asking, &group, before)) < 0) {
            json_decref(services);
            services = NULL;
        }
    }
    return nrt__asking_print_json(asking, services, nrt_discovery_skipped(found));
}

/* ---- text ---- */

static void add_count(nrt__table *table, const char *style, bool known, uint64_t value) {
    if (known) {
        nrt__table_add(table, value ? style : "", "%" PRIu64, value);
    } else {
        nrt__table_add(table, "", "-");
    }
}

static void add_time(nrt__table *table, bool known, double ns) {
    char text[32];
    nrt__table_add(table, "", "%s", known ? nrt__ns_format(ns, text, sizeof(text)) : "-");
}

static void add_row(nrt__table *table, const char *color, const char *label, const char *id,
                    const totals *sum) {
    const nrt__style *style = nrt__term_style(stdout);
    bool timed = sum->counts_more && sum->handled > 0;
    nrt__table_add(table, color, "%s", label);
    nrt__table_add(table, "", "%s", id);
    add_count(table, "", true, sum->requests);
    if (sum->rate >= 0) {
        nrt__table_add(table, "", "%.*f", sum->rate < 100 ? 1 : 0, sum->rate);
    }
    add_count(table, style->red, true, sum->errors);
    add_count(table, style->yellow, sum->counts_more, sum->refused);
    add_count(table, "", sum->counts_more, sum->in_flight);
    add_time(table, sum->mean_ns > 0, sum->mean_ns);
    add_time(table, timed, sum->p50_ns);
    add_time(table, timed, sum->p99_ns);
}

static void add_titles(nrt__table *table, bool rate) {
    static const char *const titles[] = {"SERVICE", "INSTANCE",  "REQUESTS", "REQ/S", "ERRORS",
                                         "REFUSED", "IN FLIGHT", "MEAN",     "P50",   "P99"};
    for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++) {
        if (rate || strcmp(titles[i], "REQ/S") != 0) {
            nrt__table_add(table, nrt__term_style(stdout)->bold, "%s", titles[i]);
        }
    }
}

static int print_table(const nrt__asking *asking, const nrt_discovery *found,
                       const nrt_discovery *before, const nrt__wanted *wanted) {
    const nrt__style *style = nrt__term_style(stdout);
    nrt__table table;
    nrt__group group;
    bool any = false;
    nrt__table_init(&table, before ? "llrrrrrrrr" : "llrrrrrrr");
    add_titles(&table, before != NULL);
    for (size_t at = 0; nrt__group_next(found, wanted, &at, &group);) {
        char label[640];
        const char *color = nrt__is_ours(group.list[0]) ? style->green : style->dim;
        nrt__instance_label(asking, group.list[0], label, sizeof(label));
        for (size_t i = 0; i < group.count; i++) {
            totals sum = sum_up(&group.list[i], 1, before, asking->interval_ms);
            add_row(&table, color, label, group.list[i]->id, &sum);
        }
        if (group.count > 1) {
            char together[48];
            totals sum = sum_up(group.list, group.count, before, asking->interval_ms);
            (void)snprintf(together, sizeof(together), "all %zu", group.count);
            add_row(&table, style->bold, label, together, &sum);
        }
        any = true;
    }
    bool printed = true;
    if (any) {
        printed = nrt__table_print(&table, stdout);
    } else {
        (void)printf("No service answers.\n");
    }
    nrt__table_free(&table);
    return nrt__asking_finish(asking, nrt_discovery_skipped(found), printed);
}

/* ---- looking ---- */

/* Lets time pass until `interval_ms` after `since`. 0, or the exit code. */
static int pause_until(nrt__asking *asking, uint64_t since) {
    for (;;) {
        uint64_t now = nrt__program_now_ms();
        if (now >= since + asking->interval_ms) {
            return 0;
        }
        int error =
            nrt_conn_dispatch(asking->program.conn, (int)(since + asking->interval_ms - now));
        if (error < 0) {
            nrt__report_event(&asking->program.log, NRT_LOG_ERROR, "failed", NULL,
                              "the event loop failed: %s", nrt_error_text(error));
            return NRT__EXIT_FAILED;
        }
    }
}

static int look(nrt__asking *asking, const nrt__wanted *wanted) {
    const nrt_discover_kind kind = NRT_DISCOVER_STATS;
    const char *name = wanted->typed ? wanted->name : NULL;
    nrt_discovery *found = NULL;
    nrt_discovery *before = NULL;
    nrt__group group;
    size_t at = 0;
    int code = 0;
    if (asking->interval_ms > 0) {
        uint64_t since = nrt__program_now_ms();
        code = nrt__asking_ask(asking, &kind, 1, name, &before);
        if (code == 0) {
            code = pause_until(asking, since);
        }
        /* Both looks begin so far apart; what lies between question and answer is the same. */
        asking->interval_ms = (uint32_t)(nrt__program_now_ms() - since);
    }
    if (code == 0) {
        code = nrt__asking_ask(asking, &kind, 1, name, &found);
    }
    if (code == 0 && wanted->typed && !nrt__group_next(found, wanted, &at, &group)) {
        nrt__asking_nobody(asking, wanted);
        code = NRT__EXIT_FAILED;
    } else if (code == 0) {
        code = asking->json ? print_json(asking, found, before, wanted)
                            : print_table(asking, found, before, wanted);
    }
    nrt_discovery_destroy(found);
    nrt_discovery_destroy(before);
    return code;
}

static int stats_run(void *arg, const nrt__operands *operands) {
    nrt__asking *asking = arg;
    nrt__wanted wanted;
    nrt__report log;
    nrt__report_init(&log, "nrt stats", (nrt__report_format)asking->common.log_format, false);
    int code = nrt__wanted_read(&wanted, operands->count ? operands->items[0] : NULL, &log);
    if (code != 0) {
        return code;
    }
    code = nrt__asking_open(asking, "nrt stats");
    if (code == 0) {
        code = look(asking, &wanted);
    }
    nrt__program_close(&asking->program);
    return code;
}

static const nrt__opt stats_opts[] = {
    {.name = "interval",
     .value = "DURATION",
     .kind = NRT__OPT_DURATION,
     .offset = offsetof(nrt__asking, interval_ms),
     .min = 100,
     .max = 3600000,
     .help = "look twice, so far apart, and show the requests per second between"},
};

static const nrt__opt_group stats_groups[] = {
    {"Options", nrt__asking_opts, NRT__ASKING_OPTS, 0},
    {"Rates", stats_opts, sizeof(stats_opts) / sizeof(stats_opts[0]), 0},
    NRT__COMMON_GROUP(nrt__asking),
};

const nrt__command nrt__stats_command = {
    .name = "stats",
    .summary = "show requests, errors and latencies of services",
    .operands = "[HOST]",
    .about =
        "Shows what each instance has counted since it started, and all instances of a service "
        "together. HOST is a host (weather.nats) or a name in the NATS service API (weather). "
        "MEAN, P50 and P99 are the time from a request's arrival to its response, at the service; "
        "of services of other makers only the mean over all requests is known.",
    .examples = "  nrt stats\n"
                "  nrt stats weather.nats --interval 5s\n",
    .groups = stats_groups,
    .group_count = sizeof(stats_groups) / sizeof(stats_groups[0]),
    .min_operands = 0,
    .max_operands = 1,
    .options_size = sizeof(nrt__asking),
    .init = stats_init,
    .run = stats_run,
};
