/* A configuration file, read by the tables of a command's options. */
#include "cli/daemon/config_file.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/common.h"
#include "core/base/json_place.h"
#include "core/base/suggest.h"
#include "lib/config.h"
#include "lib/file.h"

enum {
    FILE_MAX = 1 << 20,
    ITEMS_MAX = 10000, /* of one list */
    PROBLEMS_MAX = 50, /* that are told */
    STEPS_MAX = 4,     /* of a place: route[3].timeout has three */
    PATH_SIZE = 160,   /* of it as text */
    VALUE_SIZE = 4096, /* of an object as it would stand on the command line */
    KEYS_MAX = 96,     /* a command's options */
};

const nrt__opt nrt__config_opts[NRT__CONFIG_OPTS] = {
    {.name = "config",
     .value = "FILE",
     .kind = NRT__OPT_STRING,
     .offset = offsetof(nrt__config_option, path),
     .help =
         "read these options from FILE, in JSON, each under its name, and again on SIGHUP; what "
         "is given here as well counts instead of what stands there"},
    {.name = "check",
     .kind = NRT__OPT_FLAG,
     .offset = offsetof(nrt__config_option, check),
     .help = "say what is wrong with the options and the file, or that all is fine, and end: code "
             "0 or 2; nothing is listened on or connected to"},
};

/* Where in the file the reader is. */
typedef struct reader {
    nrt__config_file *file;
    const nrt__command *command;
    const nrt__operands *operands;
    const nrt__report *log;
    nrt__json_step steps[STEPS_MAX];
    size_t depth;
} reader;

/* ---- places and problems ---- */

static const char *path_text(const nrt__json_step *steps, size_t depth, char *out, size_t size) {
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < depth && len < size - 1; i++) {
        int more = steps[i].key
                       ? snprintf(out + len, size - len, "%s%s", len > 0 ? "." : "", steps[i].key)
                       : snprintf(out + len, size - len, "[%zu]", steps[i].index);
        len += more > 0 ? (size_t)more : 0;
    }
    return out;
}

static void tell(reader *r, nrt__json_place place, const char *path, const char *text) {
    json_t *members = NULL;
    if (++r->file->problems > PROBLEMS_MAX) {
        return;
    }
    if (nrt__report_is_json(r->log)) {
        members =
            json_pack("{s:o, s:i, s:i, s:o}", "file",
                      nrt__report_string(nrt_str_from(r->file->path)), "line", (int)place.line,
                      "column", (int)place.column, "path", nrt__report_string(nrt_str_from(path)));
    }
    nrt__report_event(r->log, NRT_LOG_ERROR, "config", members, "%s:%u:%u: %s%s%s", r->file->path,
                      place.line, place.column, path, *path ? ": " : "", text);
}

static void problem(reader *r, const char *format, ...) NRT_PRINTF(2, 3);

static void problem(reader *r, const char *format, ...) {
    char text[512];
    char path[PATH_SIZE];
    va_list values;
    va_start(values, format);
    (void)vsnprintf(text, sizeof(text), format, values);
    va_end(values);
    tell(r, nrt__json_locate(r->file->text, r->steps, r->depth),
         path_text(r->steps, r->depth, path, sizeof(path)), text);
}

static void enter_key(reader *r, const char *key) {
    r->steps[r->depth++] = (nrt__json_step){.key = key};
}

static void enter_index(reader *r, size_t index) {
    r->steps[r->depth++] = (nrt__json_step){.index = index};
}

static void leave(reader *r) {
    r->depth--;
}

/* "FILE:12:7: route[2]", for who finds a fault later. NULL: out of memory. */
static const char *where(reader *r) {
    char path[PATH_SIZE];
    char text[PATH_SIZE + 64];
    nrt__json_place place = nrt__json_locate(r->file->text, r->steps, r->depth);
    (void)snprintf(text, sizeof(text), ":%u:%u: %s", place.line, place.column,
                   path_text(r->steps, r->depth, path, sizeof(path)));
    size_t head = strlen(r->file->path);
    size_t tail = strlen(text);
    char *out = nrt__arena_get(&r->file->arena, head + tail + 1);
    if (out) {
        memcpy(out, r->file->path, head);
        memcpy(out + head, text, tail + 1);
    }
    return out;
}

