/* Runs a fuzz target on files: those given, and all of the folders given. Stands in for libFuzzer
 * where a corpus is only to be run again. The last name printed is the file that did it. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fuzz.h"

static bool run_file(const char *path, size_t size) {
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(size); /* of exactly its size: the sanitizers see a read behind it */
    bool fine = file && (data || size == 0) && fread(data, 1, size, file) == size;
    if (file) {
        fclose(file);
    }
    if (fine) {
        printf("%s\n", path);
        fflush(stdout);
        LLVMFuzzerTestOneInput(data, size);
    } else {
        perror(path);
    }
    free(data);
    return fine;
}

/* How many files were run; -1 where one could not be. */
static long run(const char *path) {
    struct stat status;
    if (stat(path, &status) < 0) {
        perror(path);
        return -1;
    }
    if (!S_ISDIR(status.st_mode)) {
        return run_file(path, (size_t)status.st_size) ? 1 : -1;
    }
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort);
    if (count < 0) {
        perror(path);
        return -1;
    }
    long ran = 0;
    for (int i = 0; i < count; i++) {
        if (ran >= 0 && entries[i]->d_name[0] != '.') {
            char inner[4096];
            snprintf(inner, sizeof(inner), "%s/%s", path, entries[i]->d_name);
            long more = run(inner);
            ran = more < 0 ? -1 : ran + more;
        }
        free(entries[i]);
    }
    free(entries);
    return ran;
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        long ran = run(argv[i]);
        if (ran <= 0) {
            fprintf(stderr, "%s: %s\n", argv[i], ran < 0 ? "not all was run" : "holds no file");
            return 1;
        }
    }
    if (argc < 2) {
        fprintf(stderr, "usage: %s FILE|FOLDER...\n", argv[0]);
        return 2;
    }
    return 0;
}
