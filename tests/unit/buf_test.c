/* The buffer: appended at its end, consumed at its start, never above its ceiling. */
#include "unit.h"

#include "core/base/buf.h"

static void what_is_appended_is_there_in_order(void **state) {
    (void)state;
    nrt__buf buf;
    nrt__buf_init(&buf, 1000);
    assert_view(nrt__buf_view(&buf), "");
    assert_true(nrt__buf_lit(&buf, "one "));
    assert_true(nrt__buf_put(&buf, NRT__STR("two ")));
    assert_true(nrt__buf_add(&buf, NULL, 0));
    assert_true(nrt__buf_u64(&buf, UINT64_MAX));
    assert_true(nrt__buf_lit(&buf, " "));
    assert_true(nrt__buf_u64(&buf, 0));
    assert_true(nrt__buf_lit(&buf, " "));
    assert_true(nrt__buf_hex(&buf, UINT64_MAX));
    assert_true(nrt__buf_lit(&buf, " "));
    assert_true(nrt__buf_hex(&buf, 0x1a0));
    assert_true(nrt__buf_printf(&buf, " %s-%d", "three", 3));
    assert_view(nrt__buf_view(&buf), "one two 18446744073709551615 0 ffffffffffffffff 1a0 three-3");
    assert_false(buf.failed);
    nrt__buf_free(&buf);
}

static void exactly_the_ceiling_fits_and_one_more_byte_does_not(void **state) {
    (void)state;
    nrt__buf buf;
    nrt__buf_init(&buf, 8);
    assert_true(nrt__buf_lit(&buf, "12345678"));
    assert_false(buf.failed);
    assert_false(nrt__buf_lit(&buf, "9"));
    assert_true(buf.failed);
    assert_view(nrt__buf_view(&buf), "12345678");
    nrt__buf_free(&buf);
}

static void what_does_not_fit_leaves_nothing_of_itself(void **state) {
    (void)state;
    nrt__buf buf;
    nrt__buf_init(&buf, 6);
    assert_true(nrt__buf_lit(&buf, "1234"));
    assert_false(nrt__buf_lit(&buf, "567"));
    assert_view(nrt__buf_view(&buf), "1234");
    assert_false(nrt__buf_printf(&buf, "%s", "567"));
    assert_false(nrt__buf_u64(&buf, 567));
    assert_false(nrt__buf_hex(&buf, 0x567));
    assert_view(nrt__buf_view(&buf), "1234");
    nrt__buf_free(&buf);
}

static void formatted_text_fills_it_to_the_ceiling_too(void **state) {
    (void)state;
    nrt__buf buf;
    nrt__buf_init(&buf, 8);
    assert_true(nrt__buf_printf(&buf, "%s", "12345678"));
    assert_view(nrt__buf_view(&buf), "12345678");
    nrt__buf_free(&buf);
}

static void consuming_makes_room_under_the_ceiling(void **state) {
    (void)state;
    nrt__buf buf;
    nrt__buf_init(&buf, 8);
    assert_true(nrt__buf_lit(&buf, "12345678"));
    nrt__buf_consume(&buf, 3);
    assert_view(nrt__buf_view(&buf), "45678");
    assert_true(nrt__buf_lit(&buf, "abc"));
    assert_view(nrt__buf_view(&buf), "45678abc");
    assert_false(nrt__buf_lit(&buf, "d"));
    nrt__buf_consume(&buf, 8);
    assert_int_equal(nrt__buf_len(&buf), 0);
    assert_true(nrt__buf_lit(&buf, "new"));
    assert_view(nrt__buf_view(&buf), "new");
    nrt__buf_free(&buf);
}

static void a_length_near_the_largest_does_not_overflow(void **state) {
    (void)state;
    nrt__buf buf;
    nrt__buf_init(&buf, SIZE_MAX / 2);
    assert_true(nrt__buf_lit(&buf, "x"));
    assert_null(nrt__buf_room(&buf, SIZE_MAX));
    assert_null(nrt__buf_room(&buf, SIZE_MAX - 1));
    assert_true(buf.failed);
    assert_view(nrt__buf_view(&buf), "x");
    nrt__buf_free(&buf);
}

