/* Credentials as files hold them: a user's JWT with its nkey seed between lines of dashes, as nsc
 * writes them, or the seed alone. Text in, views out; nothing is read or kept here. */
#ifndef NRT__CREDS_H
#define NRT__CREDS_H

#include <nrt/error.h>

enum { NRT__CREDS_MAX = 64 * 1024 }; /* of a file */

/* Views into the text. */
typedef struct nrt__creds {
    nrt_str jwt;
    nrt_str seed;
} nrt__creds;

/* Finds JWT and seed in a credentials file. NRT_ERR_AUTH with what is missing, never a part of the
 * text. */
int nrt__creds_read(nrt__creds *creds, nrt_str text, char *reason, size_t size);

/* Finds the seed in a file that is for the seed: on a line of its own, or between lines of dashes.
 * Empty lines and those that begin with # do not count. */
int nrt__creds_read_seed(nrt_str *seed, nrt_str text, char *reason, size_t size);

/* Three parts of base64url with dots between: whether it is right is the server's to say. */
bool nrt__jwt_is_one(nrt_str jwt);

/* What a JWT claims that people may be told: whether it is true is the server's to say. Times in
 * seconds since 1970, 0 where there is none. */
typedef struct nrt__jwt {
    int64_t issued;
    int64_t not_before;
    int64_t expires;
    int64_t responses; /* how often it may answer a request (allow_responses); -1: at will */
    char name[128];    /* of the user; "" where it has none that can be shown */
} nrt__jwt;

/* False where it cannot be read; then all of it is 0. */
bool nrt__jwt_read(nrt__jwt *out, nrt_str jwt);

/* When it expires, in seconds since 1970; 0 where it says nothing of that or cannot be read. */
int64_t nrt__jwt_expires(nrt_str jwt);

#endif
