/* libcurl over NATS in ways that curl's own examples do not show.
 *
 *     curl_client SERVER get URL...        one handle for all; "STATUS BODY" each
 *     curl_client SERVER again URL N       N transfers; how many connections they took
 *     curl_client SERVER timeout URL MS    with CURLOPT_TIMEOUT_MS
 *     curl_client SERVER threads URL N     50 transfers on each of N threads, each with its handle
 */
#include "check.h"

#include <nrt/curl.h>
#include <pthread.h>

static nrt_conn *conn;

static size_t keep(char *bytes, size_t size, size_t count, void *arg) {
    char *body = arg;
    size_t len = strlen(body);
    CHECK(len + size * count < 4096);
    memcpy(body + len, bytes, size * count);
    body[len + size * count] = '\0';
    return size * count;
}

static int get(CURL *easy, const char *url, char body[4096]) {
    char said[CURL_ERROR_SIZE] = "";
    char *last = NULL;
    body[0] = '\0';
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, keep);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, body);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, said);
    int error = nrt_curl_attach(easy, conn);
    if (error < 0) {
        printf("%s\n", nrt_error_text(error));
        return 1;
    }
    CURLcode code = curl_easy_perform(easy);
    if (code != CURLE_OK) {
        curl_easy_getinfo(easy, CURLINFO_EFFECTIVE_URL, &last);
        printf("%d %s %s\n", (int)code, said, last);
        return 1;
    }
    return 0;
}

static void *many(void *arg) {
    static const char *const paths[] = {"a", "b", "c"};
    char body[4096];
    CURL *easy = curl_easy_init();
    for (int i = 0; i < 50; i++) {
        char url[256];
        snprintf(url, sizeof(url), "%s%s", (const char *)arg, paths[i % 3]);
        CHECK_INT(get(easy, url, body), 0);
        CHECK(strcmp(body + 1, paths[i % 3]) == 0);
    }
    curl_easy_cleanup(easy);
    return NULL;
}

int main(int argc, char **argv) {
    char body[4096];
    int failed = 0;
    long status;
    CHECK(argc >= 4);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    conn = open_conn(argv[1]);
    CURL *easy = curl_easy_init();
    if (strcmp(argv[2], "get") == 0) {
        for (int i = 3; i < argc && !failed; i++) {
            failed = get(easy, argv[i], body);
            if (!failed) {
                curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
                printf("%ld %s\n", status, body);
            }
        }
    } else if (strcmp(argv[2], "again") == 0) {
        long made = 0;
        for (int i = 0; i < atoi(argv[4]); i++) {
            long now;
            CHECK_INT(get(easy, argv[3], body), 0);
            curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &now);
            made += now;
        }
        printf("%s transfers, %ld connections\n", argv[4], made);
    } else if (strcmp(argv[2], "timeout") == 0) {
        curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, atol(argv[4]));
        failed = get(easy, argv[3], body);
    } else {
        pthread_t threads[64];
        int count = atoi(argv[4]);
        for (int i = 0; i < count; i++) {
            CHECK_INT(pthread_create(&threads[i], NULL, many, argv[3]), 0);
        }
        for (int i = 0; i < count; i++) {
            CHECK_INT(pthread_join(threads[i], NULL), 0);
        }
        printf("%d answers\n", count * 50);
    }
    curl_easy_cleanup(easy);
    nrt_conn_destroy(conn);
    curl_global_cleanup();
    return failed;
}
