/* Large bodies: the same 64 KiB again and again, so that whoever gets them can check every byte by
 * its place, wherever pieces begin and end. */
#ifndef BENCH_BULK_H
#define BENCH_BULK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BULK_PERIOD = 64 * 1024 };

/* Twice the period: BULK_PERIOD bytes from any place in the first half are those of a body from
 * there. */
const char *bulk_bytes(void);

/* Whether these are the bytes of a body from `offset` on. */
bool bulk_is_right(uint64_t offset, const char *bytes, size_t len);

/* Prints what a transfer was, one line of JSON. */
void bulk_report(uint64_t bytes, bool right, int64_t ns);

#endif
