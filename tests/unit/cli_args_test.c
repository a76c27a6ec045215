/* The command line: what the tables say is what is parsed, and what is wrong is told with a hint.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "cli/args.h"

typedef struct shared_options {
    const char *server;
    bool verbose;
} shared_options;

typedef struct test_options {
    int before; /* so that no offset is 0 by luck */
    shared_options shared;
    const char *method;
    nrt__arg_list data;
    bool silent;
    bool fail;
    uint32_t timeout_ms;
    size_t limit;
    unsigned count;
    int format;
    unsigned words;
} test_options;

#define FIELD(name) offsetof(test_options, name)

static const nrt__opt own_opts[] = {
    {.letter = 'X',
     .name = "request",
     .value = "METHOD",
     .kind = NRT__OPT_STRING,
     .offset = FIELD(method),
     .help = "the method"},
    {.letter = 'd',
     .name = "data",
     .value = "DATA",
     .kind = NRT__OPT_LIST,
     .offset = FIELD(data),
     .help = "a body"},
    {.name = "data-raw",
     .value = "DATA",
     .kind = NRT__OPT_LIST,
     .offset = FIELD(data),
     .help = "a body as it is"},
    {.letter = 's',
     .name = "silent",
     .kind = NRT__OPT_FLAG,
     .offset = FIELD(silent),
     .help = "say nothing"},
    {.letter = 'f',
     .name = "fail",
     .kind = NRT__OPT_FLAG,
     .offset = FIELD(fail),
     .help = "fail on errors"},
    {.name = "timeout",
     .value = "DURATION",
     .kind = NRT__OPT_DURATION,
     .offset = FIELD(timeout_ms),
     .min = 1,
     .max = 60000,
     .help = "how long"},
    {.name = "limit",
     .value = "SIZE",
     .kind = NRT__OPT_SIZE,
     .offset = FIELD(limit),
     .help = "how much"},
    {.name = "count",
     .value = "N",
     .kind = NRT__OPT_NUMBER,
     .offset = FIELD(count),
     .min = 1,
     .max = 9,
     .help = "how many"},
    {.name = "log",
     .value = "text|json",
     .kind = NRT__OPT_CHOICE,
     .offset = FIELD(format),
     .help = "how it is written"},
    {.name = "on",
     .value = "one,two-words,three",
     .kind = NRT__OPT_SET,
     .offset = FIELD(words),
     .help = "after what"},
};

static const nrt__opt shared_opts[] = {
    {.name = "server",
     .value = "URL",
     .kind = NRT__OPT_STRING,
     .offset = offsetof(shared_options, server),
     .help = "which one"},
    {.letter = 'v',
     .name = "verbose",
     .kind = NRT__OPT_FLAG,
     .offset = offsetof(shared_options, verbose),
     .help = "say more"},
};

static const nrt__opt_group groups[] = {
    {"Own", own_opts, sizeof(own_opts) / sizeof(own_opts[0]), 0},
    {"Shared", shared_opts, sizeof(shared_opts) / sizeof(shared_opts[0]), FIELD(shared)},
};

static const nrt__command command = {
    .name = "try",
    .summary = "be tested",
    .operands = "URL",
    .about = "One paragraph.",
    .groups = groups,
    .group_count = 2,
    .min_operands = 1,
    .max_operands = 2,
    .options_size = sizeof(test_options),
};

/* A parse and all that came of it. */
typedef struct parse {
    test_options options;
    nrt__operands operands;
    char why[256];
    nrt__args_outcome outcome;
} parse;

static int setup(void **state) {
    *state = calloc(1, sizeof(parse));
    return *state ? 0 : -1;
}

static int teardown(void **state) {
    parse *p = *state;
    nrt__args_finish(&command, &p->options, &p->operands);
    free(p);
    return 0;
}

static void run(parse *p, const char *const words[]) {
    int count = 0;
    while (words[count]) {
        count++;
    }
    nrt__args_finish(&command, &p->options, &p->operands);
    p->options = (test_options){0};
    p->outcome = nrt__args_parse(&command, count, (char *const *)words, &p->options, &p->operands,
                                 p->why, sizeof(p->why));
}

#define RUN(p, ...) run((p), (const char *const[]){__VA_ARGS__, NULL})

static void which_options_were_given_is_known(void **state) {
    parse *p = *state;
    RUN(p, "u", "-sd", "x", "--data=y", "--count", "3", "--verbose");
    assert_int_equal(p->outcome, NRT__ARGS_RUN);
    assert_true(nrt__args_given(&p->operands, &own_opts[1]));
    assert_true(nrt__args_given(&p->operands, &shared_opts[1]));
    assert_false(nrt__args_given(&p->operands, &own_opts[0]));
    assert_int_equal(p->operands.given_count, 5);
    RUN(p, "u");
    assert_int_equal(p->operands.given_count, 0);
}

