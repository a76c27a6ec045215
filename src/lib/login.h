/* Who we are to a NATS server: taken from the server's URL, the options and the files they name,
 * for one attempt to connect; wiped when that is over. */
#ifndef NRT__LOGIN_H
#define NRT__LOGIN_H

#include <nrt/options.h>

#include "core/nats/info.h"
#include "lib/file.h"
#include "lib/nkey.h"
#include "lib/servers.h"

/* Zeroed is empty. */
typedef struct nrt__login {
    nrt__nats_login nats; /* for the session; points into this, the options and the server */
    nrt_str file;
    char *jwt;
    nrt__nkey nkey;
    const char *sent; /* what that is, in words */
    int64_t expires;  /* of the JWT, in seconds since 1970; 0: unknown */
} nrt__login;

/* Reads the files. A URL's user or token stands in for user, password, token and nkey of the
 * options, as in the Go client; a JWT goes along with it. NRT_ERR_AUTH with the reason,
 * NRT_ERR_MEMORY. Everything given must live until nrt__login_finish. */
int nrt__login_load(nrt__login *login, const nrt_options *options, const nrt__server *server,
                    char *reason, size_t size);
void nrt__login_finish(nrt__login *login);

/* Puts what a refused user wants to know behind the server's words: what was sent, whether the JWT
 * has expired. */
void nrt__login_explain(const nrt__login *login, char *reason, size_t size);

/* True where a text of others repeats one of our secrets, or how one begins: it must not be shown.
 */
bool nrt__login_in_text(const nrt__login *login, const nrt_options *options,
                        const nrt__server *server, const char *text);

#endif
