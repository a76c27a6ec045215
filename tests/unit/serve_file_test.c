/* Files as answers: which are opened, and what is said of them. */
#include "service_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <nrt/http.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/serve_file.h"

static char root[64]; /* holds public/, which is served, and what is not */
static char folder[96];
static int result;

static void put(const char *name, const char *text) {
    char path[160];
    snprintf(path, sizeof(path), "%s/%s", root, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void link_to(const char *target, const char *name) {
    char path[160];
    snprintf(path, sizeof(path), "%s/%s", root, name);
    assert_int_equal(symlink(target, path), 0);
}

static void make(const char *name) {
    char path[160];
    snprintf(path, sizeof(path), "%s/%s", root, name);
    assert_int_equal(mkdir(path, 0700), 0);
}

static int files_setup(void **state) {
    char path[160];
    int error = service_setup(state);
    strcpy(root, "/tmp/nrt-files.XXXXXX");
    if (error || !mkdtemp(root)) {
        return -1;
    }
    snprintf(folder, sizeof(folder), "%s/public", root);
    make("public");
    make("public/sub");
    put("secret", "secret");
    put("public/hello.txt", "0123456789");
    put("public/sub/a b.JSON", "{}");
    put("public/empty", "");
    put("public/.hidden", "hidden");
    link_to("hello.txt", "public/inside");
    link_to("sub", "public/sublink");
    link_to("../secret", "public/outside");
    link_to("..", "public/up");
    link_to("/etc/passwd", "public/absolute");
    link_to("/proc/self/root/etc/passwd", "public/magic");
    link_to("loop", "public/loop");
    snprintf(path, sizeof(path), "%s/fifo", folder);
    return mkfifo(path, 0600);
}

static int remove_one(const char *path, const struct stat *about, int type, struct FTW *where) {
    (void)about, (void)type, (void)where;
    return remove(path);
}

static int files_teardown(void **state) {
    nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    return service_teardown(state);
}

#define FILES_TEST(name) cmocka_unit_test_setup_teardown(name, files_setup, files_teardown)

/* ---- opening ---- */

static bool opens(const char *path, bool stepwise) {
    int at = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_true(at >= 0);
    int file = nrt__file_open_below(at, nrt_str_from(path), stepwise);
    close(at);
    if (file >= 0) {
        close(file);
    }
    return file >= 0;
}

static void nothing_outside_is_opened(void **state) {
    (void)state;
    static const char *const paths[] = {"",
                                        "/",
                                        ".",
                                        "..",
                                        "../secret",
                                        "./hello.txt",
                                        "/hello.txt",
                                        "sub/../../secret",
                                        "sub/..",
                                        "sub//a b.JSON",
                                        "hello.txt/",
                                        "sub/./a b.JSON",
                                        "/etc/passwd",
                                        "outside",
                                        "up/secret",
                                        "up/public/hello.txt",
                                        "absolute",
                                        "magic",
                                        "loop",
                                        ".hidden",
                                        "sub/.hidden",
                                        "hello.txt/x",
                                        "missing",
                                        "missing/x",
                                        "..\\secret"};
    for (size_t i = 0; i < COUNT(paths); i++) {
        if (opens(paths[i], false) || opens(paths[i], true)) {
            fail_msg("%s was opened", paths[i]);
        }
    }
    int at = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(nrt__file_open_below(at, (nrt_str){"hello.txt\0x", 11}, false), -1);
    assert_int_equal(errno, ENOENT);
    close(at);
}

static void what_is_inside_is_opened(void **state) {
    (void)state;
    assert_true(opens("hello.txt", false) && opens("hello.txt", true));
    assert_true(opens("sub/a b.JSON", false) && opens("sub/a b.JSON", true));
    /* Links that stay inside, where the system can tell: qemu, say, has no openat2. */
    bool can = syscall(SYS_openat2, -1, "", NULL, 0) >= 0 || errno != ENOSYS;
    assert_true(opens("inside", false) == can && !opens("inside", true));
    assert_true(opens("sublink/a b.JSON", false) == can && !opens("sublink/a b.JSON", true));
}

static void a_path_longer_than_the_system_takes_is_not_found(void **state) {
    (void)state;
    char path[5000];
    memset(path, 'a', sizeof(path));
    path[sizeof(path) - 1] = '\0';
    assert_false(opens(path, false) || opens(path, true));
    path[4095] = '\0';
    assert_false(opens(path, false) || opens(path, true));
}

/* ---- answering ---- */

static void serve(nrt_exchange *exchange, void *arg) {
    (void)arg;
    char name[256];
    size_t len;
    nrt_str path = nrt_request_path(nrt_exchange_request(exchange));
    assert_int_equal(nrt_percent_decode(path, name, &len), 0);
    result = nrt_exchange_file(exchange, folder, (nrt_str){name + 1, len - 1});
}

/* Asks for a file; `fields` end in CRLF each. */
static void fetch(const char *method, const char *path, const char *fields) {
    char request[900];
    char token[16] = "";
    for (size_t i = 0; method[i]; i++) {
        token[i] = nrt__lower(method[i]);
    }
    snprintf(request, sizeof(request), "%s %s HTTP/1.1\r\nHost: weather.nats\r\n%s\r\n", method,
             path, fields);
    service->handler = serve;
    ask(token, request);
    read_reply_as(strcmp(method, "HEAD") == 0 ? NRT__H1_TO_HEAD : 0);
}

static void a_file_comes_with_its_validators(void **state) {
    (void)state;
    struct stat about;
    char path[160];
    char etag[80];
    snprintf(path, sizeof(path), "%s/hello.txt", folder);
    struct timespec times[2] = {{.tv_sec = 784111777, .tv_nsec = 5}, {784111777, 5}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    assert_int_equal(stat(path, &about), 0);
    fetch("GET", "/hello.txt", "");
    assert_int_equal(result, 0);
    assert_int_equal(r.message.status, 200);
    assert_view(nrt__buf_view(&r.body), "0123456789");
    assert_view(field("Content-Type"), "text/plain; charset=utf-8");
    assert_view(field("Accept-Ranges"), "bytes");
    assert_view(field("Last-Modified"), "Sun, 06 Nov 1994 08:49:37 GMT");
    snprintf(etag, sizeof(etag), "\"a-%llx.%lx\"", (unsigned long long)about.st_mtim.tv_sec,
             (unsigned long)about.st_mtim.tv_nsec);
    assert_view(field("ETag"), etag);
    char fields[200];
    snprintf(fields, sizeof(fields), "If-None-Match: %s\r\n", etag);
    fetch("GET", "/hello.txt", fields);
    assert_int_equal(r.message.status, 304);
    assert_view(field("ETag"), etag);
    assert_int_equal(nrt__buf_len(&r.body), 0);
    assert_absent(field("Content-Type"));
    put("public/hello.txt", "9876543210");
    fetch("GET", "/hello.txt", fields);
    assert_int_equal(r.message.status, 200);
    assert_view(nrt__buf_view(&r.body), "9876543210");
}

static void head_is_told_the_length(void **state) {
    (void)state;
    fetch("HEAD", "/hello.txt", "");
    assert_int_equal(r.message.status, 200);
    assert_view(field("Content-Length"), "10");
    fetch("HEAD", "/empty", "");
    assert_view(field("Content-Length"), "0");
    fetch("HEAD", "/hello.txt", "Range: bytes=0-1\r\n");
    assert_int_equal(r.message.status, 200);
}

static void a_range_is_a_part(void **state) {
    (void)state;
    static const struct {
        const char *range;
        int status;
        const char *content_range;
        const char *body;
    } rows[] = {
        {"bytes=2-4", 206, "bytes 2-4/10", "234"},  {"bytes=-3", 206, "bytes 7-9/10", "789"},
        {"bytes=9-", 206, "bytes 9-9/10", "9"},     {"bytes=0-", 206, "bytes 0-9/10", "0123456789"},
        {"bytes=0-1,3-4", 200, NULL, "0123456789"}, {"lines=0-1", 200, NULL, "0123456789"},
        {"bytes=10-", 416, "bytes */10", NULL},     {"bytes=-0", 416, "bytes */10", NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char fields[100];
        snprintf(fields, sizeof(fields), "Range: %s\r\n", rows[i].range);
        fetch("GET", "/hello.txt", fields);
        assert_int_equal(r.message.status, rows[i].status);
        if (rows[i].content_range) {
            assert_view(field("Content-Range"), rows[i].content_range);
        } else {
            assert_absent(field("Content-Range"));
        }
        if (rows[i].body) {
            assert_view(nrt__buf_view(&r.body), rows[i].body);
        }
    }
    fetch("GET", "/hello.txt", "Range: bytes=2-4\r\nIf-Range: \"other\"\r\n");
    assert_int_equal(r.message.status, 200);
}

static void a_condition_that_fails_is_told(void **state) {
    (void)state;
    fetch("GET", "/hello.txt", "If-Match: \"other\"\r\nRange: bytes=0-1\r\n");
    assert_int_equal(r.message.status, 412);
    assert_view(field("Content-Type"), "application/problem+json");
    assert_true(field("ETag").len > 0);
}

static void what_is_no_regular_file_is_not_found(void **state) {
    (void)state;
    static const char *const paths[] = {"/",        "/sub",     "/sub/",        "/fifo",
                                        "/missing", "/outside", "/..%2fsecret", "/%2e%2e/secret",
                                        "/.hidden"};
    for (size_t i = 0; i < COUNT(paths); i++) {
        fetch("GET", paths[i], "");
        assert_int_equal(result, 0);
        assert_int_equal(r.message.status, 404);
        assert_null(strstr(r.raw, root)); /* where files lie is nobody's business */
    }
}

static void files_are_only_read(void **state) {
    (void)state;
    static const char *const methods[] = {"PUT", "POST", "DELETE"};
    for (size_t i = 0; i < COUNT(methods); i++) {
        fetch(methods[i], "/hello.txt", "Content-Length: 0\r\n");
        assert_int_equal(r.message.status, 405);
        assert_view(field("Allow"), "GET, HEAD");
    }
}

static void types_follow_from_endings(void **state) {
    (void)state;
    fetch("GET", "/sub/a%20b.JSON", "");
    assert_view(field("Content-Type"), "application/json");
    fetch("GET", "/empty", "");
    assert_view(field("Content-Type"), "application/octet-stream");
    assert_view(field("Content-Length"), "0");
}

static void serve_typed(nrt_exchange *exchange, void *arg) {
    (void)arg;
    nrt_fields_set(nrt_exchange_fields(exchange), NRT__STR("Content-Type"), NRT__STR("x/y"));
    nrt_exchange_write(exchange, NRT__STR("what is written before is dropped"));
    result = nrt_exchange_file(exchange, folder, NRT__STR("hello.txt"));
}

static void a_type_that_the_handler_has_set_stays(void **state) {
    (void)state;
    service->handler = serve_typed;
    ask("get", "GET / HTTP/1.1\r\nHost: weather.nats\r\n\r\n");
    read_reply_as(0);
    assert_view(field("Content-Type"), "x/y");
    assert_view(nrt__buf_view(&r.body), "0123456789");
}

static void a_folder_that_is_not_there_is_the_services_fault(void **state) {
    (void)state;
    strcat(folder, "/missing");
    fetch("GET", "/hello.txt", "");
    assert_int_equal(result, NRT_ERR_SYSTEM);
    assert_int_equal(r.message.status, 500);
}

static void what_is_larger_than_an_answer_is_an_error_but_a_range_fits(void **state) {
    (void)state;
    char path[160];
    snprintf(path, sizeof(path), "%s/large", folder);
    put("public/large", "");
    int file = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(file, "yz", 2, ((off_t)1 << 40) - 2), 2); /* sparse */
    close(file);
    fetch("GET", "/large", "");
    assert_int_equal(r.message.status, 502);
    assert_view(field("NRT-Error"), "response-too-large");
    fetch("GET", "/large", "Range: bytes=1099511627774-\r\n");
    assert_int_equal(r.message.status, 206);
    assert_view(field("Content-Range"), "bytes 1099511627774-1099511627775/1099511627776");
    assert_view(nrt__buf_view(&r.body), "yz");
    fetch("HEAD", "/large", "");
    assert_view(field("Content-Length"), "1099511627776");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FILES_TEST(nothing_outside_is_opened),
        FILES_TEST(what_is_inside_is_opened),
        FILES_TEST(a_path_longer_than_the_system_takes_is_not_found),
        FILES_TEST(a_file_comes_with_its_validators),
        FILES_TEST(head_is_told_the_length),
        FILES_TEST(a_range_is_a_part),
        FILES_TEST(a_condition_that_fails_is_told),
        FILES_TEST(what_is_no_regular_file_is_not_found),
        FILES_TEST(files_are_only_read),
        FILES_TEST(types_follow_from_endings),
        FILES_TEST(a_type_that_the_handler_has_set_stays),
        FILES_TEST(a_folder_that_is_not_there_is_the_services_fault),
        FILES_TEST(what_is_larger_than_an_answer_is_an_error_but_a_range_fits),
    };
    return cmocka_run_group_tests(tests, NULL, service_group_teardown);
}
