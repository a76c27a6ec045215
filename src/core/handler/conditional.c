/* Conditional requests and ranges. */
#include "core/handler/conditional.h"

#include "core/base/str.h"
#include "core/http/fields.h"
#include "core/http/http_date.h"

/* ---- entity tags (section 8.8.3) ---- */

/* Takes one off; false where none is there. */
static bool take_etag(nrt_str *rest, nrt_str *opaque, bool *weak) {
    size_t at = 0;
    *weak = nrt__str_starts(*rest, NRT__STR("W/"));
    at = *weak ? 2 : 0;
    if (at >= rest->len || rest->ptr[at] != '"') {
        return false;
    }
    const char *end = memchr(rest->ptr + at + 1, '"', rest->len - at - 1);
    if (!end) {
        return false;
    }
    size_t len = (size_t)(end - rest->ptr) + 1;
    *opaque = (nrt_str){rest->ptr + at, len - at};
    for (size_t i = 1; i + 1 < opaque->len; i++) {
        if ((unsigned char)opaque->ptr[i] <= ' ' || opaque->ptr[i] == 0x7f) {
            return false;
        }
    }
    *rest = (nrt_str){rest->ptr + len, rest->len - len};
    return true;
}

/* Whether a list of them names ours. What is no list ends it. */
static bool list_names(nrt_str rest, const nrt__representation *what, bool strong) {
    nrt_str opaque;
    bool weak;
    rest = nrt__str_trim(rest);
    while (rest.len > 0) {
        if (rest.ptr[0] == ',') { /* empty elements are allowed */
            rest = nrt__str_trim((nrt_str){rest.ptr + 1, rest.len - 1});
            continue;
        }
        if (!take_etag(&rest, &opaque, &weak)) {
            return false;
        }
        if (nrt__str_equal(opaque, what->etag) && !(strong && weak)) {
            return true;
        }
        rest = nrt__str_trim(rest);
        if (rest.len > 0 && rest.ptr[0] != ',') {
            return false;
        }
    }
    return false;
}

/* Whether the field is there on any line, and in *match whether it is `*` or names ours. */
static bool find_match(const nrt_fields *fields, const char *name, const nrt__representation *what,
                       bool strong, bool *match) {
    bool found = false;
    *match = false;
    for (size_t i = 0; i < nrt_fields_count(fields); i++) {
        const nrt__field *field = &fields->list[i];
        if (nrt__str_same(field->name, nrt_str_from(name))) {
            found = true;
            *match = *match || nrt__str_equal(nrt__str_trim(field->value), NRT__STR("*")) ||
                     list_names(field->value, what, strong);
        }
    }
    return found;
}

/* ---- conditions ---- */

static bool is_read(nrt_str method) {
    return nrt__str_equal(method, NRT__STR("GET")) || nrt__str_equal(method, NRT__STR("HEAD"));
}

/* The date of a field; false where there is none, or no valid one: then it is passed over. */
static bool find_date(const nrt_fields *fields, const char *name, int64_t now, int64_t *date) {
    nrt_str value = nrt_fields_get(fields, name);
    return value.ptr && nrt__http_date_read(value, now, date);
}

int nrt__conditional_check(nrt_str method, const nrt_fields *fields,
                           const nrt__representation *what) {
    bool match;
    int64_t date;
    if (find_match(fields, "If-Match", what, true, &match)) {
        if (!match) {
            return 412;
        }
    } else if (find_date(fields, "If-Unmodified-Since", what->now_s, &date) &&
               what->modified_s > date) {
        return 412;
    }
    if (find_match(fields, "If-None-Match", what, false, &match)) {
        return !match ? 0 : is_read(method) ? 304 : 412;
    }
    if (is_read(method) && find_date(fields, "If-Modified-Since", what->now_s, &date) &&
        what->modified_s <= date) {
        return 304;
    }
    return 0;
}

/* ---- ranges ---- */

