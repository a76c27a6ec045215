/* What `nrt gateway` and `nrt serve` have for those who operate them: the admin listener. */
#ifndef NRT__OPERATION_H
#define NRT__OPERATION_H

#include "bridge/admin.h"
#include "cli/common.h"

typedef struct nrt__operation {
    const char *admin; /* where to listen; NULL: nowhere */
} nrt__operation;

enum { NRT__OPERATION_OPTS = 1 };
extern const nrt__opt nrt__operation_opts[NRT__OPERATION_OPTS];

/* The group for a command whose options struct has an nrt__operation called `operation`. */
#define NRT__OPERATION_GROUP(options_type)                                                         \
    { "Operation", nrt__operation_opts, NRT__OPERATION_OPTS, offsetof(options_type, operation) }

/* Opens what was asked for, and says where it is. 0, or the exit code once it has said what is
 * wrong. `gateway` may be NULL. What it opens ends with the connection. */
int nrt__operation_open(const nrt__operation *operation, nrt__program *program,
                        const nrt_admin_options *options, const nrt__admin_gateway *gateway);

#endif
