/* The list of NATS servers: as given, and as a server tells; credentials are never repeated. */
#include "unit.h"

#include "lib/servers.h"

static void read_servers(nrt__servers *servers, const char *text) {
    char detail[256] = "";
    memset(servers, 0, sizeof(*servers));
    int error = nrt__servers_read(servers, text, detail, sizeof(detail));
    if (error != 0) {
        fail_msg("%s: %s", text, detail);
    }
}

static void a_server_has_host_and_port(void **state) {
    (void)state;
    static const struct {
        const char *text;
        const char *host;
        int port;
        const char *url;
    } rows[] = {
        {"nats://example.net:4333", "example.net", 4333, "nats://example.net:4333"},
        {"nats://example.net", "example.net", 4222, "nats://example.net:4222"},
        {"NATS://example.net/", "example.net", 4222, "nats://example.net:4222"},
        {"example.net", "example.net", 4222, "nats://example.net:4222"},
        {"example.net:", "example.net", 4222, "nats://example.net:4222"},
        {"192.0.2.7:1", "192.0.2.7", 1, "nats://192.0.2.7:1"},
        {"nats://[2001:db8::7]:65535", "2001:db8::7", 65535, "nats://[2001:db8::7]:65535"},
        {"[::1]", "::1", 4222, "nats://[::1]:4222"},
        {" nats://a ", "a", 4222, "nats://a:4222"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        nrt__servers servers;
        char url[300];
        read_servers(&servers, rows[i].text);
        assert_int_equal(servers.count, 1);
        assert_string_equal(servers.list[0].host, rows[i].host);
        assert_int_equal(servers.list[0].port, rows[i].port);
        assert_null(servers.list[0].user);
        assert_null(servers.list[0].password);
        assert_null(servers.list[0].token);
        assert_false(servers.list[0].told);
        nrt__server_url(&servers.list[0], url, sizeof(url));
        assert_string_equal(url, rows[i].url);
        nrt__servers_free(&servers);
    }
}

static void credentials_come_apart_and_are_decoded(void **state) {
    (void)state;
    nrt__servers servers;
    read_servers(&servers,
                 "nats://me%40x:p%3A%2c%2F%41@h:1,nats://tok%65n@h:2,u:@h:3,nats://a:b:c@h:4");
    assert_int_equal(servers.count, 4);
    assert_string_equal(servers.list[0].user, "me@x");
    assert_string_equal(servers.list[0].password, "p:,/A");
    assert_null(servers.list[0].token);
    assert_string_equal(servers.list[1].token, "token");
    assert_null(servers.list[1].user);
    assert_string_equal(servers.list[2].user, "u");
    assert_string_equal(servers.list[2].password, "");
    assert_string_equal(servers.list[3].password, "b:c");
    char url[300];
    nrt__server_url(&servers.list[0], url, sizeof(url));
    assert_string_equal(url, "nats://h:1");
    nrt__servers_free(&servers);
}

static void several_servers_keep_their_order(void **state) {
    (void)state;
    nrt__servers servers;
    read_servers(&servers, "nats://one, two:5 ,,nats://[::3]:6,");
    assert_int_equal(servers.count, 3);
    assert_string_equal(servers.list[0].host, "one");
    assert_string_equal(servers.list[1].host, "two");
    assert_int_equal(servers.list[1].port, 5);
    assert_string_equal(servers.list[2].host, "::3");
    nrt__servers_free(&servers);
}

static void what_is_not_a_server_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",
        ",",
        " , ",
        "nats://",
        "nats:///",
        "nats://a,nats://",
        "http://a",
        "ws://a",
        "nats://a:0",
        "nats://a:65536",
        "nats://a:b",
        "nats://a/path",
        "nats://a?x",
        "nats://a b",
        "nats://%@a",
        "nats://%4@a",
        "nats://%zz@a",
        "nats://u:%00@a",
        "nats://[::1",
        "nats://a%20b",
        "nats://a%2fb",
        "nats://a%40b",
        "nats://a%0ab",
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        nrt__servers servers = {0};
        char detail[256] = "";
        if (nrt__servers_read(&servers, bad[i], detail, sizeof(detail)) != NRT_ERR_URL) {
            fail_msg("taken: %s", bad[i]);
        }
        assert_string_not_equal(detail, "");
        assert_int_equal(servers.count, 0);
        assert_null(servers.list);
    }
}

/* Decoded, it could be any text: with control characters, or a port of its own. */
static void a_host_with_percent_encoding_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "nats://%61",      "nats://a%2eb:1", "u%40x:p@a%3A5", "a%0ab", "nats://ok,nats://%1b%5b2J",
        "[fe80::1%25eth0]"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        nrt__servers servers = {0};
        char detail[256] = "";
        assert_int_equal(nrt__servers_read(&servers, bad[i], detail, sizeof(detail)), NRT_ERR_URL);
        assert_non_null(strstr(detail, "without %"));
        assert_int_equal(servers.count, 0);
    }
}

