/* The commands that there are. */
#ifndef NRT__COMMANDS_H
#define NRT__COMMANDS_H

#include "cli/args.h"

extern const nrt__command nrt__get_command;
extern const nrt__command nrt__serve_command;
extern const nrt__command nrt__gateway_command;
extern const nrt__command nrt__ls_command;
extern const nrt__command nrt__info_command;
extern const nrt__command nrt__stats_command;
extern const nrt__command nrt__top_command;
extern const nrt__command nrt__bench_command;
extern const nrt__command nrt__context_command;
extern const nrt__command nrt__doctor_command;
extern const nrt__command nrt__demo_command;
extern const nrt__command nrt__completion_command;

/* All of them, in the order of the help. Beside them main.c knows "help" and "version". */
enum { NRT__COMMANDS = 12 };
extern const nrt__command *const nrt__commands[NRT__COMMANDS];

/* NULL: there is none. */
const nrt__command *nrt__command_find(const char *name);

#endif