/* Whether If-Range, if there is one, says that the range is of what is here (section 13.1.5). */
static bool if_range_holds(const nrt_fields *fields, const nrt__representation *what) {
    nrt_str value = nrt_fields_get(fields, "If-Range");
    nrt_str opaque;
    bool weak;
    int64_t date;
    if (!value.ptr) {
        return true;
    }
    if (take_etag(&value, &opaque, &weak)) {
        return value.len == 0 && !weak && nrt__str_equal(opaque, what->etag);
    }
    /* A date is a strong validator only if nothing can have changed within its second since
     * (section 8.8.2.2). */
    return nrt__http_date_read(value, what->now_s, &date) && date == what->modified_s &&
           what->modified_s < what->now_s;
}

/* A number of digits; one that is too large is as large as can be. */
static bool take_number(nrt_str *rest, uint64_t *number) {
    size_t len = 0;
    while (len < rest->len && nrt__is_digit(rest->ptr[len])) {
        len++;
    }
    if (len == 0) {
        return false;
    }
    if (!nrt__str_to_u64((nrt_str){rest->ptr, len}, UINT64_MAX, number)) {
        *number = UINT64_MAX;
    }
    *rest = (nrt_str){rest->ptr + len, rest->len - len};
    return true;
}

/* `first-last`, `first-` or `-length`; false for what is none. `length` is given for the last. */
static bool read_spec(nrt_str spec, uint64_t *first, uint64_t *last, bool *suffix) {
    *last = UINT64_MAX;
    *suffix = spec.len > 0 && spec.ptr[0] == '-';
    if (*suffix) {
        spec = (nrt_str){spec.ptr + 1, spec.len - 1};
        return take_number(&spec, first) && spec.len == 0;
    }
    if (!take_number(&spec, first) || spec.len == 0 || spec.ptr[0] != '-') {
        return false;
    }
    spec = (nrt_str){spec.ptr + 1, spec.len - 1};
    if (spec.len > 0 && (!take_number(&spec, last) || spec.len > 0)) {
        return false;
    }
    return *last >= *first;
}

/* The only Range, in bytes; absent where there is none, or none that is taken. */
static nrt_str find_specs(const nrt_fields *fields) {
    nrt_str unit = NRT__STR("bytes=");
    nrt_str found = {NULL, 0};
    for (size_t i = 0; i < nrt_fields_count(fields); i++) {
        const nrt__field *field = &fields->list[i];
        if (!nrt__str_same(field->name, NRT__STR("Range"))) {
            continue;
        }
        if (found.ptr || field->value.len < unit.len ||
            !nrt__str_same((nrt_str){field->value.ptr, unit.len}, unit)) {
            return (nrt_str){NULL, 0};
        }
        found = (nrt_str){field->value.ptr + unit.len, field->value.len - unit.len};
    }
    return found;
}

nrt__range nrt__range_read(nrt_str method, const nrt_fields *fields,
                           const nrt__representation *what, uint64_t *first, uint64_t *last) {
    nrt_str specs = find_specs(fields);
    nrt_str spec;
    nrt_str more;
    bool suffix;
    if (!nrt__str_equal(method, NRT__STR("GET")) || !specs.ptr || !if_range_holds(fields, what) ||
        !nrt__str_next(&specs, &spec) || nrt__str_next(&specs, &more) ||
        !read_spec(spec, first, last, &suffix)) {
        return NRT__RANGE_WHOLE;
    }
    if (suffix) {
        if (*first == 0) {
            return NRT__RANGE_NONE;
        }
        *first = *first < what->size ? what->size - *first : 0;
        if (what->size == 0) { /* it is satisfiable, but no Content-Range could say so */
            return NRT__RANGE_WHOLE;
        }
    }
    if (*first >= what->size) {
        return NRT__RANGE_NONE;
    }
    if (*last >= what->size) {
        *last = what->size - 1;
    }
    return NRT__RANGE_PART;
}
