/* nrt: HTTP over NATS. Includes all of the library; what depends on another library has a header of
 * its own (nrt/libevent.h). */
#ifndef NRT_NRT_H
#define NRT_NRT_H

#include <nrt/admin.h>
#include <nrt/base.h>
#include <nrt/client.h>
#include <nrt/conn.h>
#include <nrt/discovery.h>
#include <nrt/error.h>
#include <nrt/http.h>
#include <nrt/loop.h>
#include <nrt/message.h>
#include <nrt/mux.h>
#include <nrt/options.h>
#include <nrt/service.h>
#include <nrt/stream.h>

#endif