static void every_way_to_write_an_option_is_understood(void **state) {
    parse *p = *state;
    RUN(p, "-X", "PUT", "u");
    assert_int_equal(p->outcome, NRT__ARGS_RUN);
    assert_string_equal(p->options.method, "PUT");
    RUN(p, "-XPUT", "u");
    assert_string_equal(p->options.method, "PUT");
    RUN(p, "--request", "PUT", "u");
    assert_string_equal(p->options.method, "PUT");
    RUN(p, "--request=PUT", "u");
    assert_string_equal(p->options.method, "PUT");
    RUN(p, "--request=", "u");
    assert_string_equal(p->options.method, "");
    RUN(p, "-sfXPUT", "u");
    assert_string_equal(p->options.method, "PUT");
    assert_true(p->options.silent && p->options.fail);
    RUN(p, "-sfX", "PUT", "u");
    assert_string_equal(p->options.method, "PUT");
    RUN(p, "u", "-X", "A", "-X", "B");
    assert_string_equal(p->options.method, "B");
}

static void options_of_a_shared_group_land_in_the_embedded_struct(void **state) {
    parse *p = *state;
    RUN(p, "-v", "--server", "nats://x", "u");
    assert_int_equal(p->outcome, NRT__ARGS_RUN);
    assert_true(p->options.shared.verbose);
    assert_string_equal(p->options.shared.server, "nats://x");
    assert_int_equal(p->options.before, 0);
}

static void lists_keep_order_and_tell_which_option_an_item_came_with(void **state) {
    parse *p = *state;
    RUN(p, "-d", "a", "--data-raw", "@b", "u", "-dc");
    assert_int_equal(p->outcome, NRT__ARGS_RUN);
    assert_int_equal(p->options.data.count, 3);
    assert_string_equal(p->options.data.items[0].value, "a");
    assert_string_equal(p->options.data.items[1].value, "@b");
    assert_string_equal(p->options.data.items[1].opt->name, "data-raw");
    assert_string_equal(p->options.data.items[2].value, "c");
}

static void operands_mix_with_options_and_two_dashes_end_these(void **state) {
    parse *p = *state;
    RUN(p, "a", "-s", "b");
    assert_int_equal(p->outcome, NRT__ARGS_RUN);
    assert_int_equal(p->operands.count, 2);
    RUN(p, "--", "-s", "-");
    assert_int_equal(p->outcome, NRT__ARGS_RUN);
    assert_false(p->options.silent);
    assert_string_equal(p->operands.items[0], "-s");
    assert_string_equal(p->operands.items[1], "-");
    RUN(p, "-X", "--", "u"); /* a value may look like an option, as for curl */
    assert_string_equal(p->options.method, "--");
}

static void values_are_read_by_their_kind_and_range(void **state) {
    parse *p = *state;
    RUN(p, "--timeout", "2s", "--limit", "1k", "--count", "9", "--log", "json", "u");
    assert_int_equal(p->outcome, NRT__ARGS_RUN);
    assert_int_equal(p->options.timeout_ms, 2000);
    assert_int_equal(p->options.limit, 1024);
    assert_int_equal(p->options.count, 9);
    assert_int_equal(p->options.format, 1);
    RUN(p, "--timeout", "5", "u");
    assert_int_equal(p->outcome, NRT__ARGS_ERROR);
    assert_string_equal(p->why, "--timeout: \"5\" has no unit: write 5s for seconds or 5ms for "
                                "milliseconds");
    RUN(p, "--timeout=0s", "u");
    assert_string_equal(p->why, "--timeout: \"0s\" is too small: at least 1 ms");
    RUN(p, "--timeout=2m", "u");
    assert_string_equal(p->why, "--timeout: \"2m\" is too large: at most 60000 ms");
    RUN(p, "--count=10", "u");
    assert_string_equal(p->why, "--count: \"10\" is too large: at most 9");
    RUN(p, "--count=-1", "u");
    assert_string_equal(p->why, "--count: \"-1\" is not a number");
    RUN(p, "--count=99999999999999999999", "u");
    assert_string_equal(p->why, "--count: \"99999999999999999999\" is too large");
    RUN(p, "--log", "xml", "u");
    assert_string_equal(p->why, "--log: \"xml\" is not one of text|json");
    RUN(p, "--log", "jso", "u");
    assert_int_equal(p->outcome, NRT__ARGS_ERROR);
}

