/* Contexts of the nats CLI: named sets of connection settings, a JSON file each. Reads what
 * natscontext (github.com/nats-io/jsm.go) writes; what is set and cannot be honoured is an error.
 * All of it may be called from any thread; the environment must not change meanwhile. */
#ifndef NRT__CONTEXT_H
#define NRT__CONTEXT_H

#include <nrt/base.h>

enum {
    NRT__CONTEXT_FILE_MAX = 1 << 20,
    NRT__CONTEXT_NAME_MAX = 250, /* with ".json" still a file name */
    NRT__CONTEXTS_MAX = 4096,    /* more are not listed */
    NRT__CONTEXT_DETAIL = 1024,
};

/* What a file holds, named by its keys. NULL where it is not there or empty. */
typedef struct nrt__context {
    char *description;
    char *url;
    char *user;
    char *password;
    char *token;
    char *creds; /* paths: ~ and $VAR are expanded */
    char *nkey;
    char *cert;
    char *key;
    char *ca;
    char *inbox_prefix;
    char *user_jwt;
    char *user_seed;
    bool tls_first;
} nrt__context;

/* ---- lib/context.c: one file's text ---- */

/* NRT_ERR_CONFIG with the reason in `detail` (the key or the line, never a value that may be
 * secret), NRT_ERR_MEMORY. `*context` is to be finished in any case. */
int nrt__context_read(nrt__context *context, nrt_str text, char *detail, size_t detail_size);
void nrt__context_finish(nrt__context *context); /* wipes, and clears */

/* Wipes and frees a string; NULL is allowed. */
void nrt__secret_free(char *text);

/* The home folder with `more` behind it; false where there is none, or it is too long. */
bool nrt__home_path(char *out, size_t size, const char *more);

/* ---- lib/context_files.c: the folder ---- */

/* A name the nats CLI would take: not empty, without / \ and "..", and shown safely. */
bool nrt__context_name_ok(const char *name);

/* ${XDG_CONFIG_HOME:-~/.config}/nats, with `more` behind it. False where there is no home folder,
 * or the path is too long. */
bool nrt__context_path(char *out, size_t size, const char *more);

/* The file of a context; the name must be ok. */
bool nrt__context_file(char *out, size_t size, const char *name);

/* A named context. Details tell name and file, and what names there are. */
int nrt__context_load(nrt__context *context, const char *name, char *detail, size_t detail_size);

typedef struct nrt__context_names {
    char **list; /* sorted */
    size_t count;
} nrt__context_names;

int nrt__context_list(nrt__context_names *names);
void nrt__context_names_free(nrt__context_names *names);

/* The selected one's name; "" where none is. NRT_ERR_CONFIG where the selection cannot be read. */
int nrt__context_selected(char name[NRT__CONTEXT_NAME_MAX + 1], char *detail, size_t detail_size);

/* Selects one that is there, for the nats CLI too, atomically. */
int nrt__context_select(const char *name, char *detail, size_t detail_size);

#endif
