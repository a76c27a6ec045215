/* What `nrt get` prints: bytes exactly as they came, and every failed write told. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/get.h"
#include "core/str.h"

enum { HEAD_MAX = 1024 * 1024 };

void nrt__get_output_init(nrt__get_output *output, const char *path) {
    bool standard = !path || strcmp(path, "-") == 0;
    *output = (nrt__get_output){.path = standard ? NULL : path, .any_bytes = path && standard};
    nrt__buf_init(&output->head, HEAD_MAX);
}

nrt_str nrt__get_output_head(nrt__get_output *output, const nrt_response *response) {
    const nrt_fields *fields = nrt_response_fields(response);
    nrt_str reason = nrt_response_reason(response);
    nrt__buf *head = &output->head;
    nrt__buf_clear(head);
    (void)nrt__buf_printf(head, "HTTP/1.1 %03d %.*s\r\n", nrt_response_status(response),
                          NRT__ARG(reason));
    for (size_t i = 0; i < nrt_fields_count(fields); i++) {
        nrt_str name;
        nrt_str value;
        if (nrt_fields_at(fields, i, &name, &value) == 0) {
            (void)nrt__buf_put(head, name);
            (void)nrt__buf_lit(head, ": ");
            (void)nrt__buf_put(head, value);
            (void)nrt__buf_lit(head, "\r\n");
        }
    }
    (void)nrt__buf_lit(head, "\r\n");
    return nrt__buf_view(head);
}

static int write_failed(const nrt__get_output *output, char *why, size_t why_size) {
    (void)snprintf(why, why_size, "cannot write to %s: %s",
                   output->path ? output->path : "standard output", strerror(errno));
    return NRT__EXIT_WRITE;
}

int nrt__get_output_write(nrt__get_output *output, nrt_str bytes, char *why, size_t why_size) {
    bool standard = !output->path;
    if (!output->file) {
        output->file = standard ? stdout : fopen(output->path, "wbe");
        if (!output->file) {
            return write_failed(output, why, why_size);
        }
    }
    if (bytes.len == 0) {
        return 0;
    }
    if (standard && !output->any_bytes && memchr(bytes.ptr, 0, bytes.len) &&
        isatty(STDOUT_FILENO)) {
        (void)snprintf(why, why_size,
                       "the body is binary and would upset this terminal; -o FILE saves it, "
                       "-o - shows it all the same");
        return NRT__EXIT_WRITE;
    }
    if (fwrite(bytes.ptr, 1, bytes.len, output->file) != bytes.len) {
        return write_failed(output, why, why_size);
    }
    return 0;
}

int nrt__get_output_finish(nrt__get_output *output, char *why, size_t why_size) {
    if (!output->file) {
        return 0;
    }
    FILE *file = output->file;
    output->file = NULL;
    int failed = file == stdout ? fflush(file) : fclose(file);
    return failed == 0 ? 0 : write_failed(output, why, why_size);
}

/* Terminals and logs of scripts are no place for credentials. */
static nrt_str without_secret(nrt_str name, nrt_str value) {
    static const char *const secret[] = {"Authorization", "Proxy-Authorization", "Cookie"};
    for (size_t i = 0; i < sizeof(secret) / sizeof(secret[0]); i++) {
        if (nrt__str_same(name, nrt_str_from(secret[i]))) {
            return NRT__STR("(not shown)");
        }
    }
    return value;
}

static void show_fields(const nrt_fields *fields, const char *mark) {
    for (size_t i = 0; i < nrt_fields_count(fields); i++) {
        nrt_str name;
        nrt_str value;
        if (nrt_fields_at(fields, i, &name, &value) == 0) {
            value = without_secret(name, value);
            (void)fprintf(stderr, "%s %.*s: %.*s\n", mark, NRT__ARG(name), NRT__ARG(value));
        }
    }
}

void nrt__get_show_request(const nrt_request *request) {
    nrt_str method = nrt_request_method(request);
    nrt_str target = nrt_request_target(request);
    nrt_str host = nrt_request_host(request);
    size_t body = nrt_request_body(request).len;
    (void)fprintf(stderr, "> %.*s %.*s HTTP/1.1\n> Host: %.*s\n", NRT__ARG(method),
                  NRT__ARG(target), NRT__ARG(host));
    show_fields(nrt_request_fields(request), ">");
    if (body > 0) {
        (void)fprintf(stderr, "> Content-Length: %zu\n", body);
    }
    (void)fprintf(stderr, ">\n");
}

void nrt__get_show_response(const nrt_response *response) {
    nrt_str reason = nrt_response_reason(response);
    (void)fprintf(stderr, "< HTTP/1.1 %03d %.*s\n", nrt_response_status(response),
                  NRT__ARG(reason));
    show_fields(nrt_response_fields(response), "<");
    (void)fprintf(stderr, "<\n");
}
