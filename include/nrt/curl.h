/* libcurl over NATS: a program that uses libcurl reaches `.nats` hosts with one more line.
 *
 *     curl_easy_setopt(easy, CURLOPT_URL, "http://weather.nats/city");
 *     nrt_curl_attach(easy, conn);            // this one
 *     curl_easy_perform(easy);                // or the multi interface
 *
 * Everything is inline: the library itself does not need libcurl, the program that includes this
 * links it anyway. libcurl speaks HTTP/1.1 over the connection's private socket (nrt/bridge.h), so
 * uploads, keep-alive, timeouts, progress, redirects between .nats hosts and WebSocket work as they
 * do elsewhere. libcurl 7.40 or newer. */
#ifndef NRT_CURL_H
#define NRT_CURL_H

#include <curl/curl.h>
#include <nrt/bridge.h>
#include <strings.h>
#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- ours: not for programs ---- */

/* Whether this URL's host ends in .nats; `url` is changed to http:// where it is. */
static inline bool nrt__curl_settle(CURLU *url) {
    char *host = NULL;
    char *scheme = NULL;
    bool ours = false;
    if (curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
        size_t len = strlen(host);
        ours = len > 5 && strcasecmp(host + len - 5, ".nats") == 0;
    }
    if (ours && curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK) {
        if (strcasecmp(scheme, "https") == 0) { /* the transport's security is NATS's */
            ours = curl_url_set(url, CURLUPART_SCHEME, "http", 0) == CURLUE_OK &&
                   curl_url_set(url, CURLUPART_PORT, NULL, 0) == CURLUE_OK;
        } else {
            ours = strcasecmp(scheme, "http") == 0;
        }
    }
    curl_free(host);
    curl_free(scheme);
    return ours;
}

static inline bool nrt__curl_is_ours(const char *text) {
    CURLU *url = curl_url();
    bool ours =
        url && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK && nrt__curl_settle(url);
    curl_url_cleanup(url);
    return ours;
}

/* Called by libcurl for each new connection: a redirect that leaves .nats must not come here. */
static inline curl_socket_t nrt__curl_open_socket(void *easy, curlsocktype purpose,
                                                  struct curl_sockaddr *address) {
    char *url = NULL;
    (void)purpose;
    if (curl_easy_getinfo((CURL *)easy, CURLINFO_EFFECTIVE_URL, &url) != CURLE_OK || !url ||
        !nrt__curl_is_ours(url)) {
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* ---- the one call ---- */

/* Lets `easy` reach its URL over `conn`, where that URL's host ends in .nats; where it does not,
 * the handle is left as it is (or, if it was attached before, as it was). Call it when CURLOPT_URL
 * is set, and again when another one is: several handles may be attached to one connection, from
 * any threads. Where nobody drives the connection a thread of its own does from now on
 * (nrt_conn_start); who drives it must not block in curl_easy_perform on that thread. A redirect to
 * another host fails with CURLE_COULDNT_CONNECT.
 *
 * It sets CURLOPT_URL (https:// becomes http://), CURLOPT_UNIX_SOCKET_PATH, CURLOPT_PROXY,
 * CURLOPT_OPENSOCKETFUNCTION and CURLOPT_OPENSOCKETDATA. The connection must outlive the handle's
 * transfers. Any thread, as nrt_bridge_path. NRT_ERR_URL (no valid URL is set), NRT_ERR_UNSUPPORTED
 * (this libcurl cannot do one of these), NRT_ERR_USAGE (no handle), NRT_ERR_MEMORY, and the errors
 * of nrt_bridge_path. */
static inline int nrt_curl_attach(CURL *easy, nrt_conn *conn) {
    char *text = NULL;
    const char *path = NULL;
    char *settled = NULL;
    int error = 0;
    CURLU *url = curl_url();
    if (!easy || !url) {
        curl_url_cleanup(url);
        return easy ? NRT_ERR_MEMORY : NRT_ERR_USAGE;
    }
    if (curl_easy_getinfo(easy, CURLINFO_EFFECTIVE_URL, &text) != CURLE_OK || !text ||
        curl_url_set(url, CURLUPART_URL, text, CURLU_DEFAULT_SCHEME | CURLU_NON_SUPPORT_SCHEME) !=
            CURLUE_OK) {
        error = NRT_ERR_URL;
    } else if (!nrt__curl_settle(url)) {
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, (char *)NULL);
        curl_easy_setopt(easy, CURLOPT_PROXY, (char *)NULL);
        curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, (curl_opensocket_callback)NULL);
    } else {
        error = nrt_bridge_path(conn, &path);
        if (error == 0 && (curl_url_get(url, CURLUPART_URL, &settled, 0) != CURLUE_OK ||
                           curl_easy_setopt(easy, CURLOPT_URL, settled) != CURLE_OK)) {
            error = NRT_ERR_MEMORY;
        }
        if (error == 0 &&
            (curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, path) != CURLE_OK ||
             curl_easy_setopt(easy, CURLOPT_PROXY, "") != CURLE_OK || /* nor of the environment */
             curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, nrt__curl_open_socket) !=
                 CURLE_OK ||
             curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, easy) != CURLE_OK)) {
            error = NRT_ERR_UNSUPPORTED;
        }
    }
    curl_free(settled);
    curl_url_cleanup(url);
    return error;
}

#ifdef __cplusplus
}
#endif
#endif
