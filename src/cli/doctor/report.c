/* What `nrt doctor` found: kept as the JSON that --json prints, and printed for people out of it.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/doctor/doctor.h"

enum { TEXT_MAX = 2048, MARK_WIDTH = 11, CHECK_WIDTH = 13, INDENT = 2 };

static const char *const mark_names[NRT__MARKS] = {"ok", "info", "not checked", "warning",
                                                   "problem"};

/* Strangers' words may end up in it: a terminal is shown no control character of theirs. */
static json_t *text_of(const char *format, va_list values) {
    char text[TEXT_MAX];
    (void)vsnprintf(text, sizeof(text), format, values);
    for (char *at = text; *at; at++) {
        bool c1 = (unsigned char)at[0] == 0xc2 && (unsigned char)at[1] >= 0x80 &&
                  (unsigned char)at[1] < 0xa0;
        if ((unsigned char)*at < 0x20 || *at == 0x7f) {
            *at = '?';
        } else if (c1) {
            at[0] = at[1] = '?';
        }
    }
    return nrt__report_string(nrt_str_from(text));
}

void nrt__doctor_set(nrt__doctor *doctor, const char *name, json_t *value) {
    if (json_object_set_new(doctor->last, name, value) < 0) {
        doctor->failed = true;
    }
}

void nrt__doctor_tell(nrt__doctor *doctor, nrt__mark mark, const char *check, const char *format,
                      ...) {
    va_list values;
    va_start(values, format);
    json_t *text = text_of(format, values);
    va_end(values);
    doctor->counts[mark]++;
    doctor->last =
        json_pack("{s:s, s:s, s:o}", "check", check, "status", mark_names[mark], "text", text);
    if (json_array_append_new(doctor->checks, doctor->last) < 0) {
        doctor->last = NULL;
        doctor->failed = true;
    }
}

/* The array `name` of an object, made where it is not there; NULL when out of memory. */
static json_t *list_of(json_t *object, const char *name) {
    json_t *list = json_object_get(object, name);
    if (!list && object) {
        (void)json_object_set_new(object, name, json_array());
        list = json_object_get(object, name);
    }
    return list;
}

static void append(nrt__doctor *doctor, json_t *list, json_t *value) {
    if (json_array_append_new(list, value) < 0) {
        doctor->failed = true;
    }
}

void nrt__doctor_detail(nrt__doctor *doctor, const char *format, ...) {
    va_list values;
    va_start(values, format);
    append(doctor, list_of(doctor->last, "details"), text_of(format, values));
    va_end(values);
}

void nrt__doctor_advise(nrt__doctor *doctor, const char *format, ...) {
    va_list values;
    va_start(values, format);
    append(doctor, list_of(doctor->last, "advice"),
           json_pack("{s:o, s:[]}", "text", text_of(format, values), "paste"));
    va_end(values);
}

void nrt__doctor_paste(nrt__doctor *doctor, const char *format, ...) {
    json_t *advice = json_object_get(doctor->last, "advice");
    json_t *of = json_array_get(advice, json_array_size(advice) - 1);
    va_list values;
    va_start(values, format);
    append(doctor, list_of(of, "paste"), text_of(format, values));
    va_end(values);
}

/* ---- for people ---- */

static const char *mark_style(const char *status) {
    const nrt__style *style = nrt__term_style(stdout);
    return strcmp(status, "ok") == 0        ? style->green
           : strcmp(status, "problem") == 0 ? style->red
           : strcmp(status, "warning") == 0 ? style->yellow
                                            : style->dim;
}

/* Lines are broken for terminals only: elsewhere they are for grep. */
static void print_text(const char *text, size_t indent) {
    if (isatty(fileno(stdout)) == 1) {
        nrt__args_wrap(stdout, text, indent, indent);
    } else {
        (void)printf("%s\n", text);
    }
}

enum { TEXT_AT = INDENT + MARK_WIDTH + 1 + CHECK_WIDTH + 1, STEP = 3 };

static void print_advice(const json_t *advice) {
    const nrt__style *style = nrt__term_style(stdout);
    size_t i;
    const json_t *line;
    (void)printf("%*s%s->%s ", TEXT_AT, "", style->cyan, style->reset);
    print_text(json_string_value(json_object_get(advice, "text")), TEXT_AT + STEP);
    json_array_foreach(json_object_get(advice, "paste"), i, line) { /* whole: to be copied */
        (void)printf("%*s%s%s%s\n", TEXT_AT + 2 * STEP, "", style->bold, json_string_value(line),
                     style->reset);
    }
}

