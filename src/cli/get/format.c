/* `nrt get --write-out`: curl's format and, where they mean something here, curl's variables. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/get/get.h"
#include "core/base/str.h"
#include "core/base/suggest.h"
#include "core/http/url.h"

typedef struct variable {
    const char *name;
    void (*write)(const nrt__transfer *transfer, FILE *out);
} variable;

static void write_str(nrt_str text, FILE *out) {
    if (text.len > 0) {
        (void)fwrite(text.ptr, 1, text.len, out);
    }
}

static void write_content_type(const nrt__transfer *transfer, FILE *out) {
    if (transfer->response) {
        write_str(nrt_fields_get(nrt_response_fields(transfer->response), "Content-Type"), out);
    }
}

static void write_error(const nrt__transfer *transfer, FILE *out) {
    (void)fputs(transfer->error, out);
}

static void write_exit_code(const nrt__transfer *transfer, FILE *out) {
    (void)fprintf(out, "%d", transfer->exit_code);
}

static void write_output(const nrt__transfer *transfer, FILE *out) {
    (void)fputs(transfer->output ? transfer->output : "", out);
}

static void write_status(const nrt__transfer *transfer, FILE *out) {
    (void)fprintf(out, "%03d", transfer->response ? nrt_response_status(transfer->response) : 0);
}

static void write_version(const nrt__transfer *transfer, FILE *out) {
    (void)fputs(transfer->response ? "1.1" : "0", out);
}

static void write_method(const nrt__transfer *transfer, FILE *out) {
    (void)fputs(transfer->method, out);
}

static void write_field_count(const nrt__transfer *transfer, FILE *out) {
    (void)fprintf(out, "%zu",
                  transfer->response ? nrt_fields_count(nrt_response_fields(transfer->response))
                                     : 0);
}

static void write_redirects(const nrt__transfer *transfer, FILE *out) {
    (void)fprintf(out, "%u", transfer->redirects);
}

static void write_retries(const nrt__transfer *transfer, FILE *out) {
    (void)fprintf(out, "%u", transfer->retries);
}

static void write_redirect_url(const nrt__transfer *transfer, FILE *out) {
    (void)fputs(transfer->redirect_url, out);
}

static void write_scheme(const nrt__transfer *transfer, FILE *out) {
    nrt__url parts;
    if (nrt__url_parse(nrt_str_from(transfer->url), &parts) == 0) {
        write_str(parts.scheme, out);
    }
}

static void write_downloaded(const nrt__transfer *transfer, FILE *out) {
    (void)fprintf(out, "%" PRIu64, transfer->downloaded);
}

static void write_uploaded(const nrt__transfer *transfer, FILE *out) {
    (void)fprintf(out, "%" PRIu64, transfer->uploaded);
}

static void write_head_bytes(const nrt__transfer *transfer, FILE *out) {
    (void)fprintf(out, "%" PRIu64, transfer->head_bytes);
}

static void write_rate(uint64_t bytes, double seconds, FILE *out) {
    (void)fprintf(out, "%.0f", seconds > 0 ? (double)bytes / seconds : 0.0);
}

static void write_download_rate(const nrt__transfer *transfer, FILE *out) {
    write_rate(transfer->downloaded, transfer->total_s, out);
}

static void write_upload_rate(const nrt__transfer *transfer, FILE *out) {
    write_rate(transfer->uploaded, transfer->total_s, out);
}

static void write_connect(const nrt__transfer *transfer, FILE *out) {
    (void)fprintf(out, "%.6f", transfer->connect_s);
}

static void write_redirect_time(const nrt__transfer *transfer, FILE *out) {
    (void)fprintf(out, "%.6f", transfer->redirect_s);
}

static void write_head_time(const nrt__transfer *transfer, FILE *out) {
    (void)fprintf(out, "%.6f", transfer->head_s);
}

static void write_total(const nrt__transfer *transfer, FILE *out) {
    (void)fprintf(out, "%.6f", transfer->total_s);
}

static void write_typed_url(const nrt__transfer *transfer, FILE *out) {
    (void)fputs(transfer->typed_url, out);
}

static void write_url(const nrt__transfer *transfer, FILE *out) {
    (void)fputs(transfer->url, out);
}

static const variable variables[] = {
    {"content_type", write_content_type},
    {"errormsg", write_error},
    {"exitcode", write_exit_code},
    {"filename_effective", write_output},
    {"http_code", write_status},
    {"http_version", write_version},
    {"method", write_method},
    {"num_headers", write_field_count},
    {"num_redirects", write_redirects},
    {"num_retries", write_retries},
    {"redirect_url", write_redirect_url},
    {"response_code", write_status},
    {"scheme", write_scheme},
    {"size_download", write_downloaded},
    {"size_header", write_head_bytes},
    {"size_upload", write_uploaded},
    {"speed_download", write_download_rate},
    {"speed_upload", write_upload_rate},
    {"time_connect", write_connect},
    {"time_pretransfer", write_connect},
    {"time_redirect", write_redirect_time},
    {"time_starttransfer", write_head_time},
    {"time_total", write_total},
    {"url", write_typed_url},
    {"url_effective", write_url},
};

enum { VARIABLES = sizeof(variables) / sizeof(variables[0]) };

static void unknown_variable(nrt_str name) {
    char typed[64];
    const char *names[VARIABLES];
    (void)snprintf(typed, sizeof(typed), "%.*s", NRT__ARG(name));
    for (size_t i = 0; i < VARIABLES; i++) {
        names[i] = variables[i].name;
    }
    const char *near = nrt__suggest(typed, names, VARIABLES);
    (void)fprintf(stderr, "nrt get: --write-out: unknown variable %%{%s}%s%s%s\n", typed,
                  near ? "; did you mean %{" : "", near ? near : "", near ? "}?" : "");
}

static void write_variable(nrt_str name, const nrt__transfer *transfer, FILE **out) {
    if (nrt__str_equal(name, NRT__STR("stdout"))) {
        *out = stdout;
        return;
    }
    if (nrt__str_equal(name, NRT__STR("stderr"))) {
        *out = stderr;
        return;
    }
    for (size_t i = 0; i < VARIABLES; i++) {
        if (nrt__str_equal(name, nrt_str_from(variables[i].name))) {
            variables[i].write(transfer, *out);
            return;
        }
    }
    unknown_variable(name);
}

static void write_field(nrt_str name, const nrt__transfer *transfer, FILE *out) {
    char text[256];
    (void)snprintf(text, sizeof(text), "%.*s", NRT__ARG(name));
    if (transfer->response) {
        write_str(nrt_fields_get(nrt_response_fields(transfer->response), text), out);
    }
}

/* `%…` at the start of `at`; returns what follows it. */
static const char *write_percent(const char *at, const nrt__transfer *transfer, FILE **out) {
    static const char field[] = "%header{";
    bool is_field = strncmp(at, field, sizeof(field) - 1) == 0;
    const char *name = at + (is_field ? sizeof(field) - 1 : 2);
    const char *end = is_field || at[1] == '{' ? strchr(name, '}') : NULL;
    if (end) {
        nrt_str view = {name, (size_t)(end - name)};
        if (is_field) {
            write_field(view, transfer, *out);
        } else {
            write_variable(view, transfer, out);
        }
        return end + 1;
    }
    (void)fputc('%', *out);
    return at + (at[1] == '%' ? 2 : 1);
}

