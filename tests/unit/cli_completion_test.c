/* What the scripts of `nrt completion` take from the tables of options. */
#include "unit.h"

#include "cli/completion/completion.h"

static nrt__fill fill_of(nrt__opt_kind kind, const char *value) {
    const nrt__opt opt = {.name = "x", .kind = kind, .value = value};
    return nrt__fill_of_option(&opt);
}

static void a_value_is_completed_by_what_the_help_calls_it(void **state) {
    (void)state;
    assert_int_equal(fill_of(NRT__OPT_FLAG, NULL).kind, NRT__FILL_NOTHING);
    assert_int_equal(fill_of(NRT__OPT_HELP, NULL).kind, NRT__FILL_NOTHING);
    assert_int_equal(fill_of(NRT__OPT_STRING, "FILE").kind, NRT__FILL_FILE);
    assert_int_equal(fill_of(NRT__OPT_STRING, "FILE|-").kind, NRT__FILL_FILE);
    assert_int_equal(fill_of(NRT__OPT_LIST, "DATA|@FILE|@-").kind, NRT__FILL_AT_FILE);
    assert_int_equal(fill_of(NRT__OPT_STRING, "CONTEXT").kind, NRT__FILL_CONTEXT);
    assert_int_equal(fill_of(NRT__OPT_LIST, "PATTERN=HOST").kind, NRT__FILL_EQ_HOST);
    assert_int_equal(fill_of(NRT__OPT_STRING, "NAME").kind, NRT__FILL_UNKNOWN);
    assert_int_equal(fill_of(NRT__OPT_STRING, "[ADDR:]PORT|unix:/PATH").kind, NRT__FILL_UNKNOWN);
    assert_int_equal(fill_of(NRT__OPT_SIZE, "SIZE").kind, NRT__FILL_UNKNOWN);
    assert_int_equal(fill_of(NRT__OPT_SET, "a,b").kind, NRT__FILL_SET);
    nrt__fill words = fill_of(NRT__OPT_CHOICE, "text|json");
    assert_int_equal(words.kind, NRT__FILL_WORDS);
    nrt_str word;
    assert_true(nrt__word_next(&words.words, &word));
    assert_view(word, "text");
    assert_true(nrt__word_next(&words.words, &word));
    assert_view(word, "json");
    assert_false(nrt__word_next(&words.words, &word));
}

static void operands_are_those_of_the_usage_line(void **state) {
    (void)state;
    nrt__fill fill;
    const nrt__command one = {.operands = "[HOST]", .max_operands = 1};
    assert_true(nrt__fill_of_operand(&one, 0, &fill));
    assert_int_equal(fill.kind, NRT__FILL_HOST);
    assert_false(nrt__fill_of_operand(&one, 1, &fill));
    assert_int_equal(nrt__fill_turn(&one), 0);
    const nrt__command pairs = {.operands = "HOST TARGET [HOST TARGET]...", .max_operands = 2000};
    for (size_t i = 0; i < 100; i++) {
        assert_true(nrt__fill_of_operand(&pairs, i, &fill));
        assert_int_equal(fill.kind, i % 2 == 0 ? NRT__FILL_HOST : NRT__FILL_UNKNOWN);
    }
    assert_false(nrt__fill_of_operand(&pairs, 2000, &fill));
    const nrt__command said = {
        .operands = "[a | b NAME]", .completes = "a|b CONTEXT", .max_operands = 2};
    assert_true(nrt__fill_of_operand(&said, 0, &fill));
    assert_int_equal(fill.kind, NRT__FILL_WORDS);
    assert_true(nrt__fill_of_operand(&said, 1, &fill));
    assert_int_equal(fill.kind, NRT__FILL_CONTEXT);
    const nrt__command none = {.operands = ""};
    assert_false(nrt__fill_of_operand(&none, 0, &fill));
}

static void a_letter_belongs_to_the_first_that_has_it(void **state) {
    (void)state;
    static const nrt__opt own[] = {{.letter = 's', .name = "silent"}, {.name = "long"}};
    static const nrt__opt common[] = {{.letter = 's', .name = "server"},
                                      {.letter = 'v', .name = "verbose"}};
    const nrt__opt_group groups[] = {{"Own", own, 2, 0}, {"Common", common, 2, 0}};
    const nrt__command command = {.groups = groups, .group_count = 2};
    static const struct {
        const char *name;
        bool letter;
    } expected[] = {
        {"silent", true}, {"long", false}, {"server", false}, {"verbose", true}, {"help", true}};
    nrt__opt_walk walk = {.command = &command};
    bool letter;
    for (size_t i = 0; i < 5; i++) {
        const nrt__opt *opt = nrt__opt_next(&walk, &letter);
        assert_non_null(opt);
        assert_string_equal(opt->name, expected[i].name);
        assert_int_equal(letter, expected[i].letter);
    }
    assert_null(nrt__opt_next(&walk, &letter));
    assert_null(nrt__opt_next(&walk, &letter));
}

static void a_description_is_the_first_half_sentence(void **state) {
    (void)state;
    assert_view(nrt__brief("the method; default: GET"), "the method");
    assert_view(nrt__brief("largest head: 431 beyond"), "largest head");
    assert_view(nrt__brief("its key (PEM); default"), "its key");
    assert_view(nrt__brief("send \"Name: value\"; more"), "send \"Name: value\"");
    assert_view(nrt__brief("say more"), "say more");
    assert_view(nrt__brief(""), "");
}

static void quotes_do_not_end_what_is_quoted(void **state) {
    (void)state;
    char text[64];
    FILE *out = fmemopen(text, sizeof(text), "w");
    assert_non_null(out);
    nrt__quoted_print(out, nrt_str_from("curl's [x] a\\b"), "[]\\");
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, "curl'\\''s \\[x\\] a\\\\b");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_is_completed_by_what_the_help_calls_it),
        cmocka_unit_test(operands_are_those_of_the_usage_line),
        cmocka_unit_test(a_letter_belongs_to_the_first_that_has_it),
        cmocka_unit_test(a_description_is_the_first_half_sentence),
        cmocka_unit_test(quotes_do_not_end_what_is_quoted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
