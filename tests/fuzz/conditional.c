/* Dates, conditions and ranges: a date that is read is written and read as the same; an answer is
 * one of the few there are, and a part lies in the file. Each line is a field: `Name: value`. */
#include "core/handler/conditional.h"

#include <stdlib.h>

#include "core/http/fields.h"
#include "core/http/http_date.h"
#include "fuzz.h"

enum { NOW = 784112000 };

static void check_date(nrt_str text) {
    char out[NRT__HTTP_DATE_SIZE];
    int64_t seconds;
    int64_t again;
    if (!nrt__http_date_read(text, NOW, &seconds)) {
        return;
    }
    CHECK(text.len >= 24);
    if (!nrt__http_date_write(seconds, out)) {
        CHECK(seconds == 253402300800); /* a leap second at the end of all years with four digits */
        return;
    }
    CHECK(nrt__http_date_read(nrt_str_from(out), NOW, &again) && again == seconds);
}

static void check(const nrt_fields *fields, uint64_t size) {
    static const nrt_str methods[] = {{"GET", 3}, {"HEAD", 4}, {"PUT", 3}};
    nrt__representation what = {
        .etag = {"\"v1\"", 4}, .modified_s = 784111777, .now_s = NOW, .size = size};
    for (size_t i = 0; i < 3; i++) {
        uint64_t first = 0;
        uint64_t last = 0;
        int status = nrt__conditional_check(methods[i], fields, &what);
        CHECK(status == 0 || status == 412 || (status == 304 && i < 2));
        nrt__range range = nrt__range_read(methods[i], fields, &what, &first, &last);
        CHECK(range == NRT__RANGE_WHOLE || i == 0);
        CHECK(range != NRT__RANGE_PART || (first <= last && last < size));
        if (range != NRT__RANGE_WHOLE) {
            CHECK(nrt_fields_get(fields, "Range").len >= 8);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *copy = fuzz_copy((nrt_str){(const char *)data, size}, false);
    nrt_str rest = {copy, size};
    nrt_str line;
    nrt__arena arena = {0};
    nrt_fields fields;
    nrt__fields_init(&fields, &arena);
    check_date(rest);
    while (fuzz_line(&rest, &line)) {
        nrt_str value;
        nrt_str name = fuzz_before(line, ':', &value);
        value = value.ptr ? nrt__str_trim(value) : (nrt_str){"", 0};
        CHECK(nrt__fields_append(&fields, name, value));
        check_date(value);
    }
    check(&fields, 0);
    check(&fields, 1);
    check(&fields, 100);
    check(&fields, UINT64_MAX);
    nrt__arena_free(&arena);
    free(copy);
    return 0;
}
