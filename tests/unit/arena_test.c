/* The arena: pieces that never move, are aligned, are bounded, and go all at once. */
#include "unit.h"

#include <stdalign.h>

#include "core/base/arena.h"

static void pieces_are_aligned_and_do_not_overlap(void **state) {
    (void)state;
    nrt__arena arena = {0};
    unsigned char *pieces[200];
    for (size_t i = 0; i < 200; i++) {
        size_t size = i * 7 % 97 + 1;
        pieces[i] = nrt__arena_get(&arena, size);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % alignof(max_align_t), 0);
        memset(pieces[i], (int)i, size);
    }
    for (size_t i = 0; i < 200; i++) {
        size_t size = i * 7 % 97 + 1;
        for (size_t j = 0; j < size; j++) {
            assert_int_equal(pieces[i][j], i);
        }
    }
    nrt__arena_free(&arena);
}

static void a_piece_larger_than_a_block_gets_its_own(void **state) {
    (void)state;
    nrt__arena arena = {0};
    char *small = nrt__arena_get(&arena, 10);
    memcpy(small, "123456789", 10);
    char *large = nrt__arena_get(&arena, 1 << 20);
    assert_non_null(large);
    memset(large, 'x', 1 << 20);
    assert_string_equal(small, "123456789");
    nrt__arena_free(&arena);
}

static void the_limit_bounds_the_sum_of_what_is_handed_out(void **state) {
    (void)state;
    nrt__arena arena = {.limit = 100};
    assert_non_null(nrt__arena_get(&arena, 60));
    assert_null(nrt__arena_get(&arena, 41));
    assert_non_null(nrt__arena_get(&arena, 40));
    assert_null(nrt__arena_get(&arena, 1));
    nrt__arena_free(&arena);
}

static void a_size_near_the_largest_does_not_overflow(void **state) {
    (void)state;
    nrt__arena arena = {.limit = SIZE_MAX};
    assert_non_null(nrt__arena_get(&arena, 16));
    assert_null(nrt__arena_get(&arena, SIZE_MAX - 8));
    nrt__arena_free(&arena);

    nrt__arena usual = {0};
    assert_null(nrt__arena_get(&usual, SIZE_MAX));
    nrt__arena_free(&usual);
}

static void without_a_limit_64_mib_is_the_ceiling(void **state) {
    (void)state;
    nrt__arena arena = {0};
    assert_null(nrt__arena_get(&arena, (64u << 20) + 1));
    assert_non_null(nrt__arena_get(&arena, 64u << 20));
    assert_null(nrt__arena_get(&arena, 1));
    nrt__arena_free(&arena);
}

static void what_is_expected_gets_no_more_than_it_needs(void **state) {
    (void)state;
    nrt__arena arena = {0};
    nrt__arena_expect(&arena, 96);
    char *first = nrt__arena_get(&arena, 33);
    char *second = nrt__arena_get(&arena, 48);
    assert_ptr_equal(second, first + 48);
    memset(second, 'x', 48);
    char *third = nrt__arena_get(&arena, 1); /* more than was expected */
    assert_non_null(third);
    nrt__arena_expect(&arena, 5000); /* it has memory already */
    char *fourth = nrt__arena_get(&arena, 2000);
    assert_ptr_equal(fourth, third + 16);
    nrt__arena_reset(&arena);
    assert_ptr_equal(nrt__arena_get(&arena, 2048), third); /* the larger block is kept */
    nrt__arena_free(&arena);
}

static void a_reset_forgets_the_sum_and_keeps_the_first_block(void **state) {
    (void)state;
    nrt__arena arena = {.limit = 8192};
    void *first = nrt__arena_get(&arena, 100);
    assert_non_null(nrt__arena_get(&arena, 4000));
    assert_null(nrt__arena_get(&arena, 8000));
    nrt__arena_reset(&arena);
    assert_int_equal(arena.total, 0);
    assert_int_equal(arena.limit, 8192);
    assert_ptr_equal(nrt__arena_get(&arena, 100), first);
    nrt__arena_free(&arena);
}

static void a_reset_gives_back_a_large_first_block(void **state) {
    (void)state;
    nrt__arena arena = {0};
    assert_non_null(nrt__arena_get(&arena, 1 << 20));
    nrt__arena_reset(&arena);
    assert_null(arena.blocks);
    assert_non_null(nrt__arena_get(&arena, 1));
    nrt__arena_free(&arena);
}

static void a_copy_ends_in_nul(void **state) {
    (void)state;
    nrt__arena arena = {0};
    char text[] = "weather";
    nrt_str copy = nrt__arena_copy(&arena, (nrt_str){text, 4});
    memset(text, '!', 7);
    assert_view(copy, "weat");
    assert_int_equal(copy.ptr[4], '\0');
    nrt__arena_free(&arena);
}

static void a_copy_of_nothing_is_present_and_empty(void **state) {
    (void)state;
    nrt__arena arena = {0};
    nrt_str copy = nrt__arena_copy(&arena, (nrt_str){NULL, 0});
    assert_non_null(copy.ptr);
    assert_string_equal(copy.ptr, "");
    assert_int_equal(copy.len, 0);
    nrt__arena_free(&arena);
}

static void a_copy_that_does_not_fit_is_absent(void **state) {
    (void)state;
    nrt__arena arena = {.limit = 4};
    assert_absent(nrt__arena_copy(&arena, NRT__STR("four")));
    assert_view(nrt__arena_copy(&arena, NRT__STR("fou")), "fou");
    nrt__arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_aligned_and_do_not_overlap),
        cmocka_unit_test(a_piece_larger_than_a_block_gets_its_own),
        cmocka_unit_test(the_limit_bounds_the_sum_of_what_is_handed_out),
        cmocka_unit_test(a_size_near_the_largest_does_not_overflow),
        cmocka_unit_test(without_a_limit_64_mib_is_the_ceiling),
        cmocka_unit_test(what_is_expected_gets_no_more_than_it_needs),
        cmocka_unit_test(a_reset_forgets_the_sum_and_keeps_the_first_block),
        cmocka_unit_test(a_reset_gives_back_a_large_first_block),
        cmocka_unit_test(a_copy_ends_in_nul),
        cmocka_unit_test(a_copy_of_nothing_is_present_and_empty),
        cmocka_unit_test(a_copy_that_does_not_fit_is_absent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
