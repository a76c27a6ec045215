/* The parts of `nrt get` that its files share. */
#ifndef NRT__GET_H
#define NRT__GET_H

#include <stdio.h>

#include <nrt/message.h>

#include "cli/args.h"
#include "cli/common.h"
#include "core/buf.h"

/* Which option an item of nrt__get_options.data came with: nrt__opt.name of the table in get.c. */
#define NRT__DATA "data"
#define NRT__DATA_RAW "data-raw"
#define NRT__DATA_BINARY "data-binary"
#define NRT__DATA_URLENCODE "data-urlencode"
#define NRT__DATA_JSON "json"

enum {
    NRT__URL_SIZE = 16 * 1024,                 /* a URL with its NUL */
    NRT__UPLOAD_MAX = 512 * 1024 * 1024,       /* of a body read from a file or standard input */
    NRT__GET_ERROR_SIZE = NRT__URL_SIZE + 512, /* a message that quotes a URL */
};

typedef struct nrt__get_options {
    nrt__common common;
    const char *method;
    nrt__arg_list fields;
    nrt__arg_list data;
    const char *upload;
    const char *user;
    const char *agent;
    const char *output;
    const char *write_out;
    unsigned max_redirects;
    bool data_in_query;
    bool head;
    bool follow;
    bool include;
    bool fail;
    bool fail_with_body;
    bool silent;
    bool show_error;
} nrt__get_options;

/* The command itself; get.c. */
int nrt__get_run(void *options_arg, const nrt__operands *operands);

/* ---- get_data.c: what is sent -------------------------------------------------------------- */

/* Gathers -d, --json and their like, as curl does. Returns 0 or an exit code with `why` set. */
int nrt__get_gather(const nrt__arg_list *data, nrt__buf *out, char *why, size_t why_size);

/* Appends a file ("-": standard input). Returns 0 or an exit code with `why` set. */
int nrt__get_read(const char *path, nrt__buf *out, char *why, size_t why_size);

/* "Basic …" (RFC 7617) for "user:password". */
bool nrt__get_basic(nrt_str user, nrt__buf *out);

/* The URL to ask for, from the one typed: http:// where no scheme is written, `query` added (may
 * be empty), the name of the file `upload` (may be NULL) added behind a final slash, user and
 * password moved to `user`. `out` holds NRT__URL_SIZE bytes. Returns 0 or an exit code with `why`
 * set. */
int nrt__get_url(const char *typed, nrt_str query, const char *upload, char *out, nrt__buf *user,
                 char *why, size_t why_size);

/* Turns the options into a request for `url`: method, fields, body. With `redirected`, the request
 * follows a redirect to another host, so that credentials stay behind. Returns NULL, an exit code
 * in `*code` and `why` set where that is not possible. */
typedef struct nrt__get_plan {
    const nrt__get_options *options;
    const char *url;
    const char *method;
    nrt_str body;
    bool has_body; /* an empty one counts */
    nrt_str user;  /* "user:password"; empty: none */
    bool other_host;
} nrt__get_plan;

nrt_request *nrt__get_request(const nrt__get_plan *plan, int *code, char *why, size_t why_size);

/* Checks every -H, and warns of those that the library makes itself. Returns 0 or an exit code with
 * `why` set. */
int nrt__get_check_fields(const nrt__get_options *options, char *why, size_t why_size);

/* ---- get_output.c: what is printed -------------------------------------------------------------
 */

typedef struct nrt__get_output {
    const char *path; /* NULL: standard output */
    bool any_bytes;   /* asked for by "-": terminals get binary bodies too */
    FILE *file;       /* NULL until something is written */
    nrt__buf head;
} nrt__get_output;

void nrt__get_output_init(nrt__get_output *output, const char *path);

/* The head of a response as it would stand on a wire; valid until the next call. */
nrt_str nrt__get_output_head(nrt__get_output *output, const nrt_response *response);

/* Writes bytes, exactly; opens the file with the first call. Returns 0 or an exit code with `why`
 * set, also where zero bytes would go to a terminal. */
int nrt__get_output_write(nrt__get_output *output, nrt_str bytes, char *why, size_t why_size);

/* Whatever was written has arrived, or this is an error: an exit code with `why` set. */
int nrt__get_output_finish(nrt__get_output *output, char *why, size_t why_size);

/* For --verbose, on standard error: heads with "> " and "< " before each line. */
void nrt__get_show_request(const nrt_request *request);
void nrt__get_show_response(const nrt_response *response);

/* ---- get_format.c: --write-out -----------------------------------------------------------------
 */

/* What is known of a transfer when it is over. */
typedef struct nrt__transfer {
    const char *typed_url;
    const char *url; /* the last one asked for */
    const char *method;
    const char *output;           /* NULL: standard output */
    const char *redirect_url;     /* where it would go on; "" */
    const nrt_response *response; /* NULL: none came */
    unsigned redirects;
    unsigned retries; /* of the last request */
    uint64_t downloaded;
    uint64_t uploaded;
    uint64_t head_bytes; /* of all responses */
    double connect_s;    /* from the start until there was a connection */
    double redirect_s;   /* ... until the last request was sent */
    double total_s;
    int exit_code;
    const char *error; /* "" */
} nrt__transfer;

/* Writes `format` with its variables to standard output, or where it says. Returns 0 or an exit
 * code. */
int nrt__get_write_out(const char *format, const nrt__transfer *transfer);

#endif
