/* A log file that must never hold up who writes to it: lines are collected in memory, and a thread
 * of its own writes them. What cannot be written (a full disk, a pipe that nobody reads) is lost
 * and counted. */
#ifndef NRT__DAEMON_LOG_FILE_H
#define NRT__DAEMON_LOG_FILE_H

#include <nrt/base.h>

#include "core/base/buf.h"

typedef struct nrt__log_file nrt__log_file;

/* `path` "-" is standard output; a file is appended to, and made if it is not there. NULL with
 * errno. */
nrt__log_file *nrt__log_file_open(const char *path);

/* Where the next line is to be appended to, from its beginning to the newline; then
 * nrt__log_file_end. No more than a few thousand bytes a line. */
nrt__buf *nrt__log_file_begin(nrt__log_file *file);
void nrt__log_file_end(nrt__log_file *file);

/* Opens the path anew, once all that was collected so far is written: the file has been moved away.
 * Where that fails, the old one is written on. */
void nrt__log_file_reopen(nrt__log_file *file);

/* What went wrong since the last call: how many lines were lost, and the last errno; false where
 * nothing did. *reopening: it was opening the file anew. */
bool nrt__log_file_trouble(nrt__log_file *file, uint64_t *lost, int *error, bool *reopening);

/* Writes what is left, for two seconds at most; nothing may be added any more. */
void nrt__log_file_finish(nrt__log_file *file);

/* After nrt__log_file_finish. NULL is allowed. */
void nrt__log_file_close(nrt__log_file *file);

#endif
