/* What somebody meant who typed something else. */
#ifndef NRT__SUGGEST_H
#define NRT__SUGGEST_H

#include <stddef.h>

/* Longer words are not compared. */
enum { NRT__SUGGEST_MAX = 40 };

/* Which of `count` words somebody meant who typed `typed`: close in spelling, or begun by it. NULL
 * where none is near. */
const char *nrt__suggest(const char *typed, const char *const words[], size_t count);

#endif
