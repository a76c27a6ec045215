/* What handlers need time and again: queries, forms, cookies; text, JSON and redirects; files; and
 * memory of an exchange's own. Like all that takes an exchange, these are for the thread that has
 * it (nrt/service.h); nothing here blocks but nrt_exchange_file. */
#ifndef NRT_HTTP_H
#define NRT_HTTP_H

#include <nrt/service.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the request --------------------------------------------------------------------------------
 */

/* The target up to its first `?`, as sent: "/city/New%20York". Lives as long as the request. */
NRT_API nrt_str nrt_request_path(const nrt_request *request);

/* The target behind its first `?`, as sent: "units=metric"; the absent string where there is none.
 * Lives as long as the request. */
NRT_API nrt_str nrt_request_query(const nrt_request *request);

/* Undoes percent-encoding (RFC 3986 section 2.1) into `out`, which must have room for text.len
 * bytes and may be text.ptr; *len is what came out, without a NUL. A percent sign without two
 * digits behind it and %00 are refused, and so is a NUL as it is: NRT_ERR_BAD_REQUEST. `+` stays.
 */
NRT_API int nrt_percent_decode(nrt_str text, char *out, size_t *len);

/* Encodes all but unreserved characters, for one segment of a path or one part of a query. Writes a
 * NUL as well: 3 * text.len + 1 bytes are enough. NRT_ERR_USAGE where `size` is too small. */
NRT_API int nrt_percent_encode(nrt_str text, char *out, size_t size);

/* Names and values in the order in which they came, decoded: of a query, a form, or cookies. Lives
 * until the exchange ends, as do the views that it hands out. */
typedef struct nrt_pairs nrt_pairs;

/* Limits of what peers send; beyond them it is NRT_ERR_TOO_LARGE. */
enum {
    NRT_PAIRS_MAX = 256,    /* in a query, form or Cookie */
    NRT_FORM_MAX = 1 << 20, /* bytes of a form */
};

/* How many there are; 0 where `pairs` is NULL. */
NRT_API size_t nrt_pairs_count(const nrt_pairs *pairs);

/* The pair at `index`, from 0; `name` and `value` may be NULL. NRT_ERR_USAGE where there is none.
 */
NRT_API int nrt_pairs_at(const nrt_pairs *pairs, size_t index, nrt_str *name, nrt_str *value);

/* The value of the first pair with this name (compared with case), or the absent string. */
NRT_API nrt_str nrt_pairs_get(const nrt_pairs *pairs, const char *name);

/* The query as `name=value&...` (application/x-www-form-urlencoded, as https://url.spec.whatwg.org
 * has it, but strict): `+` is a space, a part without `=` is a name with an empty value, empty
 * parts are none. *pairs lives until the exchange ends, and is NULL with an error:
 * NRT_ERR_BAD_REQUEST (as nrt_percent_decode), NRT_ERR_TOO_LARGE (more than NRT_PAIRS_MAX),
 * NRT_ERR_MEMORY. nrt_exchange_error answers with what fits. */
NRT_API int nrt_exchange_query(nrt_exchange *exchange, const nrt_pairs **pairs);

/* The body, as a form of that kind. Errors as nrt_exchange_query; NRT_ERR_TOO_LARGE also above
 * NRT_FORM_MAX, NRT_ERR_MEDIA where Content-Type says that it is something else, or nothing;
 * NRT_ERR_STATE where not all of it is there (a service with `streaming`). */
NRT_API int nrt_exchange_form(nrt_exchange *exchange, const nrt_pairs **pairs);

/* The cookies, of all Cookie fields (RFC 6265 section 4.2.1). One whose name is no token, or whose
 * value has characters that are not allowed there, is passed over alone: others may have set it,
 * and must not be able to keep a user out. Quotes around a value are taken off.
 * NRT_ERR_TOO_LARGE, NRT_ERR_MEMORY. */
NRT_API int nrt_exchange_cookies(nrt_exchange *exchange, const nrt_pairs **pairs);

/* ---- the answer ---------------------------------------------------------------------------------
 */

/* nrt_exchange_reply with text/plain in UTF-8. */
NRT_API int nrt_exchange_text(nrt_exchange *exchange, int status, const char *text);

/* nrt_exchange_reply with application/json, which is sent as it is. */
NRT_API int nrt_exchange_json(nrt_exchange *exchange, int status, nrt_str json);

/* Appends to the body what printf would print. NRT_ERR_USAGE where that is 64 KiB or more. Errors
 * as nrt_exchange_write. */
NRT_API int nrt_exchange_printf(nrt_exchange *exchange, const char *format, ...) NRT_PRINTF(2, 3);

/* Appends `text` to the body as a JSON string, with its quotes (RFC 8259 section 7). NRT_ERR_FIELD
 * where it is not UTF-8: then nothing is appended. Errors as nrt_exchange_write. */
NRT_API int nrt_exchange_write_json_string(nrt_exchange *exchange, nrt_str text);

/* Answers with a redirect: 301, 302, 303, 307 or 308 (NRT_ERR_USAGE otherwise) and Location, a URL
 * or a reference of visible ASCII (NRT_ERR_URL otherwise). NRT_ERR_STATE as
 * nrt_exchange_set_status, NRT_ERR_MEMORY. What a peer sent should not decide where it leads. */
