/* What OpenTelemetry's environment variables say to who exports traces:
 * https://opentelemetry.io/docs/specs/otel/protocol/exporter/. */
#ifndef NRT__DAEMON_OTEL_H
#define NRT__DAEMON_OTEL_H

#include "core/base/buf.h"

/* The collector's URL. With `base`, one without a path gets /v1/traces. 1, or NRT_ERR_CONFIG where
 * it does not fit. */
int nrt__otel_url(const char *url, bool base, char *out, size_t size);

/* The one that OTEL_EXPORTER_OTLP_TRACES_ENDPOINT or OTEL_EXPORTER_OTLP_ENDPOINT names, and which
 * of them, in *from: 1. 0 where there is none, or it is switched off. NRT_ERR_CONFIG, and `why`. */
int nrt__otel_endpoint(char *out, size_t size, const char **from, char *why, size_t why_size);

/* The lines of a head that OTEL_EXPORTER_OTLP_TRACES_HEADERS or OTEL_EXPORTER_OTLP_HEADERS asks
 * for. 0, or NRT_ERR_CONFIG, and `why`, which tells no secret. */
int nrt__otel_fields(nrt__buf *out, char *why, size_t why_size);

/* What stands before the spans of a message: who sends them, by OTEL_SERVICE_NAME and
 * OTEL_RESOURCE_ATTRIBUTES, else `called`. Likewise. */
int nrt__otel_resource(nrt__buf *out, const char *called, nrt_str instance, char *why,
                       size_t why_size);

#endif
