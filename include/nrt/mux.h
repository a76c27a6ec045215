/* A router: one handler for a service that leads each request to the handler of its route. Patterns
 * and their precedence are those of ServeMux in Go 1.22's net/http, without hosts: a service is
 * one host already.
 *
 *     nrt_mux *mux = nrt_mux_create();
 *     nrt_mux_add(mux, "GET /city/{name}", on_city, NULL); // what fails here is told
 *     error = nrt_serve(conn, "weather.nats", NULL, nrt_mux_handle, mux, NULL);
 */
#ifndef NRT_MUX_H
#define NRT_MUX_H

#include <nrt/service.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Threads: one thread builds a mux. From the first request on it does not change any more, and any
 * number of threads, workers and connections may use it. It must outlive all exchanges it is given:
 * destroy it after the connections, and after the last deferred exchange has ended. */
typedef struct nrt_mux nrt_mux;

/* An empty mux: every request is answered with 404. NULL when out of memory, which need not be
 * looked at: all that is done with NULL gives NRT_ERR_MEMORY. The caller owns it. */
NRT_API nrt_mux *nrt_mux_create(void);

/* Frees a mux. NULL is allowed. */
NRT_API void nrt_mux_destroy(nrt_mux *mux);

/* Adds a route. `pattern` is `[METHOD ]/PATH`:
 *
 *     /about            that path
 *     /img/             all paths that begin so; and /img is redirected there
 *     /city/{name}      any one segment that is not empty
 *     /files/{path...}  the rest of the path, with any number of segments; at the end only
 *     /posts/{$}        that path with its slash, and no more
 *
 * A name is a C identifier, each is used once. Literal segments are compared percent-decoded.
 * Without a method the route takes all; GET takes HEAD too. Of two patterns that match a request,
 * the more specific one has it, in whichever order they were added. Two that match a request in
 * common, and neither all that the other does, are refused: NRT_ERR_USAGE, as is a pattern that is
 * not valid, or one more than 65,536 routes or 64 different methods. NRT_ERR_STATE once requests
 * have come, NRT_ERR_MEMORY. nrt_mux_error says more. */
NRT_API int nrt_mux_add(nrt_mux *mux, const char *pattern, nrt_handler_fn handler, void *arg);

/* Why the first nrt_mux_add or nrt_mux_use that failed did, in words; "" if none has: a program may
 * add all of its routes and look once, or leave that to nrt_serve, which does not take a mux that
 * something is missing in. Names both patterns where two are in conflict. Lives as long as the mux.
 */
NRT_API const char *nrt_mux_error(const nrt_mux *mux);

/* Called before the handler of a route, and before an answer of the mux's own (404, 405, a
 * redirect): true lets it run; with false it does not, and the hook has answered, or has deferred
 * the exchange. For authentication, say: */
typedef bool (*nrt_before_fn)(nrt_exchange *exchange, void *arg);

/* Called once the answer is complete and before it goes out, whoever made it: the handler, on its
 * thread; another hook; or the thread that calls nrt_exchange_end. The answer may still be changed
 * as far as it has not been sent. The exchange must not be deferred here. For the log, say. */
typedef void (*nrt_after_fn)(nrt_exchange *exchange, void *arg);

/* Adds a hook around all routes; either function may be NULL. Those before run in the order in
 * which they were added, up to the one that says false; those after run in the other order, and
 * only where the one before it was reached. Errors as nrt_mux_add; at most 64. */
NRT_API int nrt_mux_use(nrt_mux *mux, nrt_before_fn before, nrt_after_fn after, void *arg);

/* The handler to give to nrt_serve, with the mux as its argument: where one of the calls that built
 * it failed, so does nrt_serve. Any handler may call it.
 *
 * Where no route takes the request, it answers:
 *
 * - 400 to a path with a percent sign that is no code, or with %00;
 * - a redirect to the same path without dot segments (as they are or encoded) and empty segments,
 *   or with the slash that a route for a folder wants: 301 to GET and HEAD, 308 to other methods,
 *   so that they stay what they are (RFC 9110 section 15.4);
 * - 204 with Allow to OPTIONS, also to `OPTIONS *`;
 * - 405 with Allow where the path has routes for other methods;
 * - 404 to all else. Errors are problem+json (RFC 9457). */
NRT_API void nrt_mux_handle(nrt_exchange *exchange, void *mux);

/* ---- inside a handler, and in hooks -------------------------------------------------------------
 */

/* What stands in the path for `{name}` of the route's pattern, percent-decoded: a slash in it was
 * %2F (or, for `{name...}`, may be either). Holds no NUL. The absent string where the pattern has
 * no such name. Lives until the exchange ends. */
NRT_API nrt_str nrt_exchange_path_value(const nrt_exchange *exchange, const char *name);

/* The pattern of the route, as it was added; "" where the mux answers itself. For logs and metrics:
 * there are only so many. Lives as long as the mux. */
NRT_API const char *nrt_exchange_pattern(const nrt_exchange *exchange);

#ifdef __cplusplus
}
#endif
#endif
