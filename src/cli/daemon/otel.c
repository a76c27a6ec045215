/* OTEL_*: read where spans are exported, and nowhere else. */
#include "cli/daemon/otel.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/percent.h"
#include "core/base/str.h"
#include "core/http/fields.h"
#include "core/http/span.h"

enum { VALUE_MAX = 1024 };

static const char *value_of(const char *name) {
    const char *value = getenv(name);
    return value && *value ? value : NULL; /* empty is as good as not there */
}

/* Of two variables, the first one that is there. */
static const char *first_of(const char *const names[2], const char **from) {
    for (size_t i = 0; i < 2; i++) {
        const char *value = value_of(names[i]);
        if (value) {
            *from = names[i];
            return value;
        }
    }
    return NULL;
}

/* ---- where to ---- */

int nrt__otel_url(const char *url, bool base, char *out, size_t size) {
    const char *host = strstr(url, "://");
    const char *path = host ? strchr(host + 3, '/') : NULL;
    bool bare = base && host && (!path || path[1] == '\0');
    int len =
        snprintf(out, size, "%.*s%s", (int)(bare && path ? (size_t)(path - url) : strlen(url)), url,
                 bare ? "/v1/traces" : "");
    return len > 0 && (size_t)len < size ? 1 : NRT_ERR_CONFIG;
}

static bool is_off(void) {
    const char *disabled = value_of("OTEL_SDK_DISABLED");
    const char *exporter = value_of("OTEL_TRACES_EXPORTER");
    return (disabled && nrt__str_same(nrt_str_from(disabled), NRT__STR("true"))) ||
           (exporter && strcmp(exporter, "none") == 0);
}

int nrt__otel_endpoint(char *out, size_t size, const char **from, char *why, size_t why_size) {
    static const char *const protocols[2] = {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
                                             "OTEL_EXPORTER_OTLP_PROTOCOL"};
    static const char *const endpoints[2] = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
                                             "OTEL_EXPORTER_OTLP_ENDPOINT"};
    const char *url = is_off() ? NULL : first_of(endpoints, from);
    if (!url) {
        return 0;
    }
    const char *name = "";
    const char *protocol = first_of(protocols, &name);
    if (protocol && strncmp(protocol, "http/", 5) != 0) {
        (void)snprintf(
            why, why_size,
            "%s is \"%.32s\", but traces are sent as http/json only: name the collector's "
            "port for that, such as --trace-export http://127.0.0.1:4318/v1/traces, or "
            "set OTEL_TRACES_EXPORTER=none",
            name, protocol);
        return NRT_ERR_CONFIG;
    }
    /* That for all signals is a base, that for traces is the URL itself. */
    char with_path[VALUE_MAX];
    if (*from == endpoints[1]) {
        size_t len = strlen(url);
        len -= len > 0 && url[len - 1] == '/';
        int total = snprintf(with_path, sizeof(with_path), "%.*s/v1/traces", (int)len, url);
        url = total > 0 && (size_t)total < sizeof(with_path) ? with_path : NULL;
    }
    if (!url || nrt__otel_url(url, false, out, size) < 0) {
        (void)snprintf(why, why_size, "%s is too long", *from);
        return NRT_ERR_CONFIG;
    }
    return 1;
}

/* ---- lists: key=value,key=value, with percent-encoding ---- */

/* The next pair of `list`: 1, its value in `out`; 0 at the end; NRT_ERR_CONFIG. */
static int next_pair(nrt_str *list, nrt_str *key, nrt_str *value, char out[VALUE_MAX]) {
    nrt_str part;
    do {
        if (!list->ptr) {
            return 0;
        }
        const char *comma = list->len > 0 ? memchr(list->ptr, ',', list->len) : NULL;
        size_t len = comma ? (size_t)(comma - list->ptr) : list->len;
        part = nrt__str_trim((nrt_str){list->ptr, len});
        *list = comma ? (nrt_str){comma + 1, list->len - len - 1} : (nrt_str){NULL, 0};
    } while (part.len == 0);
    const char *equals = memchr(part.ptr, '=', part.len);
    if (!equals) {
        return NRT_ERR_CONFIG;
    }
    size_t len = (size_t)(equals - part.ptr);
    *key = nrt__str_trim((nrt_str){part.ptr, len});
    *value = nrt__str_trim((nrt_str){equals + 1, part.len - len - 1});
    if (key->len == 0 || value->len > VALUE_MAX ||
        !nrt__percent_decode(*value, false, out, &value->len)) {
        return NRT_ERR_CONFIG;
    }
    value->ptr = out;
    return 1;
}

