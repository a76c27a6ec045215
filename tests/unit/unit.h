/* What every unit test needs: cmocka with the headers it wants before it, and views compared with
 * text. */
#ifndef NRT__UNIT_H
#define NRT__UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static inline void unit_same_view(nrt_str got, nrt_str want, const char *file, int line) {
    if (!nrt__str_equal(got, want)) {
        print_error("got  \"%.*s\" (%zu bytes)\nwant \"%.*s\" (%zu bytes)\n", NRT__ARG(got),
                    got.len, NRT__ARG(want), want.len);
        _fail(file, line);
    }
}

/* The bytes of a view are exactly those of the text. */
#define assert_view(view, text) unit_same_view((view), nrt_str_from(text), __FILE__, __LINE__)

#define assert_absent(view) assert_null((view).ptr)

#endif