/* ---- what the environment says instead ---- */

static bool is_set(const char *variable) {
    const char *value = getenv(variable);
    return value && *value;
}

/* As docs/configuration.md has it: a variable counts before a file. Whoever is named by one does
 * not get the credentials of another. */
static bool environment_has(const nrt__opt *opt, const json_t *root) {
    static const char *const who[] = {"NATS_USER", "NATS_TOKEN", "NATS_CREDS", "NATS_NKEY"};
    const char *name = opt->name;
    if (opt < nrt__common_opts || opt >= nrt__common_opts + NRT__COMMON_OPTS) {
        return false;
    }
    if (strcmp(name, "context") == 0) {
        const char *only = getenv("NATS_ENV");
        return is_set("NATS_CONTEXT") || (only && strcmp(only, "true") == 0);
    }
    for (size_t i = 0; i < NRT__SETTINGS; i++) {
        const char *flag = nrt__common_flag(nrt__settings[i].field);
        const char *variable = i == NRT__SET_TIMEOUT ? "NATS_TIMEOUT" : nrt__settings[i].variable;
        if (flag && variable && strcmp(flag + 2, name) == 0 && is_set(variable)) {
            return true;
        }
    }
    bool password = strcmp(name, "password") == 0;
    bool alone = password && !json_object_get(root, "user"); /* for the user of the variable */
    if (!password && strcmp(name, "user") != 0 && strcmp(name, "token") != 0 &&
        strcmp(name, "creds") != 0 && strcmp(name, "nkey") != 0) {
        return false;
    }
    for (size_t i = 0; i < sizeof(who) / sizeof(who[0]) && !alone; i++) {
        if (is_set(who[i])) {
            return true;
        }
    }
    return false;
}

/* ---- values ---- */

static const char *type_name(const json_t *value) {
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "a list";
    case JSON_STRING:
        return "a text in quotes";
    case JSON_INTEGER:
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "true or false";
    case JSON_NULL:
        break;
    }
    return "null";
}

/* What the kind of an option is written as, with an example. */
static const char *expected(const nrt__opt *opt, bool object, char *out, size_t size) {
    switch (opt->kind) {
    case NRT__OPT_FLAG:
        return "true or false";
    case NRT__OPT_NUMBER:
        return "a whole number, without quotes";
    case NRT__OPT_DURATION:
        return "a duration in quotes, with its unit, such as \"500ms\", \"10s\" or \"2m\"";
    case NRT__OPT_SIZE:
        return "a number of bytes, or a size in quotes, such as \"512k\" or \"10M\"";
    case NRT__OPT_CHOICE:
        (void)snprintf(out, size, "one of %s, in quotes", opt->value);
        return out;
    case NRT__OPT_SET:
        (void)snprintf(out, size, "a list of the words %s, each in quotes", opt->value);
        return out;
    case NRT__OPT_LIST:
        (void)snprintf(out, size, "%s in quotes%s, or a list of them", opt->value,
                       object ? " or an object" : "");
        return out;
    case NRT__OPT_STRING:
    case NRT__OPT_HELP:
        break;
    }
    (void)snprintf(out, size, "%s in quotes", opt->value);
    return out;
}

static void wrong_type(reader *r, const nrt__opt *opt, const json_t *value, bool object) {
    char space[256];
    problem(r, "is %s; write %s%s", type_name(value), expected(opt, object, space, sizeof(space)),
            json_is_null(value) ? ", or remove the key" : "");
}

static void keep_text(reader *r, const nrt__opt *opt, void *place, const char *text) {
    char why[256];
    if (nrt__args_store(opt, place, text, why, sizeof(why)) != 0) {
        problem(r, "\"%s\" %s", text, why);
    }
}

static void read_integer(reader *r, const nrt__opt *opt, void *place, const json_t *value) {
    char text[32];
    (void)snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    keep_text(r, opt, place, text);
}

