/* Which commands there are, in the order of the help. */
#include "cli/commands.h"

#include <string.h>

const nrt__command *const nrt__commands[NRT__COMMANDS] = {
    &nrt__get_command,     &nrt__serve_command,  &nrt__gateway_command, &nrt__ls_command,
    &nrt__info_command,    &nrt__stats_command,  &nrt__top_command,     &nrt__bench_command,
    &nrt__context_command, &nrt__doctor_command, &nrt__demo_command,    &nrt__completion_command,
};

const nrt__command *nrt__command_find(const char *name) {
    for (size_t i = 0; i < NRT__COMMANDS; i++) {
        if (strcmp(nrt__commands[i]->name, name) == 0) {
            return nrt__commands[i];
        }
    }
    return NULL;
}
