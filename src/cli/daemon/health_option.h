/* --health as people type it: "/healthz", "/healthz,2s", "/healthz,interval=2s,fall=3,rise=2".
 * Pure. */
#ifndef NRT__DAEMON_HEALTH_OPTION_H
#define NRT__DAEMON_HEALTH_OPTION_H

#include "bridge/health.h"

/* Reads it into `options`, whose path then is a view into `text`; what is not said has its
 * default. Returns 0, or -1 with the reason in `why` (of `why_size` bytes). */
int nrt__health_option_parse(const char *text, nrt__health_options *options, char *why,
                             size_t why_size);

#endif