static void tls_servers_stand_beside_others(void **state) {
    (void)state;
    nrt__servers servers;
    char url[300];
    read_servers(&servers, "nats://a,TLS://b:4443,c,tls://me:pw@[::1]");
    assert_int_equal(servers.count, 4);
    static const char *const urls[] = {"nats://a:4222", "tls://b:4443", "nats://c:4222",
                                       "tls://[::1]:4222"};
    for (size_t i = 0; i < 4; i++) {
        nrt__server_url(&servers.list[i], url, sizeof(url));
        assert_string_equal(url, urls[i]);
        assert_int_equal(servers.list[i].tls, i % 2);
        assert_null(servers.list[i].tls_name);
    }
    nrt__servers_free(&servers);
}

static const nrt__server *learned(nrt__servers *servers, const char *url, bool tls) {
    static nrt__nats_info info;
    size_t before = servers->count;
    info.url_count = 1;
    strcpy(info.urls[0], url);
    nrt__servers_learn(servers, servers->at, servers->at, &info, tls);
    assert_int_equal(servers->count, before + 1);
    return &servers->list[before];
}

static void what_is_learned_through_tls_keeps_scheme_and_name(void **state) {
    (void)state;
    nrt__servers servers;
    char url[300];
    read_servers(&servers, "tls://one,nats://192.0.2.1");
    const nrt__server *server = learned(&servers, "10.0.0.1:4222", true);
    assert_true(server->tls && server->told);
    assert_string_equal(server->tls_name, "one"); /* clusters tell addresses */
    nrt__server_url(server, url, sizeof(url));
    assert_string_equal(url, "tls://10.0.0.1:4222");
    server = learned(&servers, "two:4222", true);
    assert_true(server->tls);
    assert_null(server->tls_name); /* it has a name of its own */

    servers.at = 2; /* the address: what it tells goes by the same name */
    assert_string_equal(learned(&servers, "10.0.0.2:4222", true)->tls_name, "one");

    servers.at = 1; /* an address that was given has only itself */
    assert_null(learned(&servers, "10.0.0.3:4222", true)->tls_name);
    server = learned(&servers, "10.0.0.4:4222", false);
    assert_false(server->tls);
    assert_null(server->tls_name);
    nrt__servers_free(&servers);
}

static void a_password_is_not_repeated_in_a_message(void **state) {
    (void)state;
    static const char *const bad[] = {"nats://me:hunter2@a:99999", "nats://hunter2@a b",
                                      "nats://me:hunter2%@a", "me:hunter2@",
                                      "nats://ok,nats://hunter2@:1"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        nrt__servers servers = {0};
        char detail[256] = "";
        assert_int_equal(nrt__servers_read(&servers, bad[i], detail, sizeof(detail)), NRT_ERR_URL);
        assert_null(strstr(detail, "hunter2"));
    }
}

static void what_a_server_tells_is_added_once(void **state) {
    (void)state;
    static nrt__nats_info info;
    nrt__servers servers;
    read_servers(&servers, "nats://me:pw@one:4222");
    memset(&info, 0, sizeof(info));
    info.url_count = 5;
    strcpy(info.urls[0], "one:4222");
    strcpy(info.urls[1], "two:4222");
    strcpy(info.urls[2], "one:4333");
    strcpy(info.urls[3], "[::1]:4222");
    strcpy(info.urls[4], "two:4222");
    nrt__servers_learn(&servers, 0, 0, &info, false);
    nrt__servers_learn(&servers, 0, 0, &info, false);
    assert_int_equal(servers.count, 4);
    assert_false(servers.list[0].told);
    assert_string_equal(servers.list[0].user, "me");
    assert_string_equal(servers.list[1].host, "two");
    assert_true(servers.list[1].told);
    assert_null(servers.list[1].user);
    assert_int_equal(servers.list[2].port, 4333);
    assert_string_equal(servers.list[3].host, "::1");
    nrt__servers_free(&servers);
}

static void nonsense_from_a_server_is_passed_over(void **state) {
    (void)state;
    static nrt__nats_info info;
    nrt__servers servers;
    read_servers(&servers, "one");
    memset(&info, 0, sizeof(info));
    info.url_count = 5;
    strcpy(info.urls[0], ":4222");
    strcpy(info.urls[1], "a:0");
    strcpy(info.urls[2], "[::1");
    strcpy(info.urls[3], "");
    strcpy(info.urls[4], "a%3A1:4222");
    nrt__servers_learn(&servers, 0, 0, &info, false);
    assert_int_equal(servers.count, 1);
    nrt__servers_free(&servers);
}