NRT_API int nrt_exchange_redirect(nrt_exchange *exchange, int status, const char *location);

/* nrt_exchange_problem with the status and sentence of an NRT_ERR_*, as those that reading the
 * request gives. */
NRT_API int nrt_exchange_error(nrt_exchange *exchange, int error);

/* The status that the answer has so far: for logs. */
NRT_API int nrt_exchange_status(const nrt_exchange *exchange);

/* The bytes that were written to the answer's body; 0 once it has begun to go out in pieces. */
NRT_API size_t nrt_exchange_written(const nrt_exchange *exchange);

/* With which requests from other sites a cookie comes back. */
typedef enum nrt_same_site {
    NRT_SAME_SITE_UNSET = 0,  /* the attribute is not sent: the user agent decides */
    NRT_SAME_SITE_LAX = 1,    /* when the user follows a link */
    NRT_SAME_SITE_STRICT = 2, /* with none */
    NRT_SAME_SITE_NONE = 3,   /* with all; needs `secure` */
} nrt_same_site;

/* A cookie to be set (RFC 6265 section 4.1; SameSite and name prefixes as in its successor's
 * draft). What stands behind the last semicolon is the default. */
typedef struct nrt_cookie {
    size_t size;      /* set by nrt_cookie_init */
    const char *name; /* a token; must be set */
    const char
        *value;       /* visible ASCII without quote, comma, semicolon and backslash; NULL: empty */
    const char *path; /* "/"; NULL: the folder of the request */
    const char *domain;      /* NULL: this host only */
    int64_t max_age_s;       /* 0 deletes it; negative: until the user agent is closed; -1 */
    bool secure;             /* true */
    bool http_only;          /* true */
    nrt_same_site same_site; /* NRT_SAME_SITE_LAX */
} nrt_cookie;

/* Fills in the defaults: a cookie for this host, until the user agent is closed. */
static inline void nrt_cookie_init(nrt_cookie *cookie) {
    memset(cookie, 0, sizeof(*cookie));
    cookie->size = sizeof(*cookie);
    cookie->path = "/";
    cookie->max_age_s = -1;
    cookie->secure = true;
    cookie->http_only = true;
    cookie->same_site = NRT_SAME_SITE_LAX;
}

/* Adds Set-Cookie. NRT_ERR_FIELD for a name, value, path or domain with characters that are not
 * allowed there: nothing is repaired or quoted. NRT_ERR_USAGE for what user agents would refuse:
 * more than 4,096 bytes, SameSite=None without Secure, a name with __Secure- or __Host- without
 * what that demands. NRT_ERR_MEMORY. */
NRT_API int nrt_exchange_set_cookie(nrt_exchange *exchange, const nrt_cookie *cookie);

/* ---- files --------------------------------------------------------------------------------------
 */

/* Answers with the file `path` below the folder `root`. `path` is what a peer asked for, decoded:
 * names with single slashes between. Nothing outside of `root` is opened, whatever `path` and links
 * in the folder say: openat2 sees to it (RESOLVE_BENEATH); where the system has none, links are not
 * followed at all. Only regular files are served, and no name that begins with a dot.
 *
 * GET and HEAD get the file, with ETag (of size and time of change) and Last-Modified; other
 * methods 405. If-Match, If-None-Match, If-Modified-Since and If-Unmodified-Since are answered as
 * RFC 9110 section 13.2.2 has it, and one range of bytes, with If-Range (section 14): 200, 206,
 * 304, 412 or 416. A request for several ranges gets the whole file, which the RFC allows. The type
 * follows from the name's ending, unless the handler has set Content-Type. Without such a file 404.
 *
 * Reads from the disk: where that is slow, serve with workers. What is larger than 128 KiB is sent
 * in pieces as the client takes them: on a worker before this returns; on the connection's thread
 * later, and then the exchange is deferred and ends by itself. A client that takes one message
 * only, and an exchange that was deferred before, get the file whole, or a 502 where it is larger
 * than the answer may be (a range of it may fit). A file that becomes shorter meanwhile breaks the
 * answer off.
 *
 * Returns 0 where an answer was made, of any status. NRT_ERR_USAGE (no `root`), NRT_ERR_SYSTEM
 * (`root` cannot be opened; errno says why), NRT_ERR_MEMORY: then the answer is a 500 or 503. */
NRT_API int nrt_exchange_file(nrt_exchange *exchange, const char *root, nrt_str path);

/* ---- memory -------------------------------------------------------------------------------------
 */

/* Memory that lives until the exchange ends, aligned for any object, not cleared. NULL when out of
 * memory, or above the 16 MiB that handlers may add to an exchange. */
NRT_API void *nrt_exchange_alloc(nrt_exchange *exchange, size_t size);

/* Something a hook leaves for a handler. `key` is any address of the program's own, such as that of
 * a static variable; setting it again replaces. The library neither reads nor frees `data`.
 * NRT_ERR_MEMORY. */
NRT_API int nrt_exchange_set_data(nrt_exchange *exchange, const void *key, void *data);

/* What was left under `key`; NULL where nothing was. */
NRT_API void *nrt_exchange_data(const nrt_exchange *exchange, const void *key);

#ifdef __cplusplus
}
#endif
#endif
