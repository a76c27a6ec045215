/* `nrt context show`: the settings a connection would have, and where each comes from. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/context/context.h"
#include "core/base/duration.h"
#include "lib/config.h"

enum { VALUE_WIDTH_MAX = 60, SOURCE_SIZE = NRT__CONTEXT_NAME_MAX + 32 };

/* What a setting holds, as it may be shown. To be freed; NULL: it is not set, or out of memory. */
static char *shown(const nrt__config *config, size_t setting) {
    char text[40] = "yes";
    if (setting == NRT__SET_TLS_FIRST) {
        return config->options.tls_first ? strdup(text) : NULL;
    }
    if (setting == NRT__SET_TIMEOUT) {
        (void)snprintf(text, sizeof(text), "%" PRIu32 "ms", config->options.timeout_ms);
        return strdup(text);
    }
    if (!config->texts[setting]) {
        return NULL;
    }
    if (setting == NRT__SET_SERVERS) {
        return nrt__servers_mask(config->texts[setting], NRT__MASKED "@");
    }
    return strdup(nrt__settings[setting].kind == NRT__SETTING_SECRET ? NRT__MASKED
                                                                     : config->texts[setting]);
}

/* "--creds", "NATS_CREDS", "context prod", "default". */
static const char *source(const nrt__config *config, nrt__setting setting, char *out, size_t size) {
    const nrt__setting_info *info = &nrt__settings[setting];
    const char *flag = nrt__common_flag(info->field);
    switch (config->from[setting]) {
    case NRT__FROM_DEFAULT:
        (void)snprintf(out, size, "default");
        break;
    case NRT__FROM_CONTEXT:
        (void)snprintf(out, size, "context %s", config->context);
        break;
    case NRT__FROM_ENVIRONMENT:
        nrt__config_where(config, setting, NRT__FROM_ENVIRONMENT, out, size);
        break;
    case NRT__FROM_OPTION:
        (void)snprintf(out, size, "%s", flag ? flag : info->field);
        break;
    }
    return out;
}

/* The name that a command of this program gives its connection is none of the user's settings. */
static bool is_listed(size_t setting) {
    return setting != NRT__SET_NAME;
}

static int show_json(const nrt__config *config, const char *file) {
    json_t *settings = json_object();
    char from[SOURCE_SIZE];
    for (size_t i = 0; i < NRT__SETTINGS; i++) {
        char *value = is_listed(i) ? shown(config, i) : NULL;
        if (value) {
            (void)json_object_set_new(
                settings, nrt__settings[i].field,
                json_pack("{s:o, s:o}", "value", nrt__report_string(nrt_str_from(value)), "from",
                          nrt__report_string(
                              nrt_str_from(source(config, (nrt__setting)i, from, sizeof(from))))));
        }
        free(value);
    }
    json_t *context = json_null();
    if (config->context) {
        context =
            json_pack("{s:o, s:o, s:b}", "name", nrt__report_string(nrt_str_from(config->context)),
                      "file", nrt__report_string(nrt_str_from(file)), "selected", config->selected);
    }
    return nrt__context_print(json_pack("{s:o, s:o}", "context", context, "settings", settings));
}

static void show_text(const nrt__config *config, const char *file) {
    const nrt__style *style = nrt__term_style(stdout);
    char *values[NRT__SETTINGS] = {NULL};
    char from[SOURCE_SIZE];
    size_t width = strlen("VALUE");
    if (config->context) {
        (void)printf("Context %s%s%s%s, from %s\n\n", style->bold, config->context, style->reset,
                     config->selected ? " (selected)" : "", file);
    } else {
        (void)printf("No context\n\n");
    }
    for (size_t i = 0; i < NRT__SETTINGS; i++) {
        values[i] = is_listed(i) ? shown(config, i) : NULL;
        size_t len = values[i] ? strlen(values[i]) : 0;
        width = len > width && len <= VALUE_WIDTH_MAX ? len : width;
    }
    (void)printf("%s%-13s %-*s %s%s\n", style->bold, "SETTING", (int)width, "VALUE", "FROM",
                 style->reset);
    for (size_t i = 0; i < NRT__SETTINGS; i++) {
        if (values[i]) {
            (void)printf("%-13s %-*s %s%s%s\n", nrt__settings[i].field, (int)width, values[i],
                         style->dim, source(config, (nrt__setting)i, from, sizeof(from)),
                         style->reset);
        }
        free(values[i]);
    }
}

int nrt__context_show(const nrt__context_options *options, const char *name) {
    nrt_options given = nrt__context_choose(options, name);
    nrt__config config;
    char detail[NRT__CONTEXT_DETAIL] = "";
    char file[4096] = "";
    int code = NRT__EXIT_OK;
    int error = nrt__config_resolve(&config, &given, detail, sizeof(detail));
    if (config.context) {
        (void)nrt__context_file(file, sizeof(file), config.context);
    }
    if (error != 0) {
        code =
            nrt__context_fail(options, NRT__EXIT_USAGE, *detail ? detail : nrt_error_text(error));
    } else if (options->json) {
        code = show_json(&config, file);
    } else {
        show_text(&config, file);
    }
    nrt__config_finish(&config);
    return code;
}
