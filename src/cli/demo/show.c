/* What `nrt demo` shows: each path, with the command that a user would type, and its answer. */
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "cli/common.h"
#include "cli/demo/demo.h"
#include "core/base/duration.h"

enum { STEP_TIMEOUT_MS = 30000, WORDS_MAX = 12 };

typedef struct show_step {
    const char *title;
    const char *explanation;
    const char *variable;         /* set in front of the command: "http_proxy=..."; NULL: none */
    const char *path;             /* of the program to run */
    const char *words[WORDS_MAX]; /* the command as it is typed; NULL at the end */
} show_step;

void nrt__demo_indent(FILE *out, nrt_str text, const nrt__style *style) {
    bool line_begins = true;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (line_begins) {
            (void)fprintf(out, "    %s│%s ", style->dim, style->reset);
            line_begins = false;
        }
        if (c == '\n') {
            (void)fputc('\n', out);
            line_begins = true;
        } else if ((unsigned char)c >= ' ' && c != 0x7f) {
            (void)fputc(c, out);
        }
    }
    if (!line_begins) {
        (void)fputc('\n', out);
    }
}

/* A word as a shell needs it. */
static void print_word(const char *word) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "-_./:=@,+%";
    if (*word && word[strspn(word, plain)] == '\0') {
        (void)fputs(word, stdout);
        return;
    }
    (void)fputc('\'', stdout);
    for (; *word; word++) {
        if (*word == '\'') {
            (void)fputs("'\\''", stdout);
        } else {
            (void)fputc(*word, stdout);
        }
    }
    (void)fputc('\'', stdout);
}

static void print_command(const nrt__demo *demo, const show_step *step) {
    const nrt__style *style = demo->style;
    (void)printf("    %s$%s %s", style->dim, style->reset, style->cyan);
    if (step->variable) {
        (void)printf("%s ", step->variable);
    }
    for (size_t i = 0; step->words[i]; i++) {
        (void)fputs(i > 0 ? " " : "", stdout);
        print_word(step->words[i]);
    }
    (void)printf("%s\n", style->reset);
    (void)fflush(stdout);
}

/* The weather: a JSON array with something in it. */
static bool is_weather(nrt_str text) {
    json_t *answer = json_loadb(text.ptr, text.len, 0, NULL);
    bool fine = json_is_array(answer) && json_array_size(answer) > 0;
    json_decref(answer);
    return fine;
}

static void tell_failure(const nrt__demo *demo, const nrt__child *child, nrt__wait state) {
    const nrt__style *style = demo->style;
    (void)printf("    %s✗%s ", style->red, style->reset);
    if (state == NRT__WAIT_LATE) {
        (void)printf("no answer within %d s\n", STEP_TIMEOUT_MS / 1000);
    } else if (state != NRT__WAIT_DONE || !child) {
        (void)printf("the command cannot be run\n");
    } else if (child->exit_code != 0) {
        (void)printf("the command ended with code %d\n", child->exit_code);
    } else {
        (void)printf("this is not the weather that was expected\n");
    }
    /* What the parts said of it, the command itself left aside. */
    for (size_t i = 0; i < demo->children.count; i++) {
        const nrt__child *part = &demo->children.all[i];
        if (part != child) {
            (void)printf("\n  What the %s said:\n", part->name);
            nrt__demo_indent(stdout, nrt__buf_view(&part->text), style);
        }
    }
    (void)fflush(stdout);
    (void)fprintf(stderr, "%snrt demo:%s a step failed; please report what stands above\n",
                  demo->error_style->red, demo->error_style->reset);
}

static bool run_step(nrt__demo *demo, const show_step *step) {
    const nrt__style *style = demo->style;
    (void)printf("\n%s%s%s\n  %s\n", style->bold, step->title, style->reset, step->explanation);
    print_command(demo, step);
    const char *argv[WORDS_MAX];
    memcpy(argv, step->words, sizeof(argv));
    argv[0] = step->path;
    /* The user's own proxies would be asked for the addresses here. */
    const char *const environment[] = {"http_proxy",  "all_proxy",    "ALL_PROXY",
                                       "no_proxy",    "NO_PROXY",     demo->nats_variable,
                                       "NATS_PREFIX", step->variable, NULL};
    uint64_t started = nrt__program_now_ms();
    nrt__child *child = nrt__children_start(&demo->children, step->words[0], argv, environment);
    nrt__wait state =
        child ? nrt__children_join(&demo->children, child, STEP_TIMEOUT_MS) : NRT__WAIT_FAILURE;
    uint64_t took = nrt__program_now_ms() - started;
    if (state == NRT__WAIT_SIGNAL) {
        return false;
    }
    bool fine = state == NRT__WAIT_DONE && child->exit_code == 0;
    if (child) {
        nrt_str text = nrt__buf_view(&child->text);
        nrt__demo_indent(stdout, text, style);
        fine = fine && is_weather(text);
    }
    if (!fine) {
        tell_failure(demo, child, state);
        return false;
    }
    char time[40];
    (void)printf("    %s✓%s %s%s%s\n", style->green, style->reset, style->dim,
                 nrt__duration_format(took, time, sizeof(time)), style->reset);
    nrt__children_drop_last(&demo->children);
    return true;
}

