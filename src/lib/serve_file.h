/* Files below a folder, and nowhere else. */
#ifndef NRT__SERVE_FILE_H
#define NRT__SERVE_FILE_H

#include <nrt/base.h>

/* Opens `path` below the folder that `root` is open on. With `stepwise`, as where there is no
 * openat2: without following links. -1 with errno. */
int nrt__file_open_below(int root, nrt_str path, bool stepwise);

#endif