/* ["refused", "idempotent"], or both in one text with a comma between. */
static void read_set(reader *r, const nrt__opt *opt, void *place, const json_t *value) {
    char text[256] = "";
    size_t len = 0;
    for (size_t i = 0; i < json_array_size(value); i++) {
        const char *word = json_string_value(json_array_get(value, i));
        int more = word && !strchr(word, ',')
                       ? snprintf(text + len, sizeof(text) - len, "%s%s", len > 0 ? "," : "", word)
                       : -1;
        if (more < 0 || (size_t)more >= sizeof(text) - len) {
            wrong_type(r, opt, value, false);
            return;
        }
        len += (size_t)more;
    }
    keep_text(r, opt, place, text);
}

/* A value that is no list. */
static void read_value(reader *r, const nrt__opt *opt, void *place, const json_t *value) {
    bool text = json_is_string(value);
    bool fits = false;
    switch (opt->kind) {
    case NRT__OPT_FLAG:
        fits = json_is_boolean(value);
        if (fits) {
            *(bool *)place = json_is_true(value);
        }
        break;
    case NRT__OPT_NUMBER:
        fits = json_is_integer(value);
        if (fits) {
            read_integer(r, opt, place, value);
        }
        break;
    case NRT__OPT_SIZE:
        fits = text || json_is_integer(value);
        if (fits && !text) {
            read_integer(r, opt, place, value);
        } else if (fits) {
            keep_text(r, opt, place, json_string_value(value));
        }
        break;
    case NRT__OPT_SET:
        fits = text || json_is_array(value);
        if (fits && !text) {
            read_set(r, opt, place, value);
        } else if (fits) {
            keep_text(r, opt, place, json_string_value(value));
        }
        break;
    case NRT__OPT_STRING:
    case NRT__OPT_DURATION:
    case NRT__OPT_CHOICE:
        fits = text;
        if (fits) {
            keep_text(r, opt, place, json_string_value(value));
        }
        break;
    case NRT__OPT_LIST:
    case NRT__OPT_HELP:
        break;
    }
    if (!fits) {
        wrong_type(r, opt, value, false);
    }
}

/* ---- objects ---- */

static void unknown_key(reader *r, const char *const names[], size_t count, const char *where_to) {
    const char *key = r->steps[r->depth - 1].key;
    const char *near = nrt__suggest(key, names, count);
    if (near) {
        problem(r, "is an unknown key; did you mean \"%s\"?", near);
    } else {
        problem(r, "is an unknown key; %s", where_to);
    }
}

/* An element of a list that is written as an object; NULL where something is wrong with it. */
static void *read_object(reader *r, const nrt__opt_object *of, const json_t *value) {
    const char *names[KEYS_MAX];
    unsigned before = r->file->problems;
    void *object = nrt__arena_get(&r->file->arena, of->size);
    const char *key;
    char keys[256] = "keys here are ";
    size_t len = strlen(keys);
    json_t *member;
    if (!object) {
        problem(r, "out of memory");
        return NULL;
    }
    memset(object, 0, of->size);
    for (size_t i = 0; i < of->count; i++) {
        names[i] = of->opts[i].name;
        int more = snprintf(keys + len, sizeof(keys) - len, "%s%s", i > 0 ? ", " : "", names[i]);
        len += more > 0 && (size_t)more < sizeof(keys) - len ? (size_t)more : 0;
    }
    /* cppcheck-suppress constVariablePointer ; jansson's macro takes what it has */
    json_object_foreach((json_t *)value, key, member) {
        size_t i = 0;
        while (i < of->count && strcmp(names[i], key) != 0) {
            i++;
        }
        enter_key(r, key);
        if (i == of->count) {
            unknown_key(r, names, of->count, keys);
        } else {
            read_value(r, &of->opts[i], (char *)object + of->opts[i].offset, member);
        }
        leave(r);
    }
    return r->file->problems == before ? object : NULL;
}

static void read_element(reader *r, const nrt__opt *opt, const nrt__opt_object *of,
                         nrt__arg_list *list, const json_t *value) {
    nrt__arg arg = {.opt = opt, .value = json_string_value(value), .where = where(r)};
    if (of && json_is_object(value)) {
        char text[VALUE_SIZE];
        arg.more = read_object(r, of, value);
        if (!arg.more) {
            return;
        }
        const char *wrong = of->finish(arg.more, text, sizeof(text));
        if (wrong) {
            problem(r, "%s", wrong);
            return;
        }
        arg.value = nrt__arena_copy(&r->file->arena, nrt_str_from(text)).ptr;
    } else if (!json_is_string(value)) {
        wrong_type(r, opt, value, of != NULL);
        return;
    }
    if (!arg.value || !arg.where || nrt__args_append(list, arg) != 0) {
        problem(r, "out of memory");
    }
}