bool nrt__demo_show(nrt__demo *demo) {
    const nrt__style *style = demo->style;
    char city_url[NRT__DEMO_URL + 8];
    (void)snprintf(city_url, sizeof(city_url), "%s/city", demo->gateway_url);
    (void)printf("\nThe commands below want to know where NATS is:\n    %s$%s %sexport %s%s\n",
                 style->dim, style->reset, style->cyan, demo->nats_variable, style->reset);
    const show_step steps[] = {
        {.title = "1. A request straight over NATS",
         .explanation = "nrt get speaks NATS; the letters are curl's.",
         .path = demo->nrt_path,
         .words = {demo->nrt, "get", "-X", "GET", "-d", "{\"city\":\"london\"}",
                   "https://weather.nats/city", NULL}},
        {.title = "2. Plain HTTP, through the gateway's route",
         .explanation = "curl knows nothing of NATS: the gateway sends /city to weather.nats.",
         .path = demo->curl_path,
         .words = {"curl", "-sS", "-d", "{\"city\":\"tokyo\"}", city_url, NULL}},
        {.title = "3. Plain HTTP, with the gateway as a proxy",
         .explanation = "Any program that honours http_proxy reaches every host on NATS.",
         .variable = demo->proxy_variable,
         .path = demo->curl_path,
         .words = {"curl", "-sS", "-d", "{\"city\":\"paris\"}", "http://weather.nats/city", NULL}},
        {.title = "4. Plain HTTP on both ends, NATS between",
         .explanation = "curl, the gateway, NATS, the sidecar, an ordinary HTTP server: neither "
                        "end was changed.",
         .variable = demo->proxy_variable,
         .path = demo->curl_path,
         .words = {"curl", "-sS", "-d", "{\"city\":\"nairobi\"}", "http://plain.nats/city", NULL}},
    };
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        if (!run_step(demo, &steps[i])) {
            return false;
        }
    }
    (void)printf("\n%sAll of it works.%s\n", style->green, style->reset);
    return true;
}

static void print_try(const nrt__style *style, const char *what, const char *program,
                      const char *command) {
    (void)printf("  %s\n    %s$%s %s%s%s%s\n", what, style->dim, style->reset, style->cyan, program,
                 command, style->reset);
}

void nrt__demo_tell_running(const nrt__demo *demo) {
    const nrt__style *style = demo->style;
    (void)printf("\n%sEverything keeps running until Ctrl-C.%s In another terminal:\n"
                 "    %s$%s %sexport %s%s\n",
                 style->bold, style->reset, style->dim, style->reset, style->cyan,
                 demo->nats_variable, style->reset);
    print_try(style, "Ask the weather service, and see the whole response:", demo->nrt,
              " get -i -d '{\"city\":\"oslo\"}' http://weather.nats/city");
    print_try(style, "Put an HTTP server of your own on NATS:", demo->nrt,
              " serve hello.nats http://127.0.0.1:8080");
    print_try(style,
              "Reach it with curl, through the gateway that runs here:", demo->proxy_variable,
              " curl http://hello.nats/");
    (void)printf("  nats-server  %s\n  gateway      %s\n  plain HTTP   %s\n\nRequests:\n",
                 demo->nats_url, demo->gateway_url, demo->plain_url);
    (void)fflush(stdout);
}

void nrt__demo_tell_next(const nrt__demo *demo) {
    const nrt__style *style = demo->style;
    (void)printf("\n%sWhat to try next:%s\n", style->bold, style->reset);
    print_try(style, "Keep all this running, and play with it:", demo->nrt, " demo --keep");
    print_try(style, "Put an HTTP server of your own on NATS:", demo->nrt,
              " serve hello.nats http://127.0.0.1:8080");
    print_try(style, "Let HTTP clients of your own reach it:", demo->nrt,
              " gateway --listen 9090 --route /=hello.nats --proxy");
    print_try(style, "See what a command can do:", demo->nrt, " help get");
}
