/* The parts of `nrt get` that its files share. */
#ifndef NRT__GET_GET_H
#define NRT__GET_GET_H

#include <stdio.h>
#include <sys/types.h>

#include <nrt/stream.h>

#include "cli/args.h"
#include "cli/common.h"
#include "core/base/buf.h"
#include "lib/loop.h"

/* Which option an item of nrt__get_options.data came with: nrt__opt.name of the table in get.c. */
#define NRT__DATA "data"
#define NRT__DATA_RAW "data-raw"
#define NRT__DATA_BINARY "data-binary"
#define NRT__DATA_URLENCODE "data-urlencode"
#define NRT__DATA_JSON "json"

enum {
    NRT__URL_SIZE = 16 * 1024,                 /* a URL with its NUL */
    NRT__UPLOAD_MAX = 512 * 1024 * 1024,       /* of a body put together in memory */
    NRT__SOURCE_COLLECT = 1024 * 1024,         /* of one that may still go as one message */
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
    bool no_buffer; /* curl's: it is always so here */
    bool no_progress;
    bool long_poll;
} nrt__get_options;

/* The command itself; get.c. */
int nrt__get_run(void *options_arg, const nrt__operands *operands);

/* ---- get_data.c: what is sent -------------------------------------------------------------- */

/* Gathers -d, --json and their like, as curl does. Returns 0 or an exit code with `why` set. */
int nrt__get_gather(const nrt__arg_list *data, nrt__buf *out, char *why, size_t why_size);

/* The one file, or "-", that is all of the body and can be sent as it is read; NULL: none. */
const char *nrt__get_streamed(const nrt__get_options *options);

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

/* ---- get_source.c: bodies that are read as they are sent
 * --------------------------------------- */

typedef struct nrt__source {
    const char *name; /* as typed; "-": standard input */
    int fd;
    bool is_open;
    bool strip;     /* line ends are left out */
    bool regular;   /* a file: it can be read again */
    bool ready;     /* always readable */
    bool ended;     /* all has been read */
    int64_t length; /* of the body; -1: not known */
    off_t start;
    uint64_t got;  /* bytes read */
    uint64_t sent; /* and those that are not in `held` any more */
    nrt__buf held;
} nrt__source;

/* 0, or an exit code with `why` set; nrt__source_close in any case. */
int nrt__source_open(nrt__source *source, const char *path, bool strip, char *why, size_t why_size);
void nrt__source_close(nrt__source *source);

/* Reads a piece into `held`; blocks where it is not readable. 0, or an exit code with `why` set. */
int nrt__source_read(nrt__source *source, char *why, size_t why_size);

/* So much of `held` is on its way. */
void nrt__source_sent(nrt__source *source, size_t len);

/* For another request with the same body; false where it cannot be had again. */
bool nrt__source_rewind(nrt__source *source);

/* ---- get_request.c ------------------------------------------------------------------------- */

/* Turns the options into a request for `url`: method, fields, body. With `redirected`, the request
 * follows a redirect to another host, so that credentials stay behind. Returns NULL, an exit code
 * in `*code` and `why` set where that is not possible. */
typedef struct nrt__get_plan {
    const nrt__get_options *options;
    const char *url;
    const char *method;
    nrt_str body;
    bool has_body;     /* an empty one counts */
    bool body_follows; /* it is read as it is sent */
    nrt_str user;      /* "user:password"; empty: none */
    bool other_host;
} nrt__get_plan;

nrt_request *nrt__get_request(const nrt__get_plan *plan, int *code, char *why, size_t why_size);

/* Checks every -H, and warns of those that the library makes itself. Returns 0 or an exit code with
 * `why` set. */
int nrt__get_check_fields(const nrt__get_options *options, char *why, size_t why_size);

/* ---- get_redirect.c ------------------------------------------------------------------------ */

/* Resolves the response's Location against the URL it came from; bytes that URLs cannot have are
 * encoded, as browsers and curl do. `out` (NRT__URL_SIZE) gets "" where there is none. 0, or an
 * exit code with `why` set. */
int nrt__get_redirect_find(const nrt_response *response, const char *url, char *out, char *why,
                           size_t why_size);

/* Whether it can be followed, and whether it leads to another host. 0, or an exit code with `why`
 * and perhaps `hint` set. */
int nrt__get_redirect_check(const char *from_url, const char *to_url, bool *other_host, char *why,
                            size_t why_size, char *hint, size_t hint_size);

/* ---- get_output.c: what is printed -------------------------------------------------------------
 */

typedef struct nrt__get_output {
    const char *path; /* NULL: standard output */
    bool any_bytes;   /* asked for by "-": terminals get binary bodies too */
    nrt__buf head;
    nrt__loop *loop;          /* of the connection; set before anything is written */
    void (*moved)(void *arg); /* some of what waited is written, or cannot be */
    void *moved_arg;
    int fd; /* -1 until something is written */
    nrt__io io;
    bool watched;   /* by the loop: else it is always writable */
    size_t chunk;   /* what may be written at once */
    nrt__buf queue; /* what waits */
    int error;      /* errno of a write */
} nrt__get_output;

void nrt__get_output_init(nrt__get_output *output, const char *path);

