/* Header sections as data: additions, lists, and what is taken out before a message goes on. Lines
 * are `NAME:VALUE`. */
#include "core/http/fields.h"

#include <nrt/error.h>
#include <stdlib.h>

#include "fuzz.h"

enum { FIELDS_MAX = 120 };

/* Elements come in order, from the list, trimmed, and none is empty. */
static size_t check_list(nrt_str list) {
    nrt_str rest = list;
    nrt_str one;
    size_t count = 0;
    const char *at = list.ptr;
    while (nrt__str_next(&rest, &one)) {
        CHECK(one.len > 0 && fuzz_inside(one, list) && one.ptr >= at);
        CHECK(nrt__str_trim(one).len == one.len);
        CHECK(one.ptr == list.ptr || strchr(" \t,", one.ptr[-1]));
        at = one.ptr + one.len;
        CHECK(at <= rest.ptr);
        count++;
    }
    CHECK(rest.len == 0 && count <= list.len / 2 + 1);
    return count;
}

static void add_lines(nrt_fields *fields, nrt_str rest) {
    nrt_str line;
    while (fields->count < FIELDS_MAX && fuzz_line(&rest, &line)) {
        nrt_str value;
        nrt_str name = fuzz_before(line, ':', &value);
        size_t before = fields->count;
        int error = nrt_fields_add(fields, name, value);
        CHECK(error == 0 || error == NRT_ERR_FIELD);
        CHECK(fields->count == before + (error == 0));
        bool fine = name.len > 0 && fuzz_is_line_safe(name) && fuzz_is_line_safe(value);
        CHECK(error < 0 || fine);
    }
}

static bool is_nominated(const nrt_fields *fields, nrt_str name) {
    return nrt__fields_list_has(fields, NRT__CONNECTION, name);
}

/* Against the rule, field by field (RFC 9110 section 7.6.1). */
static void check_strip(nrt_fields *fields) {
    nrt__field *kept = malloc((fields->count + 1) * sizeof(*kept));
    size_t count = 0;
    CHECK(kept);
    for (size_t i = 0; i < fields->count; i++) {
        const nrt__field *field = &fields->list[i];
        bool keep = field->flags & NRT__FIELD_KEEP;
        bool hop = field->flags & NRT__FIELD_HOP;
        if (!hop && (keep || !is_nominated(fields, field->name))) {
            kept[count++] = *field;
        }
    }
    nrt__fields_strip_hop(fields);
    CHECK(fields->count == count);
    for (size_t i = 0; i < count; i++) {
        CHECK(kept[i].name.ptr == fields->list[i].name.ptr);
        CHECK(kept[i].value.ptr == fields->list[i].value.ptr);
    }
    CHECK(!nrt__fields_find(fields, NRT__CONNECTION, NULL));
    free(kept);
}

static size_t count_named(const nrt_fields *fields, const char *name) {
    size_t count = 0;
    for (size_t i = 0; i < fields->count; i++) {
        count += nrt__str_same(fields->list[i].name, nrt_str_from(name));
    }
    return count;
}

/* One is left of those with this name, where the first one was; then none. */
static void check_set(nrt_fields *fields) {
    if (fields->count == 0) {
        return;
    }
    char *name = fuzz_copy(fields->list[fields->count / 2].name, true);
    size_t before = fields->count;
    size_t named = count_named(fields, name);
    CHECK(nrt_fields_set(fields, nrt_str_from(name), NRT__STR("new")) == 0);
    CHECK(count_named(fields, name) == 1 && fields->count == before - named + 1);
    CHECK(nrt__str_equal(nrt_fields_get(fields, name), NRT__STR("new")));
    CHECK(nrt_fields_remove(fields, name) == 1 && count_named(fields, name) == 0);
    CHECK(!nrt_fields_get(fields, name).ptr);
    free(name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *copy = fuzz_copy((nrt_str){(const char *)data, size}, false);
    nrt_str input = {copy, size};
    nrt__arena arena = {.blocks = NULL};
    nrt_fields fields;
    nrt__fields_init(&fields, &arena);
    check_list(input);
    add_lines(&fields, input);
    for (size_t i = 0; i < fields.count; i++) {
        check_list(fields.list[i].value);
    }
    check_strip(&fields);
    check_set(&fields);
    nrt__fields_drop(&fields, NRT__FIELD_NRT | NRT__FIELD_NO_TRAILER);
    for (size_t i = 0; i < fields.count; i++) {
        CHECK(!(fields.list[i].flags & (NRT__FIELD_NRT | NRT__FIELD_NO_TRAILER)));
    }
    nrt__arena_free(&arena);
    free(copy);
    return 0;
}
