/* What `nrt get` sends: bodies put together as curl does, and the URL. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/get/get.h"
#include "core/base/str.h"
#include "core/http/url.h"

static int out_of_memory(char *why, size_t why_size) {
    (void)snprintf(why, why_size, "out of memory, or more than %d MiB to send",
                   NRT__UPLOAD_MAX / (1024 * 1024));
    return NRT__EXIT_FAILED;
}

int nrt__get_read(const char *path, nrt__buf *out, char *why, size_t why_size) {
    enum { STEP = 64 * 1024 };
    bool standard = strcmp(path, "-") == 0;
    FILE *file = standard ? stdin : fopen(path, "rbe");
    if (!file) {
        (void)snprintf(why, why_size, "cannot read %s: %s", path, strerror(errno));
        return NRT__EXIT_USAGE;
    }
    int code = 0;
    for (;;) {
        char *room = nrt__buf_room(out, STEP);
        if (!room) {
            code = out_of_memory(why, why_size);
            break;
        }
        size_t len = fread(room, 1, STEP, file);
        nrt__buf_added(out, len);
        if (len < STEP) {
            if (ferror(file)) {
                (void)snprintf(why, why_size, "cannot read %s: %s",
                               standard ? "standard input" : path, strerror(errno));
                code = NRT__EXIT_FAILED;
            }
            break;
        }
    }
    if (!standard) {
        (void)fclose(file);
    }
    return code;
}

/* Drops what -d @FILE drops: CR, LF and NUL, from `start` of the buffer's content on. */
static void strip_lines(nrt__buf *buf, size_t start) {
    char *bytes = buf->bytes + buf->start;
    size_t kept = start;
    for (size_t i = start; i < nrt__buf_len(buf); i++) {
        if (bytes[i] != '\r' && bytes[i] != '\n' && bytes[i] != '\0') {
            bytes[kept++] = bytes[i];
        }
    }
    buf->end = buf->start + kept;
}

/* As HTML forms do: unreserved characters (RFC 3986 section 2.3) stay, a space becomes '+'. */
static bool put_encoded(nrt__buf *out, nrt_str text) {
    bool fine = true;
    for (size_t i = 0; i < text.len && fine; i++) {
        char c = text.ptr[i];
        bool letter = nrt__lower(c) >= 'a' && nrt__lower(c) <= 'z';
        if (letter || nrt__is_digit(c) || (c != '\0' && strchr("-._~", c))) {
            fine = nrt__buf_add(out, &c, 1);
        } else if (c == ' ') {
            fine = nrt__buf_lit(out, "+");
        } else {
            fine = nrt__buf_printf(out, "%%%02X", (unsigned char)c);
        }
    }
    return fine;
}

/* "content", "=content", "name=content", "@file", "name@file": the name stays, the rest is
 * encoded. */
static int gather_encoded(const char *text, nrt__buf *out, char *why, size_t why_size) {
    size_t name = strcspn(text, "=@");
    nrt_str content = nrt_str_from(text);
    nrt__buf file;
    nrt__buf_init(&file, NRT__UPLOAD_MAX);
    int code = 0;
    if (text[name] != '\0') {
        if (name > 0) {
            (void)nrt__buf_add(out, text, name);
            (void)nrt__buf_lit(out, "=");
        }
        content = nrt_str_from(text + name + 1);
        if (text[name] == '@') {
            code = nrt__get_read(content.ptr, &file, why, why_size);
            content = nrt__buf_view(&file);
        }
    }
    if (code == 0 && !put_encoded(out, content)) {
        code = out_of_memory(why, why_size);
    }
    nrt__buf_free(&file);
    return code;
}

const char *nrt__get_streamed(const nrt__get_options *options) {
    if (options->upload) {
        return options->upload;
    }
    if (options->data.count != 1 || options->data_in_query) {
        return NULL;
    }
    const nrt__arg *item = &options->data.items[0];
    bool raw = strcmp(item->opt->name, NRT__DATA_RAW) == 0 ||
               strcmp(item->opt->name, NRT__DATA_URLENCODE) == 0;
    return !raw && item->value[0] == '@' ? item->value + 1 : NULL;
}

int nrt__get_gather(const nrt__arg_list *data, nrt__buf *out, char *why, size_t why_size) {
    for (size_t i = 0; i < data->count; i++) {
        const char *text = data->items[i].value;
        const char *option = data->items[i].opt->name;
        bool json = strcmp(option, NRT__DATA_JSON) == 0;
        if (nrt__buf_len(out) > 0 && !json && !nrt__buf_lit(out, "&")) {
            return out_of_memory(why, why_size);
        }
        size_t start = nrt__buf_len(out);
        int code = 0;
        if (strcmp(option, NRT__DATA_URLENCODE) == 0) {
            code = gather_encoded(text, out, why, why_size);
        } else if (text[0] != '@' || strcmp(option, NRT__DATA_RAW) == 0) {
            (void)nrt__buf_put(out, nrt_str_from(text));
        } else {
            code = nrt__get_read(text + 1, out, why, why_size);
            if (code == 0 && strcmp(option, NRT__DATA) == 0) {
                strip_lines(out, start);
            }
        }
        if (code != 0) {
            return code;
        }
        if (out->failed) {
            return out_of_memory(why, why_size);
        }
    }
    return 0;
}

