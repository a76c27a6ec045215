/* What every other public header stands on: the export mark, the version, and counted strings. */
#ifndef NRT_BASE_H
#define NRT_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__)
#define NRT_API __attribute__((visibility("default")))
#define NRT_PRINTF(text, args) __attribute__((__format__(__printf__, text, args)))
#else
#define NRT_API
#define NRT_PRINTF(text, args)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* A counted view of bytes. It owns nothing and need not end in NUL; `ptr` is NULL exactly where a
 * call documents "absent". Whoever hands one out says how long its bytes stay valid. */
typedef struct nrt_str {
    const char *ptr;
    size_t len;
} nrt_str;

/* A view of a C string; NULL gives the absent string. Valid as long as `text`. */
static inline nrt_str nrt_str_from(const char *text) {
    nrt_str view = {text, text ? strlen(text) : 0};
    return view;
}

/* The version of the library in use, such as "0.1.0". Static; any thread. */
NRT_API const char *nrt_version(void);

#ifdef __cplusplus
}
#endif
#endif
