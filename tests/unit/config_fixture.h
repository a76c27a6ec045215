/* A world of its own for tests of configurations: variables, contexts, files. */
#ifndef NRT__CONFIG_FIXTURE_H
#define NRT__CONFIG_FIXTURE_H

#include "unit.h"

#include <nrt/conn.h>

#include "lib/config.h"

/* For details of errors. */
extern char config_why[NRT__CONTEXT_DETAIL];

/* Group fixtures: the working directory is a new folder with the files a, b and c, and
 * XDG_CONFIG_HOME. */
int config_set_up(void **state);
int config_tear_down(void **state);

/* No variable, and no context selected. */
void config_clear(void);

void config_write(const char *name, const char *text);
void config_write_context(const char *name, const char *text);

#endif