static const char *write_escape(const char *at, FILE *out) {
    switch (at[1]) {
    case 'n':
        (void)fputc('\n', out);
        return at + 2;
    case 'r':
        (void)fputc('\r', out);
        return at + 2;
    case 't':
        (void)fputc('\t', out);
        return at + 2;
    case '\0':
        (void)fputc('\\', out);
        return at + 1;
    default: /* as it stands, two backslashes too */
        (void)fwrite(at, 1, 2, out);
        return at + 2;
    }
}

static void write_format(const char *format, const nrt__transfer *transfer) {
    FILE *out = stdout;
    for (const char *at = format; *at;) {
        if (*at == '%') {
            at = write_percent(at, transfer, &out);
        } else if (*at == '\\') {
            at = write_escape(at, out);
        } else {
            (void)fputc(*at++, out);
        }
    }
}

static int flushed(void) {
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : NRT__EXIT_WRITE;
}

int nrt__get_write_out(const char *format, const nrt__transfer *transfer) {
    if (format[0] != '@') {
        write_format(format, transfer);
        return flushed();
    }
    char why[NRT__GET_ERROR_SIZE];
    nrt__buf file;
    nrt__buf_init(&file, (size_t)1024 * 1024);
    int code = nrt__get_read(format + 1, &file, why, sizeof(why));
    if (code == 0 && nrt__buf_add(&file, "", 1)) {
        write_format(nrt__buf_view(&file).ptr, transfer);
        code = flushed();
    } else {
        (void)fprintf(stderr, "nrt get: --write-out: %s\n", why);
    }
    nrt__buf_free(&file);
    return code;
}
