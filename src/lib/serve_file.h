/* Files below a folder, and nowhere else. */
#ifndef NRT__SERVE_FILE_H
#define NRT__SERVE_FILE_H

#include <nrt/service.h>

/* Opens `path` below the folder that `root` is open on. With `stepwise`, as where there is no
 * openat2: without following links. -1 with errno. */
int nrt__file_open_below(int root, nrt_str path, bool stepwise);

/* Sends `len` bytes of a file from `first` on as they may go, behind the fields so far; it may
 * defer the exchange. `file` stays the caller's. NRT_ERR_UNSUPPORTED: it must be one piece;
 * NRT_ERR_BUSY, NRT_ERR_STATE, NRT_ERR_MEMORY. */
int nrt__file_stream(nrt_exchange *exchange, int file, uint64_t first, uint64_t len);

#endif
