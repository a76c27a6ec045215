/* A walk over a JSON text that knows where it is. */
#include "core/base/json_place.h"

#include <stdio.h>

#include "core/base/str.h"

typedef struct walk {
    const char *at;
    const char *end;
} walk;

static nrt__json_place place_of(nrt_str text, const char *at) {
    nrt__json_place place = {1, 1};
    for (const char *c = text.ptr; c < at && c < text.ptr + text.len; c++) {
        if (*c == '\n') {
            place.line++;
            place.column = 1;
        } else if (((unsigned char)*c & 0xc0) != 0x80) { /* a character of UTF-8 counts once */
            place.column++;
        }
    }
    return place;
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_space(walk *w) {
    while (w->at < w->end && is_space(*w->at)) {
        w->at++;
    }
}

/* Over a string, whose opening quote is here; the bytes between the quotes. */
static nrt_str skip_string(walk *w) {
    const char *begin = ++w->at;
    while (w->at < w->end && *w->at != '"') {
        w->at += *w->at == '\\' && w->end - w->at > 1 ? 2 : 1;
    }
    nrt_str inside = {begin, (size_t)(w->at - begin)};
    w->at += w->at < w->end ? 1 : 0;
    return inside;
}

/* Over a value, up to the comma or bracket behind it. */
static void skip_value(walk *w) {
    size_t depth = 0;
    while (w->at < w->end) {
        char c = *w->at;
        if (c == '"') {
            skip_string(w);
            continue;
        }
        if (depth == 0 && (c == ',' || c == '}' || c == ']')) {
            return;
        }
        if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            depth--;
        }
        w->at++;
    }
}

/* On to the next member or element; false at the end of them. */
static bool next(walk *w) {
    skip_value(w);
    if (w->at >= w->end || *w->at != ',') {
        return false;
    }
    w->at++;
    skip_space(w);
    return true;
}

/* To the value of the member `key` of the object here; *found is where the key stands. */
static bool enter_object(walk *w, const char *key, const char **found) {
    if (w->at >= w->end || *w->at != '{') {
        return false;
    }
    w->at++;
    skip_space(w);
    while (w->at < w->end && *w->at == '"') {
        const char *begins = w->at;
        nrt_str name = skip_string(w);
        skip_space(w);
        w->at += w->at < w->end ? 1 : 0; /* the colon */
        skip_space(w);
        if (nrt__str_equal(name, nrt_str_from(key))) {
            *found = begins;
            return true;
        }
        if (!next(w)) {
            break;
        }
    }
    return false;
}

static bool enter_array(walk *w, size_t index, const char **found) {
    if (w->at >= w->end || *w->at != '[') {
        return false;
    }
    w->at++;
    skip_space(w);
    for (size_t i = 0; i < index; i++) {
        if (!next(w)) {
            return false;
        }
    }
    *found = w->at;
    return true;
}

nrt__json_place nrt__json_locate(nrt_str text, const nrt__json_step *steps, size_t count) {
    walk w = {text.ptr, text.ptr + text.len};
    skip_space(&w);
    const char *found = w.at;
    for (size_t i = 0; i < count; i++) {
        bool there = steps[i].key ? enter_object(&w, steps[i].key, &found)
                                  : enter_array(&w, steps[i].index, &found);
        if (!there) {
            break;
        }
    }
    return place_of(text, found);
}

/* ---- broken texts ---- */

/* What people write who think of another language than JSON; NULL where there is none of it before
 * `until`. */
static const char *find_foreign(nrt_str text, const char *until, const char **what) {
    walk w = {text.ptr, text.ptr + text.len};
    const char *before = "";
    while (w.at < w.end && w.at <= until) {
        const char *at = w.at;
        skip_space(&w);
        if (w.at > at) {
            continue;
        }
        switch (*at) {
        case '/':
        case '#':
            *what = "JSON knows no comments: remove it";
            return at;
        case '\'':
            *what = "JSON has strings and keys in double quotes: write \"";
            return at;
        case '}':
        case ']':
            if (*before == ',') {
                *what = "a comma before the end of a list: remove it";
                return before;
            }
            break;
        default:
            break;
        }
        before = at;
        if (*at == '"') {
            skip_string(&w);
        } else {
            w.at++;
        }
    }
    return NULL;
}

static const char *reason(const json_error_t *error) {
    switch (json_error_code(error)) {
    case json_error_premature_end_of_input:
        return "the file ends too early: a bracket or a quote is not closed";
    case json_error_end_of_input_expected:
        return "something follows behind the end";
    case json_error_duplicate_key:
        return "a key stands there twice: keep one of them";
    case json_error_invalid_utf8:
        return "not UTF-8";
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return "a NUL character";
    case json_error_stack_overflow:
        return "nested too deeply";
    case json_error_numeric_overflow:
        return "a number that is too large";
    default:
        return "not valid JSON: a comma, a colon or a quote is missing, perhaps, or a word that is "
               "not true, false or null";
    }
}

nrt__json_place nrt__json_fault(nrt_str text, const json_error_t *error, char *why,
                                size_t why_size) {
    const char *what = NULL;
    const char *end = text.ptr + text.len;
    const char *until = error->position >= 0 && (size_t)error->position < text.len
                            ? text.ptr + error->position
                            : end;
    if (nrt__str_starts(text, NRT__STR("\xef\xbb\xbf"))) {
        (void)snprintf(why, why_size, "the file begins with a byte order mark: save it without");
        return (nrt__json_place){1, 1};
    }
    const char *at = find_foreign(text, until, &what);
    if (at) {
        (void)snprintf(why, why_size, "%s", what);
        return place_of(text, at);
    }
    (void)snprintf(why, why_size, "%s", reason(error));
    return (nrt__json_place){error->line > 0 ? (unsigned)error->line : 1,
                             error->column > 0 ? (unsigned)error->column : 1};
}
