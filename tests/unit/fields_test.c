/* Field sections: what the public calls let in, and what the table says of the names. */
#include "unit.h"

#include <nrt/error.h>

#include "core/http/fields.h"

typedef struct section {
    nrt__arena arena;
    nrt_fields fields;
} section;

static int setup(void **state) {
    section *s = calloc(1, sizeof(*s));
    nrt__fields_init(&s->fields, &s->arena);
    *state = s;
    return 0;
}

static int teardown(void **state) {
    section *s = *state;
    nrt__arena_free(&s->arena);
    free(s);
    return 0;
}

static void add(section *s, const char *name, const char *value) {
    assert_int_equal(nrt_fields_add(&s->fields, nrt_str_from(name), nrt_str_from(value)), 0);
}

/* All fields as "name: value|name: value". */
static void assert_fields(const section *s, const char *want) {
    char text[2048];
    size_t len = 0;
    text[0] = '\0';
    for (size_t i = 0; i < nrt_fields_count(&s->fields); i++) {
        nrt_str name;
        nrt_str value;
        assert_int_equal(nrt_fields_at(&s->fields, i, &name, &value), 0);
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%.*s: %.*s", i > 0 ? "|" : "",
                                NRT__ARG(name), NRT__ARG(value));
        assert_true(len < sizeof(text));
    }
    assert_string_equal(text, want);
}

static void fields_keep_their_order_and_case(void **state) {
    section *s = *state;
    add(s, "B", "1");
    add(s, "a", "2");
    add(s, "b", "3");
    assert_fields(s, "B: 1|a: 2|b: 3");
    assert_view(nrt_fields_get(&s->fields, "b"), "1");
    assert_view(nrt_fields_get(&s->fields, "A"), "2");
    assert_absent(nrt_fields_get(&s->fields, "c"));
    assert_absent(nrt_fields_get(NULL, "a"));
}

static void fields_are_copied(void **state) {
    section *s = *state;
    char name[] = "Name";
    char value[] = "value";
    add(s, name, value);
    memset(name, 'x', 4);
    memset(value, 'x', 5);
    assert_fields(s, "Name: value");
}

static void hundreds_of_fields_are_kept(void **state) {
    section *s = *state;
    for (int i = 0; i < 500; i++) {
        char name[16];
        char value[16];
        snprintf(name, sizeof(name), "n%d", i);
        snprintf(value, sizeof(value), "v%d", i * i);
        add(s, name, value);
    }
    assert_int_equal(nrt_fields_count(&s->fields), 500);
    assert_view(nrt_fields_get(&s->fields, "n0"), "v0");
    assert_view(nrt_fields_get(&s->fields, "N499"), "v249001");
}

static void nothing_that_could_inject_a_line_gets_in(void **state) {
    section *s = *state;
    static const struct {
        nrt_str name;
        nrt_str value;
    } bad[] = {
        {{"", 0}, {"v", 1}},          {{"a b", 3}, {"v", 1}},     {{"a:", 2}, {"v", 1}},
        {{"a\r\nb", 4}, {"v", 1}},    {{"a\0b", 3}, {"v", 1}},    {{"\xc3\xa4", 2}, {"v", 1}},
        {{"a", 1}, {"v\r\nB: c", 7}}, {{"a", 1}, {"v\n", 2}},     {{"a", 1}, {"v\r", 2}},
        {{"a", 1}, {"v\0w", 3}},      {{"a", 1}, {" v", 2}},      {{"a", 1}, {"v ", 2}},
        {{"a", 1}, {"\x7f", 1}},      {{"a", 1}, {"\x1b[0m", 4}},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(nrt_fields_add(&s->fields, bad[i].name, bad[i].value), NRT_ERR_FIELD);
        assert_int_equal(nrt_fields_set(&s->fields, bad[i].name, bad[i].value), NRT_ERR_FIELD);
    }
    assert_int_equal(nrt_fields_count(&s->fields), 0);
    add(s, "Latin", "caf\xe9");
    add(s, "Empty", "");
    assert_fields(s, "Latin: caf\xe9|Empty: ");
}

static void setting_replaces_all_of_that_name_in_place(void **state) {
    section *s = *state;
    add(s, "A", "1");
    add(s, "X", "2");
    add(s, "B", "3");
    add(s, "x", "4");
    assert_int_equal(nrt_fields_set(&s->fields, NRT__STR("x"), NRT__STR("new")), 0);
    assert_fields(s, "A: 1|x: new|B: 3");
    assert_int_equal(nrt_fields_set(&s->fields, NRT__STR("C"), NRT__STR("5")), 0);
    assert_fields(s, "A: 1|x: new|B: 3|C: 5");
}

static void a_field_can_be_set_to_its_own_value(void **state) {
    section *s = *state;
    add(s, "A", "same");
    nrt_str value = nrt_fields_get(&s->fields, "A");
    assert_int_equal(nrt_fields_set(&s->fields, NRT__STR("A"), value), 0);
    assert_fields(s, "A: same");
}

