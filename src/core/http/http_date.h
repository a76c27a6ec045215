/* Dates as HTTP writes them (RFC 9110 section 5.6.7). */
#ifndef NRT__HTTP_DATE_H
#define NRT__HTTP_DATE_H

#include <nrt/base.h>

enum { NRT__HTTP_DATE_SIZE = 30 }; /* with the NUL */

/* Seconds since 1970 as an IMF-fixdate; false outside the years 1 to 9999. */
bool nrt__http_date_write(int64_t seconds, char out[NRT__HTTP_DATE_SIZE]);

/* Reads any of the three forms; false for what is none. `now` says what century two digits of a
 * year are in. A day of the week that is not the date's is passed over. */
bool nrt__http_date_read(nrt_str text, int64_t now, int64_t *seconds);

#endif
