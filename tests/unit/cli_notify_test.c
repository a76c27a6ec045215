/* What goes to a service manager, message by message, on a socket of this test's. When it is sent
 * the programs' own tests show: tests/integration/test_notify.py. */
#include "unit.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/notify.h"

typedef struct manager {
    int fd;
    char name[64]; /* abstract: @ and something of its own */
    char got[4096];
} manager;

static int set_up(void **state) {
    static manager here;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(here.name, sizeof(here.name), "@nrt-notify-test-%ld", (long)getpid());
    memcpy(address.sun_path + 1, here.name + 1, strlen(here.name) - 1);
    here.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (here.fd < 0 ||
        bind(here.fd, (struct sockaddr *)&address,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(here.name))) != 0) {
        return -1;
    }
    *state = &here;
    (void)unsetenv("WATCHDOG_USEC");
    (void)unsetenv("WATCHDOG_PID");
    return setenv("NOTIFY_SOCKET", here.name, 1);
}

static int tear_down(void **state) {
    manager *here = *state;
    return close(here->fd);
}

/* The next message; NULL: there is none. */
static const char *next(manager *here) {
    ssize_t len = recv(here->fd, here->got, sizeof(here->got) - 1, 0);
    if (len < 0) {
        return NULL;
    }
    here->got[len] = '\0';
    return here->got;
}

static void open_notify(nrt__notify *notify) {
    char why[160] = "";
    assert_int_equal(nrt__notify_open(notify, why, sizeof(why)), 0);
    assert_string_equal(why, "");
}

static void without_a_socket_nothing_is_sent(void **state) {
    nrt__notify notify;
    assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
    open_notify(&notify);
    assert_false(nrt__notify_is_open(&notify));
    assert_int_equal(nrt__notify_send(&notify, "READY=1"), 0);
    assert_int_equal(nrt__notify_status(&notify, "text"), 0);
    nrt__notify_close(&notify);
    assert_null(next(*state));
}

static void a_message_is_one_datagram(void **state) {
    nrt__notify notify;
    open_notify(&notify);
    assert_int_equal(nrt__notify_send(&notify, "READY=%d\nSTATUS=%s", 1, "here"), 0);
    assert_string_equal(next(*state), "READY=1\nSTATUS=here");
    assert_null(next(*state));
    nrt__notify_close(&notify);
}

static void a_status_is_one_line_of_utf8(void **state) {
    static const struct {
        const char *text;
        const char *sent;
    } cases[] = {
        {"a\nREADY=1", "STATUS=a READY=1"},
        {"\x1b[2J\x7f", "STATUS= [2J "},
        {"gr\xc3\xbc\xc3\x9f", "STATUS=gr\xc3\xbc\xc3\x9f"},
        {"gr\xc3\xbc\xff", "STATUS=gr???"},
        {"", "STATUS="},
    };
    nrt__notify notify;
    open_notify(&notify);
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(nrt__notify_status(&notify, cases[i].text), 0);
        assert_string_equal(next(*state), cases[i].sent);
    }
    nrt__notify_close(&notify);
}

static void what_is_too_long_is_cut(void **state) {
    char text[5000];
    nrt__notify notify;
    open_notify(&notify);
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(nrt__notify_status(&notify, text), 0);
    assert_int_equal(strlen(next(*state)), strlen("STATUS=") + 511);
    assert_int_equal(nrt__notify_send(&notify, "%s", text), 0);
    assert_int_equal(strlen(next(*state)), 1023);
    nrt__notify_close(&notify);
}

static void a_manager_that_is_gone_is_an_error(void **state) {
    nrt__notify notify;
    (void)state;
    assert_int_equal(setenv("NOTIFY_SOCKET", "@nrt-notify-test-nobody", 1), 0);
    open_notify(&notify);
    assert_int_equal(nrt__notify_send(&notify, "READY=1"), ECONNREFUSED);
    nrt__notify_close(&notify);
}

static void a_name_of_no_socket_is_refused(void **state) {
    static const char *const names[] = {"@", "/", "x", "vsock:2:9999", "unix:/run/notify"};
    char longest[200];
    char why[160];
    nrt__notify notify;
    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_int_equal(setenv("NOTIFY_SOCKET", names[i], 1), 0);
        assert_int_equal(nrt__notify_open(&notify, why, sizeof(why)), -1);
        assert_non_null(strstr(why, "neither a path of a socket nor @ and a name"));
        assert_false(nrt__notify_is_open(&notify));
        nrt__notify_close(&notify);
    }
    memset(longest, 'x', sizeof(longest) - 1);
    longest[0] = '/';
    longest[sizeof(longest) - 1] = '\0';
    assert_int_equal(setenv("NOTIFY_SOCKET", longest, 1), 0);
    assert_int_equal(nrt__notify_open(&notify, why, sizeof(why)), -1);
}

static void the_watchdog_is_fed_twice_in_its_time(void **state) {
    char mine[32];
    (void)snprintf(mine, sizeof(mine), "%ld", (long)getpid());
    const struct {
        const char *usec;
        const char *pid; /* NULL: not set */
        uint64_t every_ms;
    } cases[] = {
        {"30000000", NULL, 15000},
        {"30000000", mine, 15000},
        {"30000000", "1", 0},
        {"30000000", "x", 0},
        {"0", NULL, 0},
        {"100", NULL, 1},
        {"-5", NULL, 0},
        {"", NULL, 0},
        {"99999999999999999999", NULL, 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        nrt__notify notify;
        assert_int_equal(setenv("WATCHDOG_USEC", cases[i].usec, 1), 0);
        (void)unsetenv("WATCHDOG_PID");
        if (cases[i].pid) {
            assert_int_equal(setenv("WATCHDOG_PID", cases[i].pid, 1), 0);
        }
        open_notify(&notify);
        assert_int_equal(notify.watchdog_ms, cases[i].every_ms);
        nrt__notify_close(&notify);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_a_socket_nothing_is_sent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_message_is_one_datagram, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_status_is_one_line_of_utf8, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_too_long_is_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_manager_that_is_gone_is_an_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_name_of_no_socket_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_watchdog_is_fed_twice_in_its_time, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
