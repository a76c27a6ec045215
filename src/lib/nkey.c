/* NATS nkeys: seeds read, nonces signed. */
#include "lib/nkey.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>

enum {
    KEY_LEN = 32,
    SIG_LEN = 64,
    SEED_RAW = 2 + KEY_LEN + 2, /* two prefixes, the key, its checksum */
    PUBLIC_RAW = 1 + KEY_LEN + 2,
    PREFIX_SEED = 18 << 3, /* 'S' */
    PREFIX_USER = 20 << 3, /* 'U' */
};

/* CRC-16/XMODEM. */
static unsigned checksum(const unsigned char *bytes, size_t len) {
    unsigned crc = 0;
    for (size_t i = 0; i < len; i++) {
        crc ^= (unsigned)bytes[i] << 8;
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1) & 0xffff;
        }
    }
    return crc;
}

/* RFC 4648 section 6, upper case, without padding. False where a character or what is left over of
 * the last one is not right. `len` bytes must fit. */
static bool base32_decode(nrt_str text, unsigned char *out, size_t len) {
    uint32_t bits = 0;
    unsigned held = 0;
    size_t done = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        uint32_t value;
        if (c >= 'A' && c <= 'Z') {
            value = (uint32_t)(c - 'A');
        } else if (c >= '2' && c <= '7') {
            value = (uint32_t)(c - '2') + 26;
        } else {
            return false;
        }
        bits = (bits << 5 | value) & 0xfff;
        held += 5;
        if (held >= 8) {
            if (done == len) {
                return false;
            }
            held -= 8;
            out[done++] = (unsigned char)(bits >> held);
        }
    }
    return done == len && held < 5 && (bits & ((1u << held) - 1)) == 0;
}

static void base32_encode(const unsigned char *bytes, size_t len, char *out) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    uint32_t bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < len; i++) {
        bits = (bits << 8 | bytes[i]) & 0xffff;
        held += 8;
        while (held >= 5) {
            held -= 5;
            *out++ = letters[bits >> held & 31];
        }
    }
    if (held > 0) {
        *out++ = letters[bits << (5 - held) & 31];
    }
    *out = '\0';
}

static const char *kind_of(unsigned prefix) {
    switch (prefix) {
    case 0:
        return "an account's";
    case 14 << 3:
        return "an operator's";
    case 13 << 3:
        return "a server's";
    case 2 << 3:
        return "a cluster's";
    case 23 << 3:
        return "an encryption";
    default:
        return "no user's";
    }
}

/* What is wrong with a seed, or NULL; its 36 bytes in `raw`. */
static const char *seed_decode(nrt_str seed, unsigned char raw[SEED_RAW]) {
    if (seed.len == NRT__NKEY_PUBLIC_SIZE - 1 && seed.ptr[0] == 'U') {
        return "this is a public key; what is needed is the seed, which begins with SU";
    }
    if (seed.len == 0 || seed.ptr[0] != 'S') {
        return "not an nkey seed, which begins with SU";
    }
    if (seed.len != NRT__NKEY_SEED_LEN) {
        return "an nkey seed has 58 characters; some are missing, or there are too many";
    }
    if (!base32_decode(seed, raw, SEED_RAW)) {
        return "an nkey seed has only the characters A-Z and 2-7";
    }
    unsigned crc = (unsigned)raw[SEED_RAW - 2] | (unsigned)raw[SEED_RAW - 1] << 8;
    if (checksum(raw, SEED_RAW - 2) != crc) {
        return "the nkey seed's checksum is wrong: a character was changed";
    }
    if ((raw[0] & 0xf8) != PREFIX_SEED) {
        return "not an nkey seed, which begins with SU";
    }
    return NULL;
}

static int key_from(nrt__nkey *nkey, const unsigned char *secret) {
    unsigned char public[PUBLIC_RAW] = {PREFIX_USER};
    size_t len = KEY_LEN;
    nkey->key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret, KEY_LEN);
    if (!nkey->key || EVP_PKEY_get_raw_public_key(nkey->key, public + 1, &len) != 1) {
        nrt__nkey_finish(nkey);
        return NRT_ERR_MEMORY;
    }
    unsigned crc = checksum(public, PUBLIC_RAW - 2);
    public[PUBLIC_RAW - 2] = (unsigned char)(crc & 0xff);
    public[PUBLIC_RAW - 1] = (unsigned char)(crc >> 8);
    base32_encode(public, sizeof(public), nkey->public_key);
    return 0;
}

int nrt__nkey_init(nrt__nkey *nkey, nrt_str seed, char *reason, size_t size) {
    unsigned char raw[SEED_RAW];
    memset(nkey, 0, sizeof(*nkey));
    const char *wrong = seed_decode(seed, raw);
    int error = NRT_ERR_AUTH;
    if (wrong) {
        snprintf(reason, size, "%s", wrong);
    } else {
        unsigned prefix = (raw[0] & 7u) << 5 | raw[1] >> 3;
        if (prefix != PREFIX_USER) {
            snprintf(reason, size, "this is %s nkey seed; a user's is needed, which begins with SU",
                     kind_of(prefix));
        } else {
            error = key_from(nkey, raw + 2);
            if (error < 0) {
                snprintf(reason, size, "out of memory");
            }
        }
    }
    OPENSSL_cleanse(raw, sizeof(raw));
    return error;
}

void nrt__nkey_finish(nrt__nkey *nkey) {
    EVP_PKEY_free(nkey->key); /* wipes it */
    memset(nkey, 0, sizeof(*nkey));
}

bool nrt__nkey_sign(const nrt__nkey *nkey, nrt_str nonce, char sig[NRT__NKEY_SIG_SIZE]) {
    unsigned char raw[SIG_LEN];
    unsigned char text[(SIG_LEN + 2) / 3 * 4 + 1];
    size_t len = sizeof(raw);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool fine = md && EVP_DigestSignInit(md, NULL, NULL, NULL, nkey->key) == 1 &&
                EVP_DigestSign(md, raw, &len, (const unsigned char *)nonce.ptr, nonce.len) == 1 &&
                len == SIG_LEN;
    EVP_MD_CTX_free(md);
    if (!fine) {
        return false;
    }
    EVP_EncodeBlock(text, raw, SIG_LEN);
    for (size_t i = 0; i < NRT__NKEY_SIG_SIZE - 1; i++) { /* RFC 4648 section 5 */
        char c = (char)text[i];
        sig[i] = c == '+' ? '-' : c == '/' ? '_' : c;
    }
    sig[NRT__NKEY_SIG_SIZE - 1] = '\0';
    return true;
}
