/* Where a response of `nrt get` leads. */
#include <stdio.h>
#include <string.h>

#include "cli/get/get.h"
#include "core/base/str.h"
#include "core/http/url.h"

int nrt__get_redirect_find(const nrt_response *response, const char *url, char *out, char *why,
                           size_t why_size) {
    int status = nrt_response_status(response);
    out[0] = '\0';
    if (status != 301 && status != 302 && status != 303 && status != 307 && status != 308) {
        return 0;
    }
    nrt_str location = nrt_fields_get(nrt_response_fields(response), "Location");
    if (!location.ptr) {
        return 0;
    }
    nrt__buf reference;
    nrt__buf_init(&reference, NRT__URL_SIZE);
    for (size_t i = 0; i < location.len; i++) {
        unsigned char c = (unsigned char)location.ptr[i];
        if (c > 0x20 && c < 0x7f) {
            (void)nrt__buf_add(&reference, &c, 1);
        } else {
            (void)nrt__buf_printf(&reference, "%%%02X", c);
        }
    }
    int code = 0;
    bool whole = !reference.failed;
    if (!whole ||
        nrt__url_resolve(nrt_str_from(url), nrt__buf_view(&reference), out, NRT__URL_SIZE) != 0) {
        out[0] = '\0';
        (void)snprintf(why, why_size,
                       "the redirect leads to \"%.*s\", which is not an http:// or https:// URL",
                       NRT__ARG(location));
        code = NRT__EXIT_FAILED;
    }
    nrt__buf_free(&reference);
    return code;
}

int nrt__get_redirect_check(const char *from_url, const char *to_url, bool *other_host, char *why,
                            size_t why_size, char *hint, size_t hint_size) {
    nrt__url from;
    nrt__url to;
    int error = nrt__url_parse(nrt_str_from(from_url), &from);
    if (error == 0) {
        error = nrt__url_parse(nrt_str_from(to_url), &to);
    }
    nrt_request *probe = error == 0 ? nrt_request_create("GET", to_url, &error) : NULL;
    nrt_request_destroy(probe);
    if (error == NRT_ERR_HOST) {
        (void)snprintf(why, why_size, "the redirect leads away from NATS, to %s", to_url);
        (void)snprintf(hint, hint_size, "curl can fetch that.");
        return NRT__EXIT_FAILED;
    }
    if (error != 0) {
        (void)snprintf(why, why_size, "the redirect to %s: %s", to_url, nrt_error_text(error));
        return NRT__EXIT_FAILED;
    }
    *other_host = !nrt__str_same(from.host, to.host);
    return 0;
}