/* A list, or its only element. */
static void read_list(reader *r, const nrt__opt *opt, nrt__arg_list *list, const json_t *value) {
    const nrt__opt_object *of = NULL;
    for (size_t i = 0; i < r->command->object_count; i++) {
        if (strcmp(r->command->objects[i].option, opt->name) == 0) {
            of = &r->command->objects[i];
        }
    }
    if (!json_is_array(value)) {
        read_element(r, opt, of, list, value);
        return;
    }
    if (json_array_size(value) > ITEMS_MAX) {
        problem(r, "has %zu elements; at most %d may be there", json_array_size(value), ITEMS_MAX);
        return;
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        enter_index(r, i);
        read_element(r, opt, of, list, json_array_get(value, i));
        leave(r);
    }
}

/* ---- the whole ---- */

static bool is_own(const nrt__opt *opt) {
    return opt >= nrt__config_opts && opt < nrt__config_opts + NRT__CONFIG_OPTS;
}

/* The option of that name, and in which group; NULL: none that may stand in a file. */
static const nrt__opt *find(const nrt__command *command, const char *name, size_t *base) {
    for (size_t g = 0; g < command->group_count; g++) {
        const nrt__opt_group *group = &command->groups[g];
        for (size_t i = 0; i < group->count; i++) {
            if (strcmp(group->opts[i].name, name) == 0 && !is_own(&group->opts[i])) {
                *base = group->base;
                return &group->opts[i];
            }
        }
    }
    return NULL;
}

static void unknown_option(reader *r, const char *key) {
    const char *names[KEYS_MAX];
    char text[128];
    size_t count = 0;
    for (size_t g = 0; g < r->command->group_count; g++) {
        const nrt__opt_group *group = &r->command->groups[g];
        for (size_t i = 0; i < group->count && count < KEYS_MAX; i++) {
            if (!is_own(&group->opts[i])) {
                names[count++] = group->opts[i].name;
            }
        }
    }
    if (strcmp(key, "config") == 0 || strcmp(key, "check") == 0 || strcmp(key, "help") == 0) {
        problem(r, "is for the command line only: remove it");
        return;
    }
    (void)snprintf(text, sizeof(text), "keys are the options that \"nrt %s --help\" lists",
                   r->command->name);
    unknown_key(r, names, count, text);
}

/* Who can read the file has what is in it. */
static void check_secrecy(reader *r, const nrt__opt *opt, const json_t *value) {
    struct stat about;
    const char *text = json_string_value(value);
    bool url = strcmp(opt->name, "server") == 0;
    bool secret = strcmp(opt->name, "password") == 0 || strcmp(opt->name, "token") == 0 || url;
    if (secret && text && (!url || strchr(text, '@')) && stat(r->file->path, &about) == 0 &&
        (about.st_mode & (S_IROTH | S_IWOTH))) {
        problem(r, "holds a secret, and every user can read this file: chmod 640 it, or keep the "
                   "secret elsewhere (\"creds\", \"nkey\", NATS_PASSWORD, NATS_TOKEN)");
    }
}

static void read_root(reader *r, void *options) {
    const char *key;
    json_t *value;
    json_object_foreach(r->file->root, key, value) {
        size_t base = 0;
        const nrt__opt *opt = find(r->command, key, &base);
        if (strcmp(key, "$schema") == 0 && json_is_string(value)) {
            continue; /* for editors */
        }
        enter_key(r, key);
        if (!opt) {
            unknown_option(r, key);
        } else if (!nrt__args_given(r->operands, opt) && !environment_has(opt, r->file->root)) {
            void *place = (char *)options + base + opt->offset;
            check_secrecy(r, opt, value);
            if (opt->kind == NRT__OPT_LIST) {
                read_list(r, opt, place, value);
            } else {
                read_value(r, opt, place, value);
            }
        }
        leave(r);
    }
}

