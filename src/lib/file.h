/* A small file, whole and in memory: credentials, keys, certificates. */
#ifndef NRT__FILE_H
#define NRT__FILE_H

#include <nrt/error.h>

enum { NRT__REASON_SIZE = 256 }; /* for a sentence about what is wrong */

/* Reads all of a regular file of at most `max` bytes. `*text` ends with a NUL behind it; give it to
 * nrt__file_free. NRT_ERR_SYSTEM with the reason ("PATH: …"), NRT_ERR_MEMORY. */
int nrt__file_read(const char *path, size_t max, nrt_str *text, char *reason, size_t size);

/* Wipes it: it may hold a secret. */
void nrt__file_free(nrt_str text);

#endif
