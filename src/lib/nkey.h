/* NATS nkeys of users: an Ed25519 key, whose seed is written "SU…" and whose public key "U…"
 * (base32 with a prefix and a checksum). */
#ifndef NRT__NKEY_H
#define NRT__NKEY_H

#include <nrt/error.h>
#include <openssl/types.h>

enum {
    NRT__NKEY_PUBLIC_SIZE = 57, /* with a NUL */
    NRT__NKEY_SEED_LEN = 58,
    NRT__NKEY_SIG_SIZE = 87, /* base64url without padding, with a NUL */
};

/* Zeroed is empty. */
typedef struct nrt__nkey {
    EVP_PKEY *key;
    char public_key[NRT__NKEY_PUBLIC_SIZE];
} nrt__nkey;

/* Takes a user's seed. NRT_ERR_AUTH with the reason, which holds nothing of it; NRT_ERR_MEMORY. */
int nrt__nkey_init(nrt__nkey *nkey, nrt_str seed, char *reason, size_t size);

/* Wipes it. Harmless on one that is empty. */
void nrt__nkey_finish(nrt__nkey *nkey);

/* Signs what the server wants signed. False only out of memory. */
bool nrt__nkey_sign(const nrt__nkey *nkey, nrt_str nonce, char sig[NRT__NKEY_SIG_SIZE]);

#endif