/* The head of a response as it would stand on a wire; valid until the next call. */
nrt_str nrt__get_output_head(nrt__get_output *output, const nrt_response *response);

/* Writes bytes, exactly, now or when there is room; opens the file with the first call. Returns 0
 * or an exit code with `why` set, also where zero bytes would go to a terminal. */
int nrt__get_output_write(nrt__get_output *output, nrt_str bytes, char *why, size_t why_size);

/* How many bytes wait. */
size_t nrt__get_output_left(const nrt__get_output *output);

/* An exit code, with `why` set, where writing has failed; else 0. */
int nrt__get_output_check(const nrt__get_output *output, char *why, size_t why_size);

/* Closes it. Whatever was written has arrived, or this is an error: an exit code with `why` set. */
int nrt__get_output_finish(nrt__get_output *output, char *why, size_t why_size);

/* For --verbose, on standard error: heads with "> " and "< " before each line. */
void nrt__get_show_request(const nrt_request *request, int64_t length); /* -1: of its body */
void nrt__get_show_response(const nrt_response *response);
void nrt__get_show_trailers(const nrt_fields *trailers);

/* ---- get_progress.c ------------------------------------------------------------------------ */

typedef struct nrt__progress {
    bool wanted;      /* there is a terminal, and nobody minds */
    size_t drawn;     /* characters that stand there; 0: nothing */
    const char *what; /* NULL: nothing under way */
    uint64_t total;   /* bytes; 0: not known */
    double began_s;
    uint64_t noted; /* bytes when it was last looked at, and when that was */
    double noted_s;
    double per_s; /* bytes, of the last few seconds; negative: not known yet */
} nrt__progress;

void nrt__progress_begin(nrt__progress *progress, const char *what, uint64_t total, double now_s);

/* Looks how far it is, and draws that once it has taken a second. */
void nrt__progress_show(nrt__progress *progress, uint64_t done, double now_s);

/* Takes the line away. */
void nrt__progress_end(nrt__progress *progress);

/* What `show` does, one after the other: the rate, and the line, shorter than `width`. */
void nrt__progress_note(nrt__progress *progress, uint64_t done, double now_s);
void nrt__progress_write(const nrt__progress *progress, uint64_t done, size_t width, char *out,
                         size_t size);

/* ---- get_signals.c: the service learns that nobody waits, then we end as any program would
 * ------ */

typedef struct nrt__get_signals {
    nrt__io io;
    int fd;
    bool taken;
    int number; /* the first one that came; 0: none. A second ends the program at once */
} nrt__get_signals;

/* SIGINT and SIGTERM, unless they were ignored when we came. Before there are threads, which must
 * have them blocked. */
void nrt__get_signals_take(nrt__get_signals *signals);
void nrt__get_signals_watch(nrt__get_signals *signals, nrt__loop *loop);
void nrt__get_signals_unwatch(nrt__get_signals *signals);

/* Ends the program by the signal that came, if one did. */
void nrt__get_signals_end(nrt__get_signals *signals);

/* ---- get_exchange.c ------------------------------------------------------------------------ */

/* What is to become of a response's body, once its head is known. */
typedef enum nrt__get_wish {
    NRT__GET_PRINT = 0,
    NRT__GET_DROP,  /* read, and not printed */
    NRT__GET_LEAVE, /* nobody waits for it */
} nrt__get_wish;

/* One request and its response, as it comes. */
typedef struct nrt__get_exchange {
    nrt__program *program;
    const nrt__get_options *options;
    nrt__get_output *output;
    nrt__progress *progress;
    nrt__source *source; /* NULL: the request has all of its body */
    int *signal;         /* of ^C; not 0: it is over */
    nrt__get_wish (*on_head)(const nrt_response *response, void *arg);
    void *arg;

    nrt_response *response; /* a copy of the head; the caller's afterwards. NULL: none came */
    uint64_t uploaded;
    uint64_t downloaded;
    int code; /* of what went wrong here, not there, with `why` set */
    char *why;
    size_t why_size;

    /* while it runs */
    nrt_exchange_id id;
    nrt__get_wish wish;
    nrt__io source_io;
    bool source_watched;
    nrt__timer timer;
    nrt__timer expect;
    bool waits; /* for a 100 before the body is sent */
    bool streams;
    bool body_ended;
    bool closed;
    size_t held; /* of the body: not written yet, so without credit */
    int error;   /* NRT_ERR_*; nrt_conn_error says more */
} nrt__get_exchange;

/* Reads as much of the source as may come within a moment, and still goes as one message. 0, or an
 * exit code. */
int nrt__get_collect(nrt__get_exchange *exchange, bool all);

/* Runs it to its end. 0, NRT_ERR_*, or a positive exit code with `why` set. */
int nrt__get_exchange_run(nrt__get_exchange *exchange, const nrt_request *request);

/* Seconds of the monotonic clock. */
double nrt__get_now_s(void);

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
    double head_s;       /* ... until the last head was there */
    double redirect_s;   /* ... until the last request was sent */
    double total_s;
    int exit_code;
    const char *error; /* "" */
} nrt__transfer;

/* Writes `format` with its variables to standard output, or where it says. Returns 0 or an exit
 * code. */
int nrt__get_write_out(const char *format, const nrt__transfer *transfer);

#endif