/* RFC 4648 section 4 */
static bool put_base64(nrt__buf *out, nrt_str bytes) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *at = (const unsigned char *)bytes.ptr;
    bool fine = true;
    for (size_t left = bytes.len; left > 0 && fine;) {
        size_t take = left < 3 ? left : 3;
        unsigned value = (unsigned)at[0] << 16 | (take > 1 ? (unsigned)at[1] << 8 : 0) |
                         (take > 2 ? (unsigned)at[2] : 0);
        char group[4] = {digits[value >> 18], digits[value >> 12 & 63],
                         take > 1 ? digits[value >> 6 & 63] : '=',
                         take > 2 ? digits[value & 63] : '='};
        fine = nrt__buf_add(out, group, sizeof(group));
        at += take;
        left -= take;
    }
    return fine;
}

bool nrt__get_basic(nrt_str user, nrt__buf *out) {
    return nrt__buf_lit(out, "Basic ") && put_base64(out, user);
}

/* ---- the URL
 * -------------------------------------------------------------------------------------- */

static int hex_digit(char c) {
    if (nrt__is_digit(c)) {
        return c - '0';
    }
    c = nrt__lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Undoes %XX. What is no valid escape stays as it is. */
static bool put_decoded(nrt__buf *out, nrt_str text) {
    bool fine = true;
    for (size_t i = 0; i < text.len && fine; i++) {
        char c = text.ptr[i];
        if (c == '%' && text.len - i > 2 && hex_digit(text.ptr[i + 1]) >= 0 &&
            hex_digit(text.ptr[i + 2]) >= 0) {
            c = (char)(hex_digit(text.ptr[i + 1]) << 4 | hex_digit(text.ptr[i + 2]));
            i += 2;
        }
        fine = nrt__buf_add(out, &c, 1);
    }
    return fine;
}

static int bad_url(const char *typed, char *why, size_t why_size) {
    const char *scheme = strstr(typed, "://");
    bool blank = strpbrk(typed, " \t") != NULL;
    if (blank) {
        (void)snprintf(why, why_size, "\"%s\" is not a URL: write blanks in it as %%20", typed);
    } else if (scheme && strncmp(typed, "http", 4) != 0) {
        (void)snprintf(why, why_size, "\"%s\": only http:// and https:// are spoken here", typed);
    } else {
        (void)snprintf(why, why_size, "\"%s\" is not a URL: write http://HOST.nats/PATH", typed);
    }
    return NRT__EXIT_USAGE;
}

/* The path, with the name of the uploaded file where it ends in a slash, as curl does. */
static bool put_path(nrt__buf *url, nrt_str path, const char *upload) {
    bool fine = path.len > 0 ? nrt__buf_put(url, path) : nrt__buf_lit(url, "/");
    bool folder = path.len == 0 || path.ptr[path.len - 1] == '/';
    if (fine && folder && upload && strcmp(upload, "-") != 0) {
        const char *slash = strrchr(upload, '/');
        nrt__buf name;
        nrt__buf_init(&name, NRT__URL_SIZE);
        fine = put_encoded(&name, nrt_str_from(slash ? slash + 1 : upload));
        nrt_str view = nrt__buf_view(&name);
        for (size_t i = 0; i < view.len && fine; i++) {
            /* In a path a blank is %20; '+' would mean itself. */
            fine =
                view.ptr[i] == '+' ? nrt__buf_lit(url, "%20") : nrt__buf_add(url, &view.ptr[i], 1);
        }
        nrt__buf_free(&name);
    }
    return fine;
}

int nrt__get_url(const char *typed, nrt_str query, const char *upload, char *out, nrt__buf *user,
                 char *why, size_t why_size) {
    nrt__buf text;
    nrt__buf url;
    nrt__buf_init(&text, NRT__URL_SIZE);
    nrt__buf_init(&url, NRT__URL_SIZE - 1);
    int code = NRT__EXIT_USAGE;
    nrt__url parts;
    bool fine = strstr(typed, "://") || nrt__buf_lit(&text, "http://");
    if (!fine || !nrt__buf_put(&text, nrt_str_from(typed)) ||
        nrt__url_parse(nrt__buf_view(&text), &parts) != 0) {
        code = bad_url(typed, why, why_size);
        goto done;
    }
    fine = nrt__buf_put(&url, parts.scheme) && nrt__buf_lit(&url, "://") &&
           nrt__buf_put(&url, parts.host);
    if (fine && parts.port.len > 0) {
        fine = nrt__buf_lit(&url, ":") && nrt__buf_put(&url, parts.port);
    }
    fine = fine && put_path(&url, parts.path, upload) && nrt__buf_put(&url, parts.query);
    if (fine && query.len > 0) {
        fine = (parts.query.len > 0 ? nrt__buf_lit(&url, "&") : nrt__buf_lit(&url, "?")) &&
               nrt__buf_put(&url, query);
    }
    nrt__url check;
    if (!fine) {
        (void)snprintf(why, why_size, "the URL is longer than %d bytes", NRT__URL_SIZE - 1);
        goto done;
    }
    if (nrt__url_parse(nrt__buf_view(&url), &check) != 0) {
        (void)snprintf(why, why_size,
                       "-G: the data cannot stand in a URL as it is; "
                       "--data-urlencode encodes it");
        goto done;
    }
    if (parts.userinfo.len > 0 && !put_decoded(user, parts.userinfo)) {
        code = out_of_memory(why, why_size);
        goto done;
    }
    nrt_str view = nrt__buf_view(&url);
    memcpy(out, view.ptr, view.len);
    out[view.len] = '\0';
    code = 0;
done:
    nrt__buf_free(&url);
    nrt__buf_free(&text);
    return code;
}
