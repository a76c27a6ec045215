/* From the options of `nrt get` to a request: fields as curl sends them, and -H as curl reads it.
 */
#include <stdio.h>
#include <string.h>

#include "cli/get/get.h"
#include "core/base/str.h"
#include "core/http/url.h"

/* What one -H asks for. */
typedef enum field_kind {
    FIELD_BAD,
    FIELD_ADD,    /* "Name: value" */
    FIELD_EMPTY,  /* "Name;": with an empty value */
    FIELD_REMOVE, /* "Name:": without the field that would be sent by default */
} field_kind;

static field_kind read_field(const char *text, nrt_str *name, nrt_str *value) {
    size_t len = strcspn(text, ":;");
    *name = (nrt_str){text, len};
    *value = (nrt_str){"", 0};
    if (!nrt__is_token(*name)) {
        return FIELD_BAD;
    }
    if (text[len] == ';') {
        return text[len + 1] == '\0' ? FIELD_EMPTY : FIELD_BAD;
    }
    if (text[len] == '\0') {
        return FIELD_BAD;
    }
    *value = nrt__str_trim(nrt_str_from(text + len + 1));
    if (!nrt__is_field_value(*value)) {
        return FIELD_BAD;
    }
    return value->len > 0 ? FIELD_ADD : FIELD_REMOVE;
}

/* Fields that the library makes, or that mean one connection (RFC 9110 section 7.6.1). */
static bool is_made_by_library(nrt_str name) {
    static const char *const names[] = {
        "Host",       "Content-Length", "Transfer-Encoding", "Connection",
        "Keep-Alive", "Upgrade",        "Proxy-Connection",  "TE",
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (nrt__str_same(name, nrt_str_from(names[i]))) {
            return true;
        }
    }
    return name.len >= 4 && nrt__str_same((nrt_str){name.ptr, 4}, NRT__STR("NRT-"));
}

int nrt__get_check_fields(const nrt__get_options *options, char *why, size_t why_size) {
    for (size_t i = 0; i < options->fields.count; i++) {
        nrt_str name;
        nrt_str value;
        const char *text = options->fields.items[i].value;
        field_kind kind = read_field(text, &name, &value);
        if (kind == FIELD_BAD) {
            (void)snprintf(why, why_size,
                           "-H: \"%s\" is not a field: write \"Name: value\", \"Name;\" for an "
                           "empty value, \"Name:\" to leave out a default",
                           text);
            return NRT__EXIT_USAGE;
        }
        if (kind != FIELD_REMOVE && !options->silent && is_made_by_library(name)) {
            (void)fprintf(stderr, "nrt get: -H: %.*s is not sent as given: nrt makes it itself\n",
                          NRT__ARG(name));
        }
    }
    return 0;
}

static bool is_given(const nrt__get_options *options, const char *wanted) {
    for (size_t i = 0; i < options->fields.count; i++) {
        nrt_str name;
        nrt_str value;
        (void)read_field(options->fields.items[i].value, &name, &value);
        if (nrt__str_same(name, nrt_str_from(wanted))) {
            return true;
        }
    }
    return false;
}

/* A field that is sent unless a -H has that name. */
static int add_default(nrt_fields *fields, const nrt__get_options *options, const char *name,
                       const char *value) {
    if (is_given(options, name)) {
        return 0;
    }
    return nrt_fields_add(fields, nrt_str_from(name), nrt_str_from(value));
}

static int add_authorization(nrt_fields *fields, const nrt__get_plan *plan) {
    if (plan->user.len == 0 || plan->other_host || is_given(plan->options, "Authorization")) {
        return 0;
    }
    nrt__buf value;
    nrt__buf_init(&value, NRT__URL_SIZE * 2);
    int error = NRT_ERR_MEMORY;
    if (nrt__get_basic(plan->user, &value)) {
        error = nrt_fields_add(fields, NRT__STR("Authorization"), nrt__buf_view(&value));
    }
    nrt__buf_free(&value);
    return error;
}

static bool asks_json(const nrt__get_options *options) {
    for (size_t i = 0; i < options->data.count; i++) {
        if (strcmp(options->data.items[i].opt->name, NRT__DATA_JSON) == 0) {
            return true;
        }
    }
    return false;
}

static int add_fields(nrt_fields *fields, const nrt__get_plan *plan) {
    const nrt__get_options *options = plan->options;
    bool json = asks_json(options);
    char agent[64];
    (void)snprintf(agent, sizeof(agent), "nrt/%s", nrt_version());
    int error = add_authorization(fields, plan);
    if (error == 0) {
        error = add_default(fields, options, "User-Agent", options->agent ? options->agent : agent);
    }
    if (error == 0) {
        error = add_default(fields, options, "Accept", json ? "application/json" : "*/*");
    }
    bool body = plan->has_body || plan->body_follows;
    if (error == 0 && body && options->data.count > 0) {
        error = add_default(fields, options, "Content-Type",
                            json ? "application/json" : "application/x-www-form-urlencoded");
    }
    for (size_t i = 0; i < options->fields.count && error == 0; i++) {
        nrt_str name;
        nrt_str value;
        field_kind kind = read_field(options->fields.items[i].value, &name, &value);
        bool secret = nrt__str_same(name, NRT__STR("Authorization")) ||
                      nrt__str_same(name, NRT__STR("Cookie"));
        if (kind == FIELD_REMOVE || (secret && plan->other_host) || is_made_by_library(name)) {
            continue;
        }
        error = nrt_fields_add(fields, name, value);
    }
    return error;
}

static void explain(const nrt__get_plan *plan, int error, int *code, char *why, size_t why_size) {
    nrt__url parts = {0};
    *code = NRT__EXIT_USAGE;
    switch (error) {
    case NRT_ERR_HOST:
        (void)nrt__url_parse(nrt_str_from(plan->url), &parts);
        (void)snprintf(why, why_size,
                       "\"%.*s\" is not a host on NATS: their names end in .nats, such as "
                       "weather.nats",
                       NRT__ARG(parts.host));
        break;
    case NRT_ERR_METHOD:
        (void)snprintf(why, why_size, "-X: \"%s\" is not a method that NATS can carry",
                       plan->method);
        break;
    case NRT_ERR_FIELD:
        (void)snprintf(why, why_size,
                       "a field's value (-A, -u, -H) has characters that fields cannot have");
        break;
    default:
        *code = NRT__EXIT_FAILED;
        (void)snprintf(why, why_size, "%s", nrt_error_text(error));
        break;
    }
}

nrt_request *nrt__get_request(const nrt__get_plan *plan, int *code, char *why, size_t why_size) {
    int error = 0;
    nrt_request *request = nrt_request_create(plan->method, plan->url, &error);
    if (request) {
        error = add_fields(nrt_request_edit(request), plan);
    }
    if (request && error == 0 && plan->has_body) {
        error = nrt_request_set_body(request, plan->body);
    }
    if (error != 0) {
        explain(plan, error, code, why, why_size);
        nrt_request_destroy(request);
        return NULL;
    }
    return request;
}
