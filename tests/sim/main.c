/* The simulation as a program: one seed, or many on several processes. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sim.h"

enum { JOBS_MAX = 64, FAILURES_MAX = 10, HANGS_S = 120 };

static const char help[] =
    "sim --seed N [--verbose]            plays one seed; with --verbose, says all that happens\n"
    "sim --seeds FROM-TO [--jobs N]      plays them all, on N processes (1); 1 ends with a "
    "failure\n"
    "    --progress                      says how far it has come\n"
    "    --vectors DIRECTORY             tests/vectors, where it is not NRT_TEST_VECTORS\n";

/* What a worker tells: where it is. */
typedef struct place {
    _Atomic uint64_t seed;
    _Atomic uint64_t done;
} place;

typedef struct worker {
    pid_t pid; /* 0: none */
    uint64_t next;
    uint64_t last; /* seen at the last look */
    time_t since;
} worker;

static const char *program;

static uint64_t number(const char *text, char **end) {
    errno = 0;
    uint64_t value = strtoull(text, end, 10);
    if (*end == text || errno != 0 || *text == '-') {
        fprintf(stderr, "sim: '%s' is no number\n", text);
        exit(2);
    }
    return value;
}

/* Every `jobs`th seed. */
static pid_t start(place *at, uint64_t next, uint64_t to, uint64_t jobs) {
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0) {
        perror("sim: fork");
        exit(2);
    }
    if (pid == 0) {
        for (uint64_t seed = next; seed <= to; seed += jobs) {
            at->seed = seed;
            sim_play(seed, false);
            at->done++;
        }
        faults_unload();
        exit(0); /* not _exit: what leaks is found then */
    }
    return pid;
}

static void tell_failure(uint64_t seed, const char *how) {
    printf("sim: seed %llu %s; again: %s --seed %llu --verbose\n", (unsigned long long)seed, how,
           program, (unsigned long long)seed);
    fflush(stdout);
}

/* How a worker has ended; true where that was a failure. */
static bool has_failed(int status, uint64_t seed) {
    char how[64];
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return false;
    }
    if (WIFSIGNALED(status)) {
        snprintf(how, sizeof(how), "ends with signal %d", WTERMSIG(status));
    } else {
        snprintf(how, sizeof(how), "fails (%d)", WEXITSTATUS(status));
    }
    tell_failure(seed, how);
    return true;
}

static void kill_hanging(worker *one, const place *at) {
    time_t now = time(NULL);
    if (one->last != at->done + 1) {
        one->last = at->done + 1;
        one->since = now;
    } else if (now - one->since > HANGS_S) {
        printf("sim: seed %llu takes more than %d s\n", (unsigned long long)at->seed, HANGS_S);
        kill(one->pid, SIGKILL);
        one->since = now;
    }
}

static void tell_progress(const place *places, uint64_t jobs, uint64_t all, time_t began) {
    uint64_t done = 0;
    for (uint64_t i = 0; i < jobs; i++) {
        done += places[i].done;
    }
    fprintf(stderr, "%ssim: %llu of %llu seeds, %lld s%s", isatty(2) ? "\r" : "",
            (unsigned long long)done, (unsigned long long)all, (long long)(time(NULL) - began),
            isatty(2) ? " " : "\n");
}

static int play_all(uint64_t from, uint64_t to, uint64_t jobs, bool progress) {
    worker workers[JOBS_MAX] = {{0}};
    size_t running = 0;
    int failures = 0;
    time_t began = time(NULL);
    place *places = mmap(NULL, JOBS_MAX * sizeof(*places), PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (places == MAP_FAILED) {
        perror("sim: mmap");
        return 2;
    }
    for (uint64_t i = 0; i < jobs && from + i <= to; i++) {
        workers[i].pid = start(&places[i], from + i, to, jobs);
        running++;
    }
    for (int turns = 0; running > 0; turns++) {
        for (uint64_t i = 0; i < jobs; i++) {
            int status;
            if (!workers[i].pid || waitpid(workers[i].pid, &status, WNOHANG) == 0) {
                if (workers[i].pid) {
                    kill_hanging(&workers[i], &places[i]);
                }
                continue;
            }
            uint64_t seed = places[i].seed;
            workers[i].pid = 0;
            running--;
            if (has_failed(status, seed) && ++failures < FAILURES_MAX && seed + jobs <= to) {
                workers[i].pid = start(&places[i], seed + jobs, to, jobs);
                running++;
            }
        }
        if (progress && turns % (isatty(2) ? 10 : 500) == 0) {
            tell_progress(places, jobs, to - from + 1, began);
        }
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    if (progress && isatty(2)) {
        fputc('\n', stderr);
    }
    printf("sim: %llu seeds, %s%d failed, %lld s\n", (unsigned long long)(to - from + 1),
           failures == FAILURES_MAX ? "not all of them, as " : "", failures,
           (long long)(time(NULL) - began));
    return failures > 0;
}

int main(int argc, char **argv) {
    static const struct option options[] = {
        {"seed", required_argument, NULL, 's'}, {"seeds", required_argument, NULL, 'r'},
        {"jobs", required_argument, NULL, 'j'}, {"verbose", no_argument, NULL, 'v'},
        {"progress", no_argument, NULL, 'p'},   {"vectors", required_argument, NULL, 'd'},
        {"help", no_argument, NULL, 'h'},       {0}};
    const char *vectors = getenv("NRT_TEST_VECTORS");
    uint64_t from = 0;
    uint64_t to = 0;
    uint64_t jobs = 1;
    bool verbose = false;
    bool progress = false;
    char *end = "";
    int option;
    program = argv[0];
    while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
        switch (option) {
        case 's':
            from = to = number(optarg, &end);
            break;
        case 'r':
            from = number(optarg, &end);
            to = *end == '-' ? number(end + 1, &end) : from;
            break;
        case 'j':
            jobs = number(optarg, &end);
            break;
        case 'v':
            verbose = true;
            break;
        case 'p':
            progress = true;
            break;
        case 'd':
            vectors = optarg;
            break;
        case 'h':
            fputs(help, stdout);
            return 0;
        default:
            fputs(help, stderr);
            return 2;
        }
        if (*end) {
            break;
        }
    }
    if (optind < argc || *end || from == 0 || to < from || jobs == 0 || jobs > JOBS_MAX) {
        fputs(help, stderr);
        return 2;
    }
    if (!faults_load(vectors ? vectors : "tests/vectors")) {
        fprintf(stderr, "sim: %s/protocol cannot be read; --vectors says where it is\n",
                vectors ? vectors : "tests/vectors");
        return 2;
    }
    if (from == to) {
        sim_play(from, verbose);
        faults_unload();
        printf("sim: seed %llu is fine\n", (unsigned long long)from);
        return 0;
    }
    int failed = play_all(from, to, jobs, progress);
    faults_unload();
    return failed;
}