unsigned nrt__config_file_read(nrt__config_file *file, const char *path,
                               const nrt__command *command, const nrt__operands *operands,
                               void *options, const nrt__report *log) {
    reader r = {.file = file, .command = command, .operands = operands, .log = log};
    char reason[NRT__REASON_SIZE];
    json_error_t why = {0};
    *file = (nrt__config_file){.path = path};
    int error = nrt__file_read(path, FILE_MAX, &file->text, reason, sizeof(reason));
    if (error < 0) {
        file->problems++;
        nrt__report_event(log, NRT_LOG_ERROR, "config", NULL, "--config: %s",
                          error == NRT_ERR_MEMORY ? "out of memory" : reason);
        return file->problems;
    }
    file->root = json_loadb(file->text.len > 0 ? file->text.ptr : "", file->text.len,
                            JSON_REJECT_DUPLICATES, &why);
    if (!file->root) {
        nrt__json_place place = nrt__json_fault(file->text, &why, reason, sizeof(reason));
        tell(&r, place, "", reason);
    } else if (!json_is_object(file->root)) {
        problem(&r, "is %s; a configuration is an object: {\"log\": ...}", type_name(file->root));
    } else {
        read_root(&r, options);
    }
    if (file->problems > PROBLEMS_MAX) {
        nrt__report_event(log, NRT_LOG_ERROR, "config", NULL, "%s: %u more problems are not listed",
                          path, file->problems - PROBLEMS_MAX);
    }
    return file->problems;
}

void nrt__config_file_finish(nrt__config_file *file, const nrt__command *command,
                             const nrt__operands *operands, void *options) {
    for (size_t g = 0; file->root && g < command->group_count; g++) {
        const nrt__opt_group *group = &command->groups[g];
        for (size_t i = 0; i < group->count; i++) {
            if (group->opts[i].kind == NRT__OPT_LIST &&
                !nrt__args_given(operands, &group->opts[i])) {
                nrt__arg_list *list =
                    (void *)((char *)options + group->base + group->opts[i].offset);
                free(list->items);
                *list = (nrt__arg_list){0};
            }
        }
    }
    json_decref(file->root);
    nrt__file_free(file->text);
    nrt__arena_free(&file->arena);
    *file = (nrt__config_file){0};
}

const char *nrt__config_file_name(const nrt__config_file *file, const nrt__command *command,
                                  const nrt__operands *operands, const char *name, char *out,
                                  size_t size) {
    size_t base;
    const nrt__opt *opt = find(command, name, &base);
    if (file->root && json_object_get(file->root, name) &&
        !(opt && nrt__args_given(operands, opt))) {
        const nrt__json_step step = {.key = name};
        nrt__json_place place = nrt__json_locate(file->text, &step, 1);
        (void)snprintf(out, size, "%s:%u:%u: %s", file->path, place.line, place.column, name);
    } else {
        (void)snprintf(out, size, "--%s", name);
    }
    return out;
}

/* ---- compared ---- */

static bool same_text(const char *a, const char *b) {
    return a == b || (a && b && strcmp(a, b) == 0);
}

bool nrt__config_same(const nrt__opt *opt, const void *a, const void *b) {
    switch (opt->kind) {
    case NRT__OPT_FLAG:
        return *(const bool *)a == *(const bool *)b;
    case NRT__OPT_STRING:
        return same_text(*(const char *const *)a, *(const char *const *)b);
    case NRT__OPT_DURATION:
        return *(const uint32_t *)a == *(const uint32_t *)b;
    case NRT__OPT_SIZE:
        return *(const size_t *)a == *(const size_t *)b;
    case NRT__OPT_NUMBER:
    case NRT__OPT_SET:
        return *(const unsigned *)a == *(const unsigned *)b;
    case NRT__OPT_CHOICE:
        return *(const int *)a == *(const int *)b;
    case NRT__OPT_LIST: {
        const nrt__arg_list *one = a;
        const nrt__arg_list *other = b;
        bool same = one->count == other->count;
        for (size_t i = 0; same && i < one->count; i++) {
            same = same_text(one->items[i].value, other->items[i].value);
        }
        return same;
    }
    case NRT__OPT_HELP:
        break;
    }
    return true;
}
