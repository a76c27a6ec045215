/* A folder of contexts, and an environment without variables of the user's. */
#include "config_fixture.h"

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];
char config_why[NRT__CONTEXT_DETAIL];

void config_write(const char *name, const char *text) {
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

void config_write_context(const char *name, const char *text) {
    char path[128];
    snprintf(path, sizeof(path), "nats/context/%s.json", name);
    config_write(path, text);
}

void config_clear(void) {
    static const char *const variables[] = {
        "NATS_CONTEXT", "NATS_ENV",    "NATS_URL",    "NATS_USER", "NATS_PASSWORD",
        "NATS_TOKEN",   "NATS_CREDS",  "NATS_NKEY",   "NATS_CERT", "NATS_KEY",
        "NATS_CA",      "NATS_PREFIX", "NATS_TIMEOUT"};
    char path[128];
    for (size_t i = 0; i < COUNT(variables); i++) {
        unsetenv(variables[i]);
    }
    snprintf(path, sizeof(path), "%s/nats/context.txt", folder);
    unlink(path);
}

int config_set_up(void **state) {
    (void)state;
    static const char *const files[] = {"a", "b", "c"};
    char path[128];
    snprintf(folder, sizeof(folder), "/tmp/nrt-config-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/nats", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/nats/context", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    setenv("XDG_CONFIG_HOME", folder, 1);
    setenv("F", folder, 1);
    for (size_t i = 0; i < COUNT(files); i++) {
        config_write(files[i], "x");
    }
    return chdir(folder);
}

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *at) {
    (void)about;
    (void)kind;
    (void)at;
    return remove(path);
}

int config_tear_down(void **state) {
    (void)state;
    return chdir("/") || nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}
