/* What a client remembers of hosts: the retry budget, and who sends frames. */
#include "unit.h"

#include "core/exchange/peers.h"

enum { HOST = 1000, NOW = 5000000 };

static nrt__peer peers[NRT__PEERS_COUNT];

static int setup(void **state) {
    (void)state;
    memset(peers, 0, sizeof(peers));
    return 0;
}

static nrt__peer *host(int64_t now_ms) {
    return nrt__peers_get(peers, HOST, now_ms);
}

/* How many retries there are before the budget is used up. */
static int take_all(nrt__peer *peer, int64_t now_ms) {
    int count = 0;
    while (count < 1000 && nrt__peer_retry(peer, now_ms)) {
        count++;
    }
    return count;
}

static void a_new_host_has_a_few(void **state) {
    (void)state;
    assert_int_equal(take_all(host(NOW), NOW), 10);
}

static void five_requests_earn_one_retry(void **state) {
    (void)state;
    take_all(host(NOW), NOW);
    for (int i = 0; i < 4; i++) {
        nrt__peer_request(host(NOW));
    }
    assert_false(nrt__peer_retry(host(NOW), NOW));
    nrt__peer_request(host(NOW));
    assert_true(nrt__peer_retry(host(NOW), NOW));
    assert_false(nrt__peer_retry(host(NOW), NOW));
    for (int i = 0; i < 100; i++) {
        nrt__peer_request(host(NOW));
    }
    assert_int_equal(take_all(host(NOW), NOW), 20);
}

/* All requests fail: of many, a fifth is sent again, and the trickle. */
static void an_outage_costs_a_fifth_more(void **state) {
    (void)state;
    int64_t now = NOW;
    int retries = -take_all(host(now), now);
    for (int i = 0; i < 10000; i++) { /* ten seconds */
        now += 1;
        nrt__peer_request(host(now));
        retries += take_all(host(now), now);
    }
    assert_in_range(retries + 10, 2000, 2000 + 31);
}

static void what_is_earned_has_a_cap(void **state) {
    (void)state;
    for (int i = 0; i < 100000; i++) {
        nrt__peer_request(host(NOW));
    }
    assert_int_equal(take_all(host(NOW), NOW), 100);
}

static void time_alone_gives_three_a_second(void **state) {
    (void)state;
    int64_t now = NOW;
    take_all(host(now), now);
    assert_false(nrt__peer_retry(host(now), now + 332));
    assert_true(nrt__peer_retry(host(now), now + 334)); /* the wait was not lost by asking */
    assert_false(nrt__peer_retry(host(now), now + 334));
    now += 334;
    assert_int_equal(take_all(host(now), now + 1000), 3);
    now += 1000;
    assert_int_equal(take_all(host(now), now + 2000), 6);
}

static void time_alone_fills_up_only_so_far(void **state) {
    (void)state;
    take_all(host(NOW), NOW);
    int64_t later = NOW + (int64_t)1000 * 86400 * 365;
    assert_int_equal(take_all(host(later), later), 10);
    for (int i = 0; i < 200; i++) { /* forty */
        nrt__peer_request(host(later));
    }
    assert_int_equal(take_all(host(later), later + 3600000), 40);
}

static void frames_are_expected_for_a_minute(void **state) {
    (void)state;
    assert_false(nrt__peer_is_framed(host(NOW), NOW));
    assert_false(nrt__peer_is_framed(host(0), 0));
    nrt__peer_framed(host(NOW), NOW);
    assert_true(nrt__peer_is_framed(host(NOW), NOW));
    assert_true(nrt__peer_is_framed(host(NOW), NOW + 59999));
    assert_false(nrt__peer_is_framed(host(NOW), NOW + 60000));
    nrt__peer_framed(host(NOW), NOW + 30000);
    assert_true(nrt__peer_is_framed(host(NOW), NOW + 60000));
}

static void hosts_are_told_apart(void **state) {
    (void)state;
    nrt__peer_framed(host(NOW), NOW);
    take_all(host(NOW), NOW);
    nrt__peer *other = nrt__peers_get(peers, HOST + 1, NOW);
    assert_false(nrt__peer_is_framed(other, NOW));
    assert_int_equal(take_all(other, NOW), 10);
    assert_true(nrt__peer_is_framed(host(NOW), NOW));
}

/* Else two of them could have ten retries with each request, for ever. */
static void hosts_of_one_place_share_its_budget(void **state) {
    (void)state;
    uint64_t twin = HOST + NRT__PEERS_COUNT;
    nrt__peer_framed(host(NOW), NOW);
    int retries = 0;
    for (int i = 0; i < 100; i++) {
        retries += take_all(host(NOW), NOW);
        retries += take_all(nrt__peers_get(peers, twin, NOW), NOW);
    }
    assert_int_equal(retries, 10);
    assert_false(nrt__peer_is_framed(nrt__peers_get(peers, twin, NOW), NOW));
    assert_int_equal(take_all(nrt__peers_get(peers, twin, NOW + 1000), NOW + 1000), 3);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_new_host_has_a_few),
        TEST(five_requests_earn_one_retry),
        TEST(an_outage_costs_a_fifth_more),
        TEST(what_is_earned_has_a_cap),
        TEST(time_alone_gives_three_a_second),
        TEST(time_alone_fills_up_only_so_far),
        TEST(frames_are_expected_for_a_minute),
        TEST(hosts_are_told_apart),
        TEST(hosts_of_one_place_share_its_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
