/* Dictionaries of structured fields (RFC 8941): what is read, and what is none. */
#include "unit.h"

#include "core/http/sf.h"

/* Members as "key=value;": integers as they are, ?0 and ?1, "strings" as written, tokens. What is
 * no dictionary ends in "!". */
static void read_all(nrt_str text, char *out, size_t size) {
    nrt__sf_member m;
    size_t len = 0;
    int found;
    out[0] = '\0';
    while ((found = nrt__sf_next(&text, &m)) == 1) {
        len += (size_t)snprintf(out + len, size - len, "%.*s=", NRT__ARG(m.key));
        switch (m.kind) {
        case NRT__SF_BOOLEAN:
            len += (size_t)snprintf(out + len, size - len, "?%lld;", (long long)m.number);
            break;
        case NRT__SF_INTEGER:
            len += (size_t)snprintf(out + len, size - len, "%lld;", (long long)m.number);
            break;
        case NRT__SF_TOKEN:
            len += (size_t)snprintf(out + len, size - len, "%.*s;", NRT__ARG(m.text));
            break;
        case NRT__SF_STRING:
            len += (size_t)snprintf(out + len, size - len, "\"%.*s\";", NRT__ARG(m.text));
            break;
        }
    }
    if (found < 0) {
        snprintf(out + len, size - len, "!");
    }
}

/* From memory that ends where the text does: one byte too far is seen by the sanitizers. */
static void assert_reads(const char *text, size_t len, const char *want) {
    char got[512];
    char *exact = malloc(len + (len == 0));
    memcpy(exact, text, len);
    read_all((nrt_str){exact, len}, got, sizeof(got));
    free(exact);
    if (strcmp(got, want) != 0) {
        print_error("of \"%.*s\"\n", (int)len, text);
    }
    assert_string_equal(got, want);
}

typedef struct vector {
    const char *text;
    const char *want;
} vector;

static void assert_all(const vector *vectors, size_t count) {
    for (size_t i = 0; i < count; i++) {
        assert_reads(vectors[i].text, strlen(vectors[i].text), vectors[i].want);
    }
}

static void members_are_read_in_order(void **state) {
    (void)state;
    static const vector vectors[] = {
        {"", ""},
        {"   ", ""},
        {"a=1", "a=1;"},
        {"  a=1  ", "a=1;"},
        {"t=data, n=5", "t=data;n=5;"},
        {"t=data,n=5", "t=data;n=5;"},
        {"t=data \t,\t n=5", "t=data;n=5;"},
        {"v=1, window=262144, timeout=30000", "v=1;window=262144;timeout=30000;"},
        {"a=1, a=2", "a=1;a=2;"}, /* the last one counts: the caller's to see */
        {"*a=1, b-c_d.e*=2, a0=3", "*a=1;b-c_d.e*=2;a0=3;"},
    };
    assert_all(vectors, COUNT(vectors));
}

static void items_have_a_kind(void **state) {
    (void)state;
    static const vector vectors[] = {
        {"a", "a=?1;"},
        {"a, b", "a=?1;b=?1;"},
        {"a=?0, b=?1", "a=?0;b=?1;"},
        {"a=0, b=-0, c=-7, d=007", "a=0;b=0;c=-7;d=7;"},
        {"a=999999999999999", "a=999999999999999;"},
        {"a=-999999999999999", "a=-999999999999999;"},
        {"a=tok, b=T:o/k, c=*x, d=a!#$%&'*+-.^_`|~9", "a=tok;b=T:o/k;c=*x;d=a!#$%&'*+-.^_`|~9;"},
        {"a=\"\", b=\"x, y=1; z\"", "a=\"\";b=\"x, y=1; z\";"},
        {"a=\"\\\"\\\\\"", "a=\"\\\"\\\\\";"},
    };
    assert_all(vectors, COUNT(vectors));
}

static void parameters_are_passed_over(void **state) {
    (void)state;
    static const vector vectors[] = {
        {"a=1;x, b=2", "a=1;b=2;"}, {"a;x=1;y=tok;  z=\"s, t\", b=2", "a=?1;b=2;"},
        {"a=t;x=?0", "a=t;"},       {"a=1;", "!"},
        {"a=1;X=1", "!"},           {"a=1;x=", "!"},
        {"a=1 ;x=1", "!"}, /* no space before it (RFC 8941 section 3.1.2) */
    };
    assert_all(vectors, COUNT(vectors));
}

static void what_is_no_dictionary_is_told(void **state) {
    (void)state;
    static const vector vectors[] = {
        {"=1", "!"},
        {"1a=1", "!"},
        {"A=1", "!"},
        {"-a=1", "!"},
        {"a=", "!"},
        {"a= 1", "!"},
        {"a =1", "!"},
        {"a=1,", "!"},
        {"a=1, ", "!"},
        {",a=1", "!"},
        {"a=1,,b=2", "a=1;!"},
        {"a=1 b=2", "!"},
        {"a=1;;b", "!"},
        {"a=-", "!"},
        {"a=--1", "!"},
        {"a=+1", "!"},
        {"a=1000000000000000", "!"},
        {"a=0000000000000001", "!"},
        {"a=1.5", "!"},
        {"a=1x", "!"},
        {"a=?", "!"},
        {"a=?2", "!"},
        {"a=?10", "!"},
        {"a=\"", "!"},
        {"a=\"x", "!"},
        {"a=\"x\\\"", "!"},
        {"a=\"x\\n\"", "!"},
        {"a=\"\t\"", "!"},
        {"a=\"\x7f\"", "!"},
        {"a=\"\xc3\xa9\"", "!"},
        {"a=(1 2)", "!"},
        {"a=:YQ==:", "!"},
        {"a=@1", "!"},
        {"a=1\r\n", "!"},
        {"ok=1, a=!", "ok=1;!"},
    };
    assert_all(vectors, COUNT(vectors));
    assert_reads("a=1\0", 4, "!");
    assert_reads("a\0b=1", 5, "!");
    assert_reads("\0", 1, "!");
    assert_reads("a=\"\0\"", 5, "!");
    assert_reads("a=t\0", 4, "!");
}

/* Whatever is cut off: no member is read that is not there, and nothing behind the end. */
static void every_beginning_is_read_safely(void **state) {
    (void)state;
    static const char text[] = "t=data, n=5;x=\"y\\\"\"; z, b=?1, s=\"a, b\", c=-12";
    static const vector whole = {text, "t=data;n=5;b=?1;s=\"a, b\";c=-12;"};
    assert_all(&whole, 1);
    for (size_t len = 0; len < sizeof(text) - 1; len++) {
        char got[512];
        char *exact = malloc(len + (len == 0));
        memcpy(exact, text, len);
        read_all((nrt_str){exact, len}, got, sizeof(got));
        free(exact);
        size_t same = strlen(got);
        assert_true(same > 0 || len == 0);
        if (same > 0 && got[same - 1] == '!') {
            assert_memory_equal(got, whole.want, same - 1);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_read_in_order),
        cmocka_unit_test(items_have_a_kind),
        cmocka_unit_test(parameters_are_passed_over),
        cmocka_unit_test(what_is_no_dictionary_is_told),
        cmocka_unit_test(every_beginning_is_read_safely),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
