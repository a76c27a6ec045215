/* The words of the NATS service API, and what may be said in them. */
#include "core/discovery/text.h"

#include <stdio.h>

#include "core/base/str.h"
#include "core/discovery/discovery.h"

static const struct {
    const char *word;
    const char *type;
} verbs[] = {
    [NRT__DISCOVERY_PING] = {"PING", "io.nats.micro.v1.ping_response"},
    [NRT__DISCOVERY_INFO] = {"INFO", "io.nats.micro.v1.info_response"},
    [NRT__DISCOVERY_STATS] = {"STATS", "io.nats.micro.v1.stats_response"},
};

const char *nrt__discovery_word(nrt__discovery_verb verb) {
    return verbs[verb].word;
}

const char *nrt__discovery_type(nrt__discovery_verb verb) {
    return verbs[verb].type;
}

bool nrt__discovery_verb_read(nrt_str word, nrt__discovery_verb *verb) {
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (nrt__str_equal(word, nrt_str_from(verbs[i].word))) {
            *verb = (nrt__discovery_verb)i;
            return true;
        }
    }
    return false;
}

static bool is_name_char(char c) {
    return nrt__is_digit(c) || c == '-' || c == '_' || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z');
}

bool nrt__discovery_is_name(nrt_str text) {
    for (size_t i = 0; i < text.len; i++) {
        if (!is_name_char(text.ptr[i])) {
            return false;
        }
    }
    return text.len > 0;
}

void nrt__discovery_name(nrt_str host, char *out) {
    size_t len = host.len > 5 ? host.len - 5 : host.len;
    for (size_t i = 0; i < len; i++) {
        out[i] = is_name_char(host.ptr[i]) ? host.ptr[i] : '-';
    }
    out[len] = '\0';
}

/* One character of UTF-8 (RFC 3629), and how many bytes it took; 0 where it is none. */
static size_t read_utf8(const unsigned char *at, size_t len, uint32_t *out) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t count = at[0] < 0x80 ? 1 : at[0] < 0xc0 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    if (count == 0 || count > len || at[0] > 0xf4) {
        return 0;
    }
    uint32_t value = count == 1 ? at[0] : at[0] & (0x7fu >> count);
    for (size_t i = 1; i < count; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
        value = value << 6 | (at[i] & 0x3fu);
    }
    if (value < least[count] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) {
        return 0;
    }
    *out = value;
    return count;
}

bool nrt__is_plain_text(nrt_str text) {
    const unsigned char *at = (const unsigned char *)text.ptr;
    for (size_t i = 0; i < text.len;) {
        uint32_t c = 0;
        size_t used = read_utf8(at + i, text.len - i, &c);
        bool control = c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029;
        bool turns = c == 0x061c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) ||
                     (c >= 0x2066 && c <= 0x2069);
        if (used == 0 || control || turns) {
            return false;
        }
        i += used;
    }
    return true;
}

/* Dot-separated identifiers of letters, digits and '-'; numbers among them without leading zeros
 * where that is asked for. */
static bool are_identifiers(nrt_str text, bool strict) {
    size_t start = 0;
    for (size_t i = 0; i <= text.len; i++) {
        if (i < text.len && text.ptr[i] != '.') {
            if (!is_name_char(text.ptr[i]) || text.ptr[i] == '_') {
                return false;
            }
            continue;
        }
        bool digits = true;
        for (size_t j = start; j < i; j++) {
            digits = digits && nrt__is_digit(text.ptr[j]);
        }
        if (i == start || (strict && digits && i - start > 1 && text.ptr[start] == '0')) {
            return false;
        }
        start = i + 1;
    }
    return true;
}

bool nrt__is_semver(nrt_str text) {
    const char *plus = text.len ? memchr(text.ptr, '+', text.len) : NULL;
    if (plus) {
        size_t len = (size_t)(plus - text.ptr);
        if (!are_identifiers((nrt_str){plus + 1, text.len - len - 1}, false)) {
            return false;
        }
        text.len = len;
    }
    const char *dash = text.len ? memchr(text.ptr, '-', text.len) : NULL;
    if (dash) {
        size_t len = (size_t)(dash - text.ptr);
        if (!are_identifiers((nrt_str){dash + 1, text.len - len - 1}, true)) {
            return false;
        }
        text.len = len;
    }
    size_t dots = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '.') {
            dots++;
        } else if (!nrt__is_digit(text.ptr[i])) {
            return false;
        }
    }
    return dots == 2 && are_identifiers(text, true);
}

static int check_metadata(const char *const *pair, const char **why) {
    size_t count = 0;
    for (; pair && *pair; pair += 2) {
        nrt_str name = nrt_str_from(pair[0]);
        nrt_str value = nrt_str_from(pair[1]);
        if (!value.ptr) {
            *why = "metadata: the last name has no value";
            return NRT_ERR_USAGE;
        }
        if (name.len == 0 || name.len > NRT__DISCOVERY_NAME_MAX || !nrt__is_plain_text(name) ||
            value.len > NRT__DISCOVERY_VALUE_MAX || !nrt__is_plain_text(value)) {
            *why = "metadata: names are 1 to 64, values up to 512 bytes of UTF-8 without control "
                   "characters";
            return NRT_ERR_USAGE;
        }
        if (nrt__str_starts(name, NRT__STR("nrt."))) {
            *why = "metadata: names that begin with \"nrt.\" are the library's";
            return NRT_ERR_USAGE;
        }
        if (++count > NRT__DISCOVERY_METADATA_MAX) {
            *why = "metadata: more than 32 pairs";
            return NRT_ERR_USAGE;
        }
    }
    return 0;
}

int nrt__discovery_check(const nrt_service_options *options, const char **why) {
    nrt_str version = nrt_str_from(options->version);
    nrt_str description = nrt_str_from(options->description);
    if (version.ptr && (version.len > NRT__DISCOVERY_VERSION_MAX || !nrt__is_semver(version))) {
        *why = "the version is no semantic version such as 1.2.3 (https://semver.org), of at most "
               "64 characters";
        return NRT_ERR_USAGE;
    }
    if (description.len > NRT__DISCOVERY_DESCRIPTION_MAX || !nrt__is_plain_text(description)) {
        *why = "the description is longer than 512 bytes, or not UTF-8 without control characters";
        return NRT_ERR_USAGE;
    }
    return check_metadata(options->metadata, why);
}

static bool number(const char *text, size_t len, int *out) {
    *out = 0;
    for (size_t i = 0; i < len; i++) {
        if (!nrt__is_digit(text[i])) {
            return false;
        }
        *out = *out * 10 + (text[i] - '0');
    }
    return true;
}

void nrt__discovery_rfc3339(const char *date, char out[24]) {
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int day;
    int year;
    int month = 0;
    out[0] = '\0';
    if (strlen(date) != 29 || !number(date + 5, 2, &day) || !number(date + 12, 4, &year)) {
        return;
    }
    while (month < 12 && memcmp(months + 3 * (size_t)month, date + 8, 3) != 0) {
        month++;
    }
    if (month < 12) {
        (void)snprintf(out, 24, "%04d-%02d-%02dT%.8sZ", year % 10000, (month + 1) % 100, day % 100,
                       date + 17);
    }
}