static void print_finding(const json_t *finding) {
    const nrt__style *style = nrt__term_style(stdout);
    const char *status = json_string_value(json_object_get(finding, "status"));
    size_t i;
    const json_t *one;
    (void)printf("%*s%s%-*s%s %-*s ", INDENT, "", mark_style(status), MARK_WIDTH, status,
                 style->reset, CHECK_WIDTH, json_string_value(json_object_get(finding, "check")));
    print_text(json_string_value(json_object_get(finding, "text")), TEXT_AT);
    json_array_foreach(json_object_get(finding, "details"), i, one) {
        (void)printf("%*s", TEXT_AT, "");
        print_text(json_string_value(one), TEXT_AT);
    }
    /* Information is nothing to act on: how to, is in --json. */
    const json_t *advice =
        strcmp(status, mark_names[NRT__MARK_INFO]) == 0 ? NULL : json_object_get(finding, "advice");
    json_array_foreach(advice, i, one) {
        print_advice(one);
    }
}

static void print_whole(const nrt__doctor *doctor) {
    const char *role;
    const json_t *text;
    json_object_foreach(doctor->whole, role, text) {
        (void)printf("\nAll that the user of a %s needs, in the configuration of the NATS server:\n"
                     "  %s\n",
                     role, json_string_value(text));
    }
}

static void print_summary(const nrt__doctor *doctor) {
    const nrt__style *style = nrt__term_style(stdout);
    size_t problems = doctor->counts[NRT__MARK_PROBLEM];
    size_t warnings = doctor->counts[NRT__MARK_WARNING];
    size_t unchecked = doctor->counts[NRT__MARK_UNCHECKED];
    const char *color = problems > 0 ? style->red : warnings > 0 ? style->yellow : style->green;
    (void)printf("\n%s", color);
    if (problems == 0) {
        (void)printf("No problem found");
    } else {
        (void)printf("%zu problem%s", problems, problems == 1 ? "" : "s");
    }
    if (warnings > 0) {
        (void)printf(", %zu warning%s", warnings, warnings == 1 ? "" : "s");
    }
    if (unchecked > 0) {
        (void)printf(", %zu not checked", unchecked);
    }
    (void)printf("%s\n", style->reset);
}

static void print_report(const nrt__doctor *doctor) {
    size_t i;
    const json_t *finding;
    json_array_foreach(doctor->checks, i, finding) {
        print_finding(finding);
    }
    print_whole(doctor);
    print_summary(doctor);
}

static bool print_json(const nrt__doctor *doctor) {
    json_t *object =
        json_pack("{s:s?, s:O, s:O, s:I, s:I, s:I}", "host", *doctor->host ? doctor->host : NULL,
                  "checks", doctor->checks, "permissions", doctor->whole, "problems",
                  (json_int_t)doctor->counts[NRT__MARK_PROBLEM], "warnings",
                  (json_int_t)doctor->counts[NRT__MARK_WARNING], "not_checked",
                  (json_int_t)doctor->counts[NRT__MARK_UNCHECKED]);
    char *text = object ? json_dumps(object, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(object);
    if (text) {
        (void)printf("%s\n", text);
    }
    free(text);
    return text != NULL;
}

int nrt__doctor_print(nrt__doctor *doctor) {
    if (doctor->failed || !doctor->checks || !doctor->whole) {
        (void)fprintf(stderr, "nrt doctor: out of memory\n");
        return NRT__EXIT_FAILED;
    }
    if (!doctor->json) {
        print_report(doctor);
    } else if (!print_json(doctor)) {
        (void)fprintf(stderr, "nrt doctor: out of memory\n");
        return NRT__EXIT_FAILED;
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        (void)fprintf(stderr, "nrt doctor: cannot write to standard output: %s\n", strerror(errno));
        return NRT__EXIT_WRITE;
    }
    return doctor->counts[NRT__MARK_PROBLEM] > 0 ? NRT__EXIT_FAILED : NRT__EXIT_OK;
}