static void a_set_has_a_bit_for_each_word_and_takes_no_other(void **state) {
    parse *p = *state;
    RUN(p, "--on", "one", "u");
    assert_int_equal(p->outcome, NRT__ARGS_RUN);
    assert_int_equal(p->options.words, 1);
    RUN(p, "--on=three,one", "u");
    assert_int_equal(p->options.words, 5);
    RUN(p, "--on=two-words,two-words", "u");
    assert_int_equal(p->options.words, 2);
    RUN(p, "--on=one", "--on=three", "u");
    assert_int_equal(p->options.words, 4);
    const char *wrong[] = {"", "two", "one,", ",one", "one,,three", "one,two-words,four", "ONE"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char text[128];
        RUN(p, "--on", wrong[i], "u");
        assert_int_equal(p->outcome, NRT__ARGS_ERROR);
        (void)snprintf(text, sizeof(text),
                       "--on: \"%s\" is not made of the words one,two-words,three, with commas "
                       "between",
                       wrong[i]);
        assert_string_equal(p->why, text);
    }
}

static void unknown_options_are_errors_that_suggest(void **state) {
    parse *p = *state;
    RUN(p, "--verbos", "u");
    assert_int_equal(p->outcome, NRT__ARGS_ERROR);
    assert_string_equal(p->why, "unknown option --verbos; did you mean --verbose?");
    RUN(p, "--sevrer=x", "u");
    assert_string_equal(p->why, "unknown option --sevrer; did you mean --server?");
    RUN(p, "--hlep");
    assert_string_equal(p->why, "unknown option --hlep; did you mean --help?");
    RUN(p, "--frobnicate", "u");
    assert_string_equal(p->why, "unknown option --frobnicate");
    RUN(p, "-q", "u");
    assert_string_equal(p->why, "unknown option -q");
    RUN(p, "-verbose", "u"); /* -v is known, -e is not */
    assert_string_equal(p->why, "unknown option -e in -verbose; did you mean --verbose?");
    RUN(p, "--request-that-has-a-very-long-name-and-goes-on-for-ever-and-ever", "u");
    assert_int_equal(p->outcome, NRT__ARGS_ERROR);
}

static void missing_and_unwanted_values_are_errors(void **state) {
    parse *p = *state;
    RUN(p, "u", "-X");
    assert_string_equal(p->why, "-X needs a value: -X METHOD");
    RUN(p, "u", "--request");
    assert_string_equal(p->why, "--request needs a value: --request METHOD");
    RUN(p, "u", "--silent=yes");
    assert_string_equal(p->why, "--silent takes no value");
}

static void operands_are_counted(void **state) {
    parse *p = *state;
    RUN(p, "-s");
    assert_int_equal(p->outcome, NRT__ARGS_ERROR);
    assert_string_equal(p->why, "missing: URL");
    RUN(p, "a", "b", "c");
    assert_string_equal(p->why, "unexpected argument \"c\"");
}

static void help_wins_over_what_is_missing(void **state) {
    parse *p = *state;
    RUN(p, "--help");
    assert_int_equal(p->outcome, NRT__ARGS_HELP);
    RUN(p, "-sh");
    assert_int_equal(p->outcome, NRT__ARGS_HELP);
}

static void the_help_names_every_option_that_is_parsed(void **state) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    (void)state;
    assert_non_null(out);
    /* A memory stream has no descriptor: width and colours are those of no terminal. */
    nrt__args_help(&command, "nrt", out);
    assert_int_equal(fclose(out), 0);
    assert_non_null(strstr(text, "Usage: nrt try [OPTION]... URL\n"));
    for (size_t g = 0; g < command.group_count; g++) {
        for (size_t i = 0; i < command.groups[g].count; i++) {
            char name[64];
            (void)snprintf(name, sizeof(name), "--%s", command.groups[g].opts[i].name);
            assert_non_null(strstr(text, name));
            assert_non_null(strstr(text, command.groups[g].opts[i].help));
        }
    }
    assert_non_null(strstr(text, "  -h, --help"));
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(which_options_were_given_is_known),
        TEST(every_way_to_write_an_option_is_understood),
        TEST(options_of_a_shared_group_land_in_the_embedded_struct),
        TEST(lists_keep_order_and_tell_which_option_an_item_came_with),
        TEST(operands_mix_with_options_and_two_dashes_end_these),
        TEST(values_are_read_by_their_kind_and_range),
        TEST(a_set_has_a_bit_for_each_word_and_takes_no_other),
        TEST(unknown_options_are_errors_that_suggest),
        TEST(missing_and_unwanted_values_are_errors),
        TEST(operands_are_counted),
        TEST(help_wins_over_what_is_missing),
        cmocka_unit_test(the_help_names_every_option_that_is_parsed),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
