/* Quantities as people type and read them: durations ("500ms", "2m") and sizes ("64k"). Pure: no
 * I/O, no clock. */
#ifndef NRT__DURATION_H
#define NRT__DURATION_H

#include <stddef.h>
#include <stdint.h>

/* Reads numbers with units (ms, s, m, h), such as "1.5s" or "1m30s", as milliseconds. A bare
 * number is refused: whether it means seconds or milliseconds is a guess that hurts when it is
 * wrong. Returns 0, or -1 with the reason in `why` (of `why_size` bytes). */
int nrt__duration_parse(const char *text, uint32_t *ms, char *why, size_t why_size);

/* Reads a number of bytes with an optional k, M or G (of 1024): "8M", "8MiB", "8MB". Returns 0, or
 * -1 with the reason in `why`. */
int nrt__size_parse(const char *text, size_t *bytes, char *why, size_t why_size);

/* Writes a duration for people: "4 ms", "1.2 s", "3 min 20 s". Returns `out`. */
const char *nrt__duration_format(uint64_t ms, char *out, size_t size);

/* Writes a size for people: "512 B", "1.4 kB". Returns `out`. */
const char *nrt__size_format(uint64_t bytes, char *out, size_t size);

#endif
