/* What the programs say on standard error: text for people, or one JSON object per line. */
#ifndef NRT__REPORT_H
#define NRT__REPORT_H

#include <jansson.h>
#include <nrt/options.h>

#include "cli/term.h"

typedef enum nrt__report_format { NRT__REPORT_TEXT = 0, NRT__REPORT_JSON = 1 } nrt__report_format;

typedef struct nrt__report {
    const char *program; /* "nrt serve": begins warnings and errors */
    nrt__report_format format;
    nrt_log_level level; /* up to which */
    const nrt__style *style;
} nrt__report;

void nrt__report_init(nrt__report *log, const char *program, nrt__report_format format,
                      bool verbose);

static inline bool nrt__report_is_json(const nrt__report *log) {
    return log->format == NRT__REPORT_JSON;
}

/* One event. As text: the text, after the program's name if it is a warning or an error. As JSON:
 * time, level, `event`, the text, and `members` (an object, or NULL; this call releases it).
 * Control characters in what strangers sent never reach a terminal. */
void nrt__report_event(const nrt__report *log, nrt_log_level level, const char *event,
                       json_t *members, const char *format, ...) NRT_PRINTF(5, 6);

/* For nrt_options.log, with the nrt__report as its argument. */
void nrt__report_library(nrt_log_level level, const char *text, void *log);

/* A JSON string of bytes that need not be UTF-8: what is not becomes U+FFFD. */
json_t *nrt__report_string(nrt_str bytes);

#endif
