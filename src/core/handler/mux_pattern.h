/* What a route's pattern says, and how two of them relate: as sets of requests, for that is what
 * precedence and conflicts are about. */
#ifndef NRT__MUX_PATTERN_H
#define NRT__MUX_PATTERN_H

#include <nrt/error.h>

enum {
    NRT__PATTERN_MAX = 512,  /* bytes of a pattern */
    NRT__SEGMENTS_MAX = 64,  /* in a pattern */
    NRT__MUX_TEXT_MAX = 1600 /* of what is said about two of them */
};

typedef enum nrt__segment_kind {
    NRT__SEGMENT_LITERAL = 0, /* itself; the empty one is behind the last slash */
    NRT__SEGMENT_SINGLE,      /* any one that is not empty */
    NRT__SEGMENT_REST,        /* one or more, to the end */
} nrt__segment_kind;

typedef struct nrt__segment {
    nrt__segment_kind kind;
    nrt_str text; /* a literal, decoded; else the name, empty where it has none */
} nrt__segment;

typedef struct nrt__pattern {
    char *text;     /* as it was given */
    nrt_str method; /* empty: all */
    size_t count;
    size_t wildcards; /* that have a name */
    char *decoded;    /* what the literals point into */
    nrt__segment *segments;
} nrt__pattern;

/* Reads a pattern. NRT_ERR_USAGE, with `why`; NRT_ERR_MEMORY. */
int nrt__pattern_init(nrt__pattern *pattern, const char *text, char why[NRT__MUX_TEXT_MAX]);
void nrt__pattern_finish(nrt__pattern *pattern);

/* The requests that one matches, as seen from the other one's. */
typedef enum nrt__relation {
    NRT__SAME = 0,
    NRT__NARROWER, /* some of them, and no others: the first is more specific */
    NRT__WIDER,
    NRT__CROSSING, /* some in common, and each has others */
    NRT__APART,    /* none in common */
} nrt__relation;

nrt__relation nrt__pattern_compare(const nrt__pattern *a, const nrt__pattern *b);

/* Says in `why` that two patterns whose relation is SAME or CROSSING exclude each other. */
void nrt__pattern_explain(const nrt__pattern *added, const nrt__pattern *before,
                          nrt__relation relation, char why[NRT__MUX_TEXT_MAX]);

/* Whether a segment is `.` or `..`, percent-encoded or not: how many dots, or 0. */
size_t nrt__segment_dots(nrt_str segment);

#endif
