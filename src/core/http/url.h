/* URLs (RFC 3986), as far as HTTP over NATS needs them. */
#ifndef NRT__URL_H
#define NRT__URL_H

#include <nrt/error.h>

typedef struct nrt__url {
    nrt_str scheme;   /* as written */
    nrt_str userinfo; /* without the '@'; absent where there is none */
    nrt_str host;     /* as written, brackets and all; not empty */
    nrt_str port;     /* digits, 1 to 65535; absent or empty: the default */
    nrt_str path;     /* "" or begins with '/' */
    nrt_str query;    /* with its '?', or "" */
    nrt_str fragment; /* with its '#', or "" */
} nrt__url;

/* Splits and checks an absolute http: or https: URL: visible ASCII only. Views into `text`.
 * NRT_ERR_URL. */
int nrt__url_parse(nrt_str text, nrt__url *out);

/* Resolves a reference against a base URL (RFC 3986 section 5.2) into `out`, with a NUL.
 * NRT_ERR_URL, also where it does not fit. */
int nrt__url_resolve(nrt_str base, nrt_str reference, char *out, size_t size);

/* Whether a path (with or without a query) has a "." or ".." segment, percent-encoded or not: where
 * a server resolves it, it may lead elsewhere than it seems. */
bool nrt__path_has_dots(nrt_str path);

/* Splits `host[:port]` and checks both (RFC 9110 section 7.2): a name of unreserved characters,
 * sub-delims and %XX, or an IPv6 address in brackets. False where it is not valid. `port` may come
 * out empty. */
bool nrt__authority_split(nrt_str authority, nrt_str *host, nrt_str *port);

#endif