/* A queue that is filled and emptied in odd steps, against the same in one flat array. */
static void a_long_queue_keeps_its_order(void **state) {
    (void)state;
    enum { TOTAL = 100000 };
    static unsigned char model[TOTAL];
    nrt__buf buf;
    nrt__buf_init(&buf, 5000);
    size_t in = 0;
    size_t out = 0;
    for (size_t step = 1; out < TOTAL; step++) {
        size_t add = step * 37 % 700;
        add = add > TOTAL - in ? TOTAL - in : add;
        for (size_t i = 0; i < add; i++) {
            model[in + i] = (unsigned char)((in + i) * 31 >> 3);
        }
        if (in - out + add <= 5000) {
            assert_true(nrt__buf_add(&buf, model + in, add));
            in += add;
        }
        size_t take = step * 53 % 700;
        take = take > in - out ? in - out : take;
        assert_int_equal(nrt__buf_len(&buf), in - out);
        assert_memory_equal(nrt__buf_view(&buf).ptr, model + out, take);
        nrt__buf_consume(&buf, take);
        out += take;
    }
    assert_true(buf.size <= 10000);
    nrt__buf_free(&buf);
}

static void room_is_contiguous_and_writable(void **state) {
    (void)state;
    nrt__buf buf;
    nrt__buf_init(&buf, 1 << 20);
    assert_true(nrt__buf_lit(&buf, "head"));
    for (size_t len = 1; len < 5000; len += 611) {
        char *room = nrt__buf_room(&buf, len);
        assert_non_null(room);
        memset(room, 'r', len);
        size_t before = nrt__buf_len(&buf);
        nrt__buf_added(&buf, len);
        assert_int_equal(nrt__buf_len(&buf), before + len);
        assert_memory_equal(nrt__buf_view(&buf).ptr, "headr", 5);
        assert_int_equal(buf.bytes[buf.end - 1], 'r');
    }
    nrt__buf_free(&buf);
}

static void clearing_keeps_memory_and_forgets_the_failure(void **state) {
    (void)state;
    nrt__buf buf;
    nrt__buf_init(&buf, 4);
    assert_true(nrt__buf_lit(&buf, "1234"));
    assert_false(nrt__buf_lit(&buf, "5"));
    const char *memory = buf.bytes;
    nrt__buf_clear(&buf);
    assert_false(buf.failed);
    assert_true(nrt__buf_lit(&buf, "abcd"));
    assert_ptr_equal(buf.bytes, memory);
    assert_view(nrt__buf_view(&buf), "abcd");
    nrt__buf_free(&buf);
}

static void shrinking_gives_back_only_what_is_large(void **state) {
    (void)state;
    nrt__buf buf;
    nrt__buf_init(&buf, 10000);
    assert_true(nrt__buf_lit(&buf, "small"));
    nrt__buf_shrink(&buf, 1024);
    assert_non_null(buf.bytes);
    assert_int_equal(nrt__buf_len(&buf), 0);
    assert_non_null(nrt__buf_room(&buf, 5000));
    nrt__buf_shrink(&buf, 1024);
    assert_null(buf.bytes);
    assert_int_equal(buf.max, 10000);
    assert_true(nrt__buf_lit(&buf, "again"));
    assert_view(nrt__buf_view(&buf), "again");
    nrt__buf_free(&buf);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_appended_is_there_in_order),
        cmocka_unit_test(exactly_the_ceiling_fits_and_one_more_byte_does_not),
        cmocka_unit_test(what_does_not_fit_leaves_nothing_of_itself),
        cmocka_unit_test(formatted_text_fills_it_to_the_ceiling_too),
        cmocka_unit_test(consuming_makes_room_under_the_ceiling),
        cmocka_unit_test(a_length_near_the_largest_does_not_overflow),
        cmocka_unit_test(a_long_queue_keeps_its_order),
        cmocka_unit_test(room_is_contiguous_and_writable),
        cmocka_unit_test(clearing_keeps_memory_and_forgets_the_failure),
        cmocka_unit_test(shrinking_gives_back_only_what_is_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
