/* `nrt info`: all that the instances of a service tell of themselves. */
#include <inttypes.h>

#include "cli/commands.h"
#include "cli/discover/discover.h"
#include "core/base/str.h"

static void info_init(void *arg) {
    nrt__asking_init(arg, "nrt-info");
}

/* The same instance in what was counted; NULL where that did not come. */
static const nrt_instance *counted(const nrt_discovery *stats, const nrt_instance *instance) {
    for (size_t i = 0; i < nrt_discovery_count(stats); i++) {
        const nrt_instance *one = nrt_discovery_at(stats, i);
        if (strcmp(one->id, instance->id) == 0 && strcmp(one->name, instance->name) == 0) {
            return one;
        }
    }
    return NULL;
}

/* ---- JSON ---- */

static json_t *endpoint_json(const nrt_endpoint *endpoint) {
    return json_pack("{s:s, s:s, s:s}", "name", endpoint->name, "subject", endpoint->subject,
                     "queue_group", endpoint->queue_group);
}

static json_t *instance_json(const nrt_instance *instance, const nrt_discovery *stats) {
    const nrt_instance *more = counted(stats, instance);
    json_t *object = nrt__instance_json(instance);
    json_t *metadata = json_object();
    json_t *endpoints = json_array();
    bool fine = object && metadata && endpoints;
    for (size_t i = 0; fine && i < instance->metadata_count; i++) {
        fine = json_object_set_new(metadata, instance->metadata[i].name,
                                   json_string(instance->metadata[i].value)) == 0;
    }
    for (size_t i = 0; fine && i < instance->endpoint_count; i++) {
        fine = json_array_append_new(endpoints, endpoint_json(instance->endpoints[i])) == 0;
    }
    fine = fine &&
           json_object_set_new(object, "description", json_string(instance->description)) == 0 &&
           json_object_set(object, "metadata", metadata) == 0 &&
           json_object_set(object, "endpoints", endpoints) == 0 &&
           json_object_set_new(object, "started",
                               more ? json_string(more->started) : json_null()) == 0;
    json_decref(metadata);
    json_decref(endpoints);
    if (!fine) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static int print_json(const nrt__asking *asking, nrt_discovery *const found[2],
                      const nrt__wanted *wanted) {
    nrt__group group;
    json_t *services = json_array();
    for (size_t at = 0; services && nrt__group_next(found[0], wanted, &at, &group);) {
        json_t *instances = json_array();
        for (size_t i = 0; i < group.count && instances; i++) {
            if (json_array_append_new(instances, instance_json(group.list[i], found[1])) < 0) {
                json_decref(instances);
                instances = NULL;
            }
        }
        if (json_array_append_new(services, nrt__group_json(&group, instances)) < 0) {
            json_decref(services);
            services = NULL;
        }
    }
    return nrt__asking_print_json(asking, services, nrt_discovery_skipped(found[0]));
}

/* ---- text ---- */

static void line(const char *name, const char *value) {
    if (*value) {
        const nrt__style *style = nrt__term_style(stdout);
        (void)printf("  %s%-12s%s %s\n", style->dim, name, style->reset, value);
    }
}

static void print_metadata(const nrt_instance *instance) {
    const char *title = "metadata";
    for (size_t i = 0; i < instance->metadata_count; i++) {
        const nrt_metadata *pair = &instance->metadata[i];
        if (nrt__is_ours(instance) && strncmp(pair->name, "nrt.", 4) == 0) {
            continue; /* shown by name */
        }
        char text[2048];
        (void)snprintf(text, sizeof(text), "%s = %s", pair->name, pair->value);
        (void)printf("  %-12s %s\n", title, text);
        title = "";
    }
}

static void print_instance(const nrt__asking *asking, const nrt_instance *instance,
                           const nrt_discovery *stats) {
    const nrt__style *style = nrt__term_style(stdout);
    const nrt_instance *more = counted(stats, instance);
    char text[1400];
    (void)printf("%s%s%s  %s\n", style->bold,
                 nrt__instance_label(asking, instance, text, sizeof(text)), style->reset,
                 instance->id);
    line("name", instance->name);
    line("version", instance->version);
    line("description", instance->description);
    for (size_t i = 0; i < instance->endpoint_count; i++) {
        const nrt_endpoint *endpoint = instance->endpoints[i];
        (void)snprintf(text, sizeof(text), "%s%s%s", endpoint->subject,
                       *endpoint->queue_group ? "  queue group " : "", endpoint->queue_group);
        line(i == 0 ? "subject" : "", text);
    }
    line("cluster", instance->cluster);
    line("server", instance->server);
    if (*instance->library) {
        (void)snprintf(text, sizeof(text), "nrt %s", instance->library);
        line("library", text);
    }
    line("rtt", nrt__ns_format((double)instance->rtt_ns, text, sizeof(text)));
    if (more) {
        uint64_t requests = 0;
        uint64_t errors = 0;
        for (size_t i = 0; i < more->endpoint_count; i++) {
            requests += more->endpoints[i]->requests;
            errors += more->endpoints[i]->errors;
        }
        line("started", more->started);
        (void)snprintf(text, sizeof(text), "%" PRIu64 ", %" PRIu64 " of them failed", requests,
                       errors);
        line("requests", text);
    }
    print_metadata(instance);
}

static int print_text(const nrt__asking *asking, nrt_discovery *const found[2],
                      const nrt__wanted *wanted) {
    nrt__group group;
    bool first = true;
    for (size_t at = 0; nrt__group_next(found[0], wanted, &at, &group);) {
        for (size_t i = 0; i < group.count; i++) {
            if (!first) {
                (void)printf("\n");
            }
            print_instance(asking, group.list[i], found[1]);
            first = false;
        }
    }
    return nrt__asking_finish(asking, nrt_discovery_skipped(found[0]), true);
}

static int info_run(void *arg, const nrt__operands *operands) {
    nrt__asking *asking = arg;
    const nrt_discover_kind kinds[] = {NRT_DISCOVER_INFO, NRT_DISCOVER_STATS};
    nrt_discovery *found[2] = {NULL, NULL};
    nrt__wanted wanted;
    nrt__report log;
    nrt__report_init(&log, "nrt info", (nrt__report_format)asking->common.log_format, false);
    int code = nrt__wanted_read(&wanted, operands->items[0], &log);
    if (code != 0) {
        return code;
    }
    code = nrt__asking_open(asking, "nrt info");
    if (code == 0) {
        code = nrt__asking_ask(asking, kinds, 2, wanted.name, found);
    }
    if (code == 0) {
        nrt__group group;
        size_t at = 0;
        if (!nrt__group_next(found[0], &wanted, &at, &group)) {
            nrt__asking_nobody(asking, &wanted);
            code = NRT__EXIT_FAILED;
        } else {
            code = asking->json ? print_json(asking, found, &wanted)
                                : print_text(asking, found, &wanted);
        }
    }
    nrt_discovery_destroy(found[0]);
    nrt_discovery_destroy(found[1]);
    nrt__program_close(&asking->program);
    return code;
}

static const nrt__opt_group info_groups[] = {
    {"Options", nrt__asking_opts, NRT__ASKING_OPTS, 0},
    NRT__COMMON_GROUP(nrt__asking),
};

const nrt__command nrt__info_command = {
    .name = "info",
    .summary = "show what the instances of a service tell of themselves",
    .operands = "HOST",
    .about = "HOST is a service's host (weather.nats) or its name in the NATS service API "
             "(weather), under which services of other makers are found as well. Code 1 tells that "
             "none answers.",
    .examples = "  nrt info weather.nats\n"
                "  nrt info weather --json\n",
    .groups = info_groups,
    .group_count = sizeof(info_groups) / sizeof(info_groups[0]),
    .min_operands = 1,
    .max_operands = 1,
    .options_size = sizeof(nrt__asking),
    .init = info_init,
    .run = info_run,
};
