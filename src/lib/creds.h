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

/* When it expires, in seconds since 1970; 0 where it says nothing of that or cannot be read. */
int64_t nrt__jwt_expires(nrt_str jwt);

#endif