static bool is_ours(nrt_str name) {
    uint8_t id;
    uint8_t flags;
    nrt__field_look_up(name, &id, &flags);
    return (flags & (NRT__FIELD_HOP | NRT__FIELD_FRAMING)) != 0 || id == NRT__HOST ||
           id == NRT__CONTENT_TYPE || id == NRT__EXPECT;
}

int nrt__otel_fields(nrt__buf *out, char *why, size_t why_size) {
    static const char *const names[2] = {"OTEL_EXPORTER_OTLP_TRACES_HEADERS",
                                         "OTEL_EXPORTER_OTLP_HEADERS"};
    char decoded[VALUE_MAX];
    nrt_str key;
    nrt_str value;
    const char *from = "";
    const char *text = first_of(names, &from);
    nrt_str list = text ? nrt_str_from(text) : (nrt_str){NULL, 0};
    int found;
    while ((found = next_pair(&list, &key, &value, decoded)) > 0) {
        if (!nrt__is_token(key) || !nrt__is_field_value(value) || is_ours(key)) {
            found = NRT_ERR_CONFIG;
            break;
        }
        nrt__buf_put(out, key);
        nrt__buf_lit(out, ": ");
        nrt__buf_put(out, value);
        nrt__buf_lit(out, "\r\n");
    }
    if (found < 0 || out->failed) {
        (void)snprintf(why, why_size,
                       "%s is not right: it is a list of fields, such as "
                       "api-key=abc,x-tenant=a%%20b, and none of those that make up the request",
                       from);
        return NRT_ERR_CONFIG;
    }
    return 0;
}

/* Names of attributes: no quotes and no control characters. */
static bool is_plain(nrt_str key) {
    return nrt__is_visible(key) && !memchr(key.ptr, '"', key.len) &&
           !memchr(key.ptr, '\\', key.len);
}

int nrt__otel_resource(nrt__buf *out, const char *called, nrt_str instance, char *why,
                       size_t why_size) {
    static const char variable[] = "OTEL_RESOURCE_ATTRIBUTES";
    char decoded[VALUE_MAX];
    char name[VALUE_MAX + 1];
    nrt_str key;
    nrt_str value;
    const char *text = value_of(variable);
    const char *service = value_of("OTEL_SERVICE_NAME");
    nrt_str list = text ? nrt_str_from(text) : (nrt_str){NULL, 0};
    bool named = service != NULL, numbered = false, versioned = false;
    int found;
    nrt__spans_begin(out);
    nrt__span_text(out, "service.name", nrt_str_from(service ? service : ""), VALUE_MAX);
    while ((found = next_pair(&list, &key, &value, decoded)) > 0) {
        if (!is_plain(key) || !nrt__is_utf8(value)) {
            found = NRT_ERR_CONFIG;
            break;
        }
        if (nrt__str_equal(key, NRT__STR("service.name"))) {
            if (named) {
                continue; /* the other variable comes first */
            }
            named = true;
        }
        numbered = numbered || nrt__str_equal(key, NRT__STR("service.instance.id"));
        versioned = versioned || nrt__str_equal(key, NRT__STR("service.version"));
        (void)snprintf(name, sizeof(name), "%.*s", NRT__ARG(key));
        nrt__span_text(out, name, value, VALUE_MAX);
    }
    nrt__span_text(out, "service.name", nrt_str_from(named ? "" : called), VALUE_MAX);
    nrt__span_text(out, "service.instance.id", numbered ? (nrt_str){"", 0} : instance, VALUE_MAX);
    nrt__span_text(out, "service.version", nrt_str_from(versioned ? "" : NRT_VERSION_STRING),
                   VALUE_MAX);
    nrt__spans_list(out, NRT_VERSION_STRING);
    if (found < 0 || out->failed) {
        (void)snprintf(why, why_size,
                       "%s is not right: it is a list, such as "
                       "deployment.environment.name=test,service.version=2",
                       variable);
        return NRT_ERR_CONFIG;
    }
    return 0;
}