static void the_list_has_a_ceiling(void **state) {
    (void)state;
    static nrt__nats_info info;
    nrt__servers servers;
    read_servers(&servers, "one");
    for (int round = 0; round < 6; round++) {
        memset(&info, 0, sizeof(info));
        info.url_count = NRT__NATS_URLS_MAX;
        for (int i = 0; i < NRT__NATS_URLS_MAX; i++) {
            snprintf(info.urls[i], sizeof(info.urls[i]), "h%d-%d:4222", round, i);
        }
        nrt__servers_learn(&servers, 0, 0, &info, false);
    }
    assert_int_equal(servers.count, NRT__SERVERS_MAX);
    nrt__servers_free(&servers);
}

static void tell(nrt__servers *servers, size_t by, const char *one, const char *other) {
    static nrt__nats_info info;
    memset(&info, 0, sizeof(info));
    info.url_count = other ? 2 : one ? 1 : 0;
    snprintf(info.urls[0], sizeof(info.urls[0]), "%s", one ? one : "");
    snprintf(info.urls[1], sizeof(info.urls[1]), "%s", other ? other : "");
    nrt__servers_learn(servers, by, by, &info, false);
}

/* Where servers come and go by address, as in a cluster of containers, the old ones are not waited
 * for one after the other. */
static void who_is_told_of_no_more_has_gone(void **state) {
    (void)state;
    nrt__servers servers;
    read_servers(&servers, "one,two");
    tell(&servers, 0, "10.0.0.1:4222", "10.0.0.2:4222");
    assert_int_equal(nrt__servers_there(&servers), 4);
    tell(&servers, 0, "10.0.0.2:4222", "one:4222");
    assert_int_equal(servers.count, 4);
    assert_int_equal(nrt__servers_there(&servers), 3);
    assert_true(servers.list[2].gone);
    assert_int_equal(nrt__servers_after(&servers, 1, false), 3);
    assert_int_equal(nrt__servers_after(&servers, 1, true), 2); /* a last resort */
    assert_int_equal(nrt__servers_after(&servers, 3, false), 0);
    tell(&servers, 0, NULL, NULL); /* nothing is said */
    assert_int_equal(nrt__servers_there(&servers), 3);
    tell(&servers, 3, "10.0.0.1:4222", NULL); /* it is back; what was given stays */
    assert_false(servers.list[2].gone);
    assert_true(servers.list[3].gone); /* which need not tell of itself */
    assert_int_equal(nrt__servers_there(&servers), 3);
    nrt__servers_free(&servers);
}

static void where_the_list_is_full_those_that_have_gone_make_room(void **state) {
    (void)state;
    nrt__servers servers;
    read_servers(&servers, "one,two");
    for (int i = 0; i < 2 * NRT__SERVERS_MAX; i++) {
        char url[32];
        snprintf(url, sizeof(url), "h%d:4222", i);
        size_t used = i < 10 ? 0 : 4; /* this one stays */
        servers.at = used;
        tell(&servers, used, url, NULL);
        size_t at = 0;
        while (at < servers.count && strncmp(servers.list[at].host, url, strlen(url) - 5) != 0) {
            at++;
        }
        assert_true(at < servers.count);
        assert_false(servers.list[at].gone);
    }
    assert_int_equal(servers.count, NRT__SERVERS_MAX);
    assert_int_equal(nrt__servers_there(&servers), 3);
    assert_string_equal(servers.list[0].host, "one");
    assert_string_equal(servers.list[1].host, "two");
    assert_string_equal(servers.list[4].host, "h2");
    nrt__servers_free(&servers);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_has_host_and_port),
        cmocka_unit_test(credentials_come_apart_and_are_decoded),
        cmocka_unit_test(several_servers_keep_their_order),
        cmocka_unit_test(what_is_not_a_server_is_refused),
        cmocka_unit_test(tls_servers_stand_beside_others),
        cmocka_unit_test(what_is_learned_through_tls_keeps_scheme_and_name),
        cmocka_unit_test(a_host_with_percent_encoding_is_refused),
        cmocka_unit_test(a_password_is_not_repeated_in_a_message),
        cmocka_unit_test(what_a_server_tells_is_added_once),
        cmocka_unit_test(nonsense_from_a_server_is_passed_over),
        cmocka_unit_test(the_list_has_a_ceiling),
        cmocka_unit_test(who_is_told_of_no_more_has_gone),
        cmocka_unit_test(where_the_list_is_full_those_that_have_gone_make_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