static void a_failed_set_changes_nothing(void **state) {
    section *s = *state;
    add(s, "A", "1");
    assert_int_equal(nrt_fields_set(&s->fields, NRT__STR("A"), NRT__STR("\n")), NRT_ERR_FIELD);
    s->arena.limit = s->arena.total;
    assert_int_equal(nrt_fields_set(&s->fields, NRT__STR("A"), NRT__STR("2")), NRT_ERR_MEMORY);
    assert_fields(s, "A: 1");
}

static void removing_tells_how_many_there_were(void **state) {
    section *s = *state;
    add(s, "A", "1");
    add(s, "B", "2");
    add(s, "a", "3");
    assert_int_equal(nrt_fields_remove(&s->fields, "A"), 2);
    assert_fields(s, "B: 2");
    assert_int_equal(nrt_fields_remove(&s->fields, "A"), 0);
    assert_int_equal(nrt_fields_remove(NULL, "A"), 0);
    assert_int_equal(nrt_fields_add(NULL, NRT__STR("A"), NRT__STR("1")), NRT_ERR_USAGE);
    assert_int_equal(nrt_fields_set(NULL, NRT__STR("A"), NRT__STR("1")), NRT_ERR_USAGE);
}

static void there_is_no_field_behind_the_last(void **state) {
    section *s = *state;
    nrt_str name;
    add(s, "A", "1");
    assert_int_equal(nrt_fields_at(&s->fields, 0, NULL, NULL), 0);
    assert_int_equal(nrt_fields_at(&s->fields, 1, &name, NULL), NRT_ERR_USAGE);
    assert_int_equal(nrt_fields_at(NULL, 0, &name, NULL), NRT_ERR_USAGE);
    assert_int_equal(nrt_fields_count(NULL), 0);
}

static void the_table_knows_names_without_case(void **state) {
    (void)state;
    static const struct {
        const char *name;
        unsigned flags;
        uint8_t id;
    } known[] = {
        {"HOST", NRT__FIELD_SINGLETON | NRT__FIELD_KEEP, NRT__HOST},
        {"Content-Length", NRT__FIELD_FRAMING | NRT__FIELD_KEEP, NRT__CONTENT_LENGTH},
        {"transfer-Encoding", NRT__FIELD_FRAMING | NRT__FIELD_HOP | NRT__FIELD_KEEP,
         NRT__TRANSFER_ENCODING},
        {"connection", NRT__FIELD_HOP, NRT__CONNECTION},
        {"TE", NRT__FIELD_HOP, NRT__TE},
        {"Keep-Alive", NRT__FIELD_HOP, NRT__LISTED},
        {"Proxy-Authenticate", NRT__FIELD_HOP, NRT__LISTED},
        {"Proxy-Authorization", NRT__FIELD_HOP, NRT__LISTED},
        {"Proxy-Connection", NRT__FIELD_HOP, NRT__LISTED},
        {"HTTP2-Settings", NRT__FIELD_HOP, NRT__LISTED},
        {"Trailer", NRT__FIELD_HOP, NRT__TRAILER},
        {"Upgrade", NRT__FIELD_HOP, NRT__UPGRADE},
        {"Authorization", NRT__FIELD_KEEP | NRT__FIELD_SINGLETON, NRT__LISTED},
        {"Cookie", NRT__FIELD_KEEP, NRT__LISTED},
        {"Set-Cookie", NRT__FIELD_KEEP, NRT__LISTED},
        {"Client-Cert", NRT__FIELD_KEEP | NRT__FIELD_CLAIM, NRT__CLIENT_CERT},
        {"Client_Cert", NRT__FIELD_CLAIM, NRT__OTHER},
        {"Client-Cert-Chain", NRT__FIELD_CLAIM, NRT__OTHER},
        {"Client-Cer", 0, NRT__OTHER},
        {"nrt-anything", NRT__FIELD_NRT, NRT__OTHER},
        {"NRT-", NRT__FIELD_NRT, NRT__OTHER},
        {"X-Mine", 0, NRT__OTHER},
        {"nrt", 0, NRT__OTHER},
        {"hos", 0, NRT__OTHER},
        {"hostt", 0, NRT__OTHER},
        {"x", 0, NRT__OTHER},
    };
    for (size_t i = 0; i < COUNT(known); i++) {
        uint8_t id;
        uint8_t flags;
        nrt__field_look_up(nrt_str_from(known[i].name), &id, &flags);
        assert_int_equal(id, known[i].id);
        assert_int_equal(flags & ~NRT__FIELD_NO_TRAILER, known[i].flags);
    }
}

static void what_frames_or_routes_may_not_be_a_trailer(void **state) {
    (void)state;
    static const char *const names[] = {"Host",          "Content-Length", "Transfer-Encoding",
                                        "Authorization", "Content-Type",   "Set-Cookie",
                                        "Cache-Control", "Connection",     "NRT-Error"};
    for (size_t i = 0; i < COUNT(names); i++) {
        uint8_t id;
        uint8_t flags;
        nrt__field_look_up(nrt_str_from(names[i]), &id, &flags);
        assert_true(flags & NRT__FIELD_NO_TRAILER);
    }
}

