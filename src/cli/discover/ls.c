/* `nrt ls`: which services are there, and where. */
#include "cli/commands.h"
#include "cli/discover/discover.h"
#include "cli/table.h"
#include "core/base/str.h"

static void ls_init(void *arg) {
    nrt__asking_init(arg, "nrt-ls");
}

static int print_json(const nrt__asking *asking, const nrt_discovery *found,
                      const nrt__wanted *wanted) {
    nrt__group group;
    json_t *services = json_array();
    for (size_t at = 0; services && nrt__group_next(found, wanted, &at, &group);) {
        json_t *instances = json_array();
        for (size_t i = 0; i < group.count && instances; i++) {
            if (json_array_append_new(instances, nrt__instance_json(group.list[i])) < 0) {
                json_decref(instances);
                instances = NULL;
            }
        }
        if (json_array_append_new(services, nrt__group_json(&group, instances)) < 0) {
            json_decref(services);
            services = NULL;
        }
    }
    return nrt__asking_print_json(asking, services, nrt_discovery_skipped(found));
}

static void add_row(nrt__table *table, const nrt__asking *asking, const nrt_instance *one) {
    const nrt__style *style = nrt__term_style(stdout);
    char label[640];
    char where[128];
    char rtt[32];
    const char *color = nrt__is_ours(one) ? style->green : style->dim;
    nrt__table_add(table, color, "%s", nrt__instance_label(asking, one, label, sizeof(label)));
    nrt__table_add(table, "", "%s", one->id);
    nrt__table_add(table, "", "%s", *one->version ? one->version : "-");
    nrt__table_add(table, "", "%s", nrt__instance_where(one, where, sizeof(where)));
    nrt__table_add(table, "", "%s", nrt__ns_format((double)one->rtt_ns, rtt, sizeof(rtt)));
}

static int print_table(const nrt__asking *asking, const nrt_discovery *found,
                       const nrt__wanted *wanted) {
    static const char *const titles[] = {"SERVICE", "INSTANCE", "VERSION", "WHERE", "RTT"};
    const nrt__style *style = nrt__term_style(stdout);
    size_t services = 0;
    size_t instances = 0;
    nrt__table table;
    nrt__group group;
    nrt__table_init(&table, "llllr");
    for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++) {
        nrt__table_add(&table, style->bold, "%s", titles[i]);
    }
    for (size_t at = 0; nrt__group_next(found, wanted, &at, &group);) {
        services++;
        instances += group.count;
        for (size_t i = 0; i < group.count; i++) {
            add_row(&table, asking, group.list[i]);
        }
    }
    bool printed = true;
    if (services == 0) {
        (void)printf("No service answers.\n");
    } else {
        printed = nrt__table_print(&table, stdout);
        (void)printf("\n%s%zu service%s, %zu instance%s%s\n", style->dim, services,
                     services == 1 ? "" : "s", instances, instances == 1 ? "" : "s", style->reset);
    }
    nrt__table_free(&table);
    return nrt__asking_finish(asking, nrt_discovery_skipped(found), printed);
}

static int ls_run(void *arg, const nrt__operands *operands) {
    nrt__asking *asking = arg;
    const nrt_discover_kind kind = NRT_DISCOVER_PING;
    const nrt__wanted all = {.typed = NULL};
    nrt_discovery *found = NULL;
    (void)operands;
    int code = nrt__asking_open(asking, "nrt ls");
    if (code == 0) {
        code = nrt__asking_ask(asking, &kind, 1, NULL, &found);
    }
    if (code == 0) {
        code = asking->json ? print_json(asking, found, &all) : print_table(asking, found, &all);
    }
    nrt_discovery_destroy(found);
    nrt__program_close(&asking->program);
    return code;
}

static const nrt__opt_group ls_groups[] = {
    {"Options", nrt__asking_opts, NRT__ASKING_OPTS, 0},
    NRT__COMMON_GROUP(nrt__asking),
};

const nrt__command nrt__ls_command = {
    .name = "ls",
    .summary = "list services: their instances, and where they are",
    .operands = "",
    .about = "Asks who is there, of all prefixes, and lists who answers: a line for each instance, "
             "with the cluster and name of the NATS server that it is connected to and the time "
             "that its answer took. Services of other makers that follow the NATS service API are "
             "listed too, and marked.",
    .examples = "  nrt ls\n"
                "  nrt ls --json | jq -r '.services[].host'\n",
    .groups = ls_groups,
    .group_count = sizeof(ls_groups) / sizeof(ls_groups[0]),
    .min_operands = 0,
    .max_operands = 0,
    .options_size = sizeof(nrt__asking),
    .init = ls_init,
    .run = ls_run,
};
