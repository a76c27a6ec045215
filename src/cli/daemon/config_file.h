/* The configuration file of a command: its options as JSON, each under its name. The command's
 * tables are what is read, as for the command line; nothing here knows a particular command. */
#ifndef NRT__CONFIG_FILE_H
#define NRT__CONFIG_FILE_H

#include "cli/args.h"
#include "cli/report.h"
#include "core/base/arena.h"

/* The options that tell of it, and do not stand in it. */
typedef struct nrt__config_option {
    const char *path; /* NULL: there is none */
    bool check;
} nrt__config_option;

enum { NRT__CONFIG_OPTS = 2 };
extern const nrt__opt nrt__config_opts[NRT__CONFIG_OPTS];

/* The group for a command whose options struct has an nrt__config_option called `config`. */
#define NRT__CONFIG_GROUP(options_type)                                                            \
    { "Configuration", nrt__config_opts, NRT__CONFIG_OPTS, offsetof(options_type, config) }

/* One that has been read: what the options point to. Zeroed is none. */
typedef struct nrt__config_file {
    const char *path;
    nrt_str text;
    json_t *root;
    nrt__arena arena;
    unsigned problems; /* told so far */
} nrt__config_file;

/* Reads `path` into `options`, which hold what the command line said; what stood there is left as
 * it is, and so is what the environment says. Each problem is told with its place. 0, or how many
 * problems there are; nrt__config_file_finish in any case. */
unsigned nrt__config_file_read(nrt__config_file *file, const char *path,
                               const nrt__command *command, const nrt__operands *operands,
                               void *options, const nrt__report *log);

/* Frees it, and the lists in `options` that came from it. */
void nrt__config_file_finish(nrt__config_file *file, const nrt__command *command,
                             const nrt__operands *operands, void *options);

/* What the option `name` is called in messages: "--listen-mode", or where it stands in the file.
 * Returns `out`. */
const char *nrt__config_file_name(const nrt__config_file *file, const nrt__command *command,
                                  const nrt__operands *operands, const char *name, char *out,
                                  size_t size);

/* Whether an option has the same value in both of two structs of options. */
bool nrt__config_same(const nrt__opt *opt, const void *a, const void *b);

#endif
