/* What every other public header stands on: the export mark, the version, and counted strings.
 *
 * What holds in all of them, where a comment says nothing else:
 *
 * - Times are milliseconds, sizes bytes. Strings end in NUL and are UTF-8.
 * - Pointers must not be NULL, but for the `arg` of a callback, which is handed on as it is.
 * - A function that can fail returns 0 or a negative NRT_ERR_*, and then it has done nothing.
 *   The object, id or count that it should have given is then NULL or 0.
 * - What it was given it has copied, or does not need any more, when it returns. A callback and
 *   what its `arg` points to must live as long as it may be called.
 * - What nrt_*_create or nrt_*_open made, and what a comment says that the caller owns, ends
 *   with its nrt_*_destroy, which takes NULL. All else belongs to the library.
 * - Functions that take a connection, a service or an exchange are for one thread (nrt/conn.h,
 *   nrt/service.h). All others may be called on any thread, on one object by one thread at a time.
 * - A struct that begins with `size` is filled in by its nrt_*_init, then changed; one that has no
 *   such function (tables of callbacks, and what the library fills in) gets its sizeof there, and 0
 *   in members that are not wanted. A `size` that was not set is NRT_ERR_USAGE. So programs go on
 *   working with a library whose structs have more members.
 * - Arguments come in this order: what it is done to, what is to be done, the options, who is told
 *   (a function and its `arg`), and where results go.
 */
#ifndef NRT_BASE_H
#define NRT_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__)
/* Marks what the shared library exports. */
#define NRT_API __attribute__((visibility("default")))
/* Marks a function like printf: the number of its format, and of the first argument behind it. */
#define NRT_PRINTF(text, args) __attribute__((__format__(__printf__, text, args)))
#else
#define NRT_API
#define NRT_PRINTF(text, args)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* A counted view of bytes. It owns nothing; whoever hands one out says how long its bytes stay
 * valid. In a call to printf it is `"%.*s", (int)view.len, view.ptr`. */
typedef struct nrt_str {
    const char *ptr; /* not NUL-terminated; NULL exactly where a comment says "the absent string" */
    size_t len;      /* in bytes */
} nrt_str;

/* A view of a C string; NULL gives the absent string. Valid as long as `text`. */
static inline nrt_str nrt_str_from(const char *text) {
    nrt_str view = {text, text ? strlen(text) : 0};
    return view;
}

/* Whether a view has the bytes of a C string, with case. The absent string is no string, not even
 * "". */
static inline bool nrt_str_is(nrt_str view, const char *text) {
    return view.ptr && view.len == strlen(text) && memcmp(view.ptr, text, view.len) == 0;
}

/* The version of the library in use, such as "0.1.0" (https://semver.org). Static. */
NRT_API const char *nrt_version(void);

#ifdef __cplusplus
}
#endif
#endif
