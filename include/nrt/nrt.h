/* nrt: HTTP over NATS. Includes all that needs no other library; not nrt/curl.h, nrt/mhd.h,
 * nrt/libevent.h, and what they stand on, nrt/bridge.h. Read nrt/base.h first: it says what holds
 * everywhere. */
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
#include <nrt/trace.h>

#endif
