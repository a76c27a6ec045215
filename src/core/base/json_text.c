/* Escaping for JSON. */
#include "core/base/json_text.h"

#include "core/base/str.h"

static void put_escaped(nrt__buf *out, unsigned char c) {
    static const char hex[] = "0123456789abcdef";
    const char text[] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
    nrt__buf_add(out, text, sizeof(text));
}

void nrt__json_string(nrt__buf *out, nrt_str text, size_t max) {
    const char *plain = text.ptr; /* from here on nothing had to be changed */
    const char *end = text.ptr + (text.len < max ? text.len : max);
    nrt__buf_lit(out, "\"");
    for (const char *c = text.ptr; c < end;) {
        while (c < end && *c >= 0x20 && *c < 0x7f && *c != '"' && *c != '\\') {
            c++; /* nearly always all of it */
        }
        if (c == end) {
            break;
        }
        size_t len = nrt__utf8_len((nrt_str){c, (size_t)(end - c)});
        unsigned char first = (unsigned char)*c;
        bool c1 = len == 2 && first == 0xc2 && (unsigned char)c[1] < 0xa0;
        if (len > 0 && first >= 0x20 && first != '"' && first != '\\' && first != 0x7f && !c1) {
            c += len;
            continue;
        }
        nrt__buf_add(out, plain, (size_t)(c - plain));
        if (len == 0) {
            nrt__buf_lit(out, "\xef\xbf\xbd");
            len = 1;
        } else if (first == '"' || first == '\\') {
            nrt__buf_lit(out, "\\");
            nrt__buf_add(out, c, 1);
        } else {
            put_escaped(out, (unsigned char)c[len - 1]);
        }
        c += len;
        plain = c;
    }
    nrt__buf_add(out, plain, (size_t)(end - plain));
    nrt__buf_lit(out, "\"");
}
