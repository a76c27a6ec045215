/* Tokens of exchanges. */
#include "core/base/token.h"

#include "core/base/str.h"

static const char base64url[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-";

static int digit_of(char c) {
    if (nrt__is_digit(c)) {
        return c - '0';
    }
    if (c >= 'A' && c <= 'Z') {
        return c - 'A' + 10;
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 36;
    }
    return c == '_' ? 62 : c == '-' ? 63 : -1;
}

int nrt__token_renew(nrt__env *env, nrt__token *token) {
    return nrt__random_text(env, token->secret, NRT__SECRET_CHARS);
}

void nrt__token_write(const nrt__token *token, char *out) {
    for (int i = 0; i < NRT__SLOT_CHARS; i++) {
        out[i] = base64url[token->slot >> (6 * (NRT__SLOT_CHARS - 1 - i)) & 63];
    }
    memcpy(out + NRT__SLOT_CHARS, token->secret, NRT__SECRET_CHARS);
}

bool nrt__token_slot(nrt_str text, size_t *slot) {
    *slot = 0;
    if (text.len != NRT__TOKEN_CHARS) {
        return false;
    }
    for (int i = 0; i < NRT__SLOT_CHARS; i++) {
        int digit = digit_of(text.ptr[i]);
        if (digit < 0) {
            return false;
        }
        *slot = *slot << 6 | (size_t)digit;
    }
    return true;
}

bool nrt__token_is(const nrt__token *token, nrt_str text) {
    unsigned char differs = 0;
    for (int i = 0; i < NRT__SECRET_CHARS; i++) {
        differs |= (unsigned char)(text.ptr[NRT__SLOT_CHARS + i] ^ token->secret[i]);
    }
    return !differs;
}
