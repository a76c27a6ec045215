/* To be preloaded: two.example has the addresses that TWO_ADDRESSES names ("127.0.0.2,127.0.0.1").
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int look_up_fn(const char *host, const char *port, const struct addrinfo *hints,
                       struct addrinfo **found);

/* In the place of the C library's. */
__attribute__((visibility("default"))) int getaddrinfo(const char *host, const char *port,
                                                       const struct addrinfo *hints,
                                                       struct addrinfo **found) {
    look_up_fn *real = (look_up_fn *)dlsym(RTLD_NEXT, "getaddrinfo");
    char texts[2][INET_ADDRSTRLEN] = {"", ""};
    const char *both = getenv("TWO_ADDRESSES");
    if (strcmp(host, "two.example") != 0) {
        return real(host, port, hints, found);
    }
    if (!both || sscanf(both, "%15[^,],%15s", texts[0], texts[1]) != 2 ||
        real(texts[0], port, hints, found) != 0) {
        return EAI_FAIL;
    }
    return real(texts[1], port, hints, &(*found)->ai_next); /* freed as one list */
}