static void lists_are_searched_on_all_their_lines(void **state) {
    section *s = *state;
    add(s, "Connection", "keep-alive, Foo");
    add(s, "connection", "\"a, close\", Upgrade");
    assert_true(nrt__fields_list_has(&s->fields, NRT__CONNECTION, NRT__STR("foo")));
    assert_true(nrt__fields_list_has(&s->fields, NRT__CONNECTION, NRT__STR("UPGRADE")));
    assert_false(nrt__fields_list_has(&s->fields, NRT__CONNECTION, NRT__STR("close")));
    assert_false(nrt__fields_list_has(&s->fields, NRT__TE, NRT__STR("foo")));
}

static void hop_by_hop_fields_and_nominated_ones_are_stripped(void **state) {
    section *s = *state;
    add(s, "X-Private", "1");
    add(s, "Connection", "close, x-private ,X-other");
    add(s, "Keep-Alive", "timeout=5");
    add(s, "Accept", "a");
    add(s, "X-Other", "2");
    add(s, "TE", "trailers");
    add(s, "Upgrade", "h2c");
    add(s, "connection", "X-Late");
    add(s, "x-late", "3");
    add(s, "Proxy-Connection", "keep-alive");
    nrt__fields_strip_hop(&s->fields);
    assert_fields(s, "Accept: a");
}

static void nobody_may_nominate_what_carries_meaning(void **state) {
    section *s = *state;
    add(s, "Connection", "host, content-length, authorization, cookie, content-type, date, via");
    add(s, "Host", "a.nats");
    add(s, "Content-Length", "5");
    add(s, "Authorization", "secret");
    add(s, "Cookie", "c");
    add(s, "Content-Type", "t");
    add(s, "Via", "v");
    add(s, "Date", "d");
    nrt__fields_strip_hop(&s->fields);
    assert_fields(s, "Host: a.nats|Content-Length: 5|Authorization: secret|Cookie: c|"
                     "Content-Type: t|Via: v|Date: d");
}

static void fields_are_dropped_by_what_they_are(void **state) {
    section *s = *state;
    add(s, "NRT-Error", "x");
    add(s, "A", "1");
    add(s, "nrt-id", "y");
    add(s, "Expect", "100-continue");
    nrt__fields_drop(&s->fields, NRT__FIELD_NRT);
    assert_fields(s, "A: 1|Expect: 100-continue");
    nrt__fields_drop_id(&s->fields, NRT__EXPECT);
    assert_fields(s, "A: 1");
}

static void repeated_fields_are_found_one_after_another(void **state) {
    section *s = *state;
    add(s, "Via", "1");
    add(s, "A", "x");
    add(s, "VIA", "2");
    nrt__field *first = nrt__fields_find(&s->fields, NRT__VIA, NULL);
    assert_view(first->value, "1");
    nrt__field *second = nrt__fields_find(&s->fields, NRT__VIA, first);
    assert_view(second->value, "2");
    assert_null(nrt__fields_find(&s->fields, NRT__VIA, second));
    assert_view(nrt__fields_value(&s->fields, NRT__VIA), "1");
    assert_absent(nrt__fields_value(&s->fields, NRT__DATE));
}

static void a_program_may_have_fields_of_its_own(void **state) {
    (void)state;
    nrt_fields *fields = nrt_fields_create();
    assert_non_null(fields);
    assert_int_equal(nrt_fields_count(fields), 0);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(nrt_fields_add(fields, NRT__STR("A"), NRT__STR("1")), 0);
    }
    assert_int_equal(nrt_fields_set(fields, NRT__STR("b"), NRT__STR("2")), 0);
    assert_int_equal(nrt_fields_remove(fields, "a"), 100);
    assert_view(nrt_fields_get(fields, "B"), "2");
    nrt_fields_destroy(fields);
    nrt_fields_destroy(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(fields_keep_their_order_and_case),
        TEST(fields_are_copied),
        TEST(hundreds_of_fields_are_kept),
        TEST(nothing_that_could_inject_a_line_gets_in),
        TEST(setting_replaces_all_of_that_name_in_place),
        TEST(a_field_can_be_set_to_its_own_value),
        TEST(a_failed_set_changes_nothing),
        TEST(removing_tells_how_many_there_were),
        TEST(there_is_no_field_behind_the_last),
        cmocka_unit_test(the_table_knows_names_without_case),
        cmocka_unit_test(what_frames_or_routes_may_not_be_a_trailer),
        TEST(lists_are_searched_on_all_their_lines),
        TEST(hop_by_hop_fields_and_nominated_ones_are_stripped),
        TEST(nobody_may_nominate_what_carries_meaning),
        TEST(fields_are_dropped_by_what_they_are),
        TEST(repeated_fields_are_found_one_after_another),
        cmocka_unit_test(a_program_may_have_fields_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
