/* A program that uses libcurl, on NATS by one line: GETs a URL and prints what comes. */
#include <curl/curl.h>
#include <nrt/curl.h>
#include <nrt/nrt.h>
#include <stdio.h>

int main(int argc, char **argv) {
    long status = 0;
    char said[CURL_ERROR_SIZE] = "";
    nrt_conn *conn = nrt_conn_open(NULL, NULL); /* where NATS_URL and the like say */
    CURL *easy = curl_easy_init();
    if (argc != 2 || !conn || !easy) {
        fprintf(stderr, "usage: curl_client URL\n");
        return 2;
    }
    curl_easy_setopt(easy, CURLOPT_URL, argv[1]);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, said);
    nrt_curl_attach(easy, conn); /* the one line: .nats goes by NATS, all else as ever */
    CURLcode code = curl_easy_perform(easy);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK) {
        fprintf(stderr, "%s\n", *said ? said : curl_easy_strerror(code));
    }
    curl_easy_cleanup(easy);
    nrt_conn_destroy(conn);
    return code != CURLE_OK || status >= 400;
}
