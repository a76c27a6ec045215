/* The options of `nrt get`, for the parser and the help. */
#include "cli/commands.h"
#include "cli/get/get.h"

#define FIELD(name) offsetof(nrt__get_options, name)

static const nrt__opt request_opts[] = {
    {.letter = 'X',
     .name = "request",
     .value = "METHOD",
     .kind = NRT__OPT_STRING,
     .offset = FIELD(method),
     .help = "the method; default: GET, or POST with a body"},
    {.letter = 'H',
     .name = "header",
     .value = "FIELD",
     .kind = NRT__OPT_LIST,
     .offset = FIELD(fields),
     .help = "send the field \"Name: value\"; \"Name;\" sends it empty, \"Name:\" leaves out a "
             "default; may be repeated"},
    {.letter = 'd',
     .name = NRT__DATA,
     .value = "DATA|@FILE|@-",
     .kind = NRT__OPT_LIST,
     .offset = FIELD(data),
     .help = "send a body as forms do, with POST; repeated ones are joined with &; what is read "
             "from a file or from standard input (@-) loses its line ends, and may be of any size"},
    {.name = NRT__DATA_BINARY,
     .value = "DATA|@FILE|@-",
     .kind = NRT__OPT_LIST,
     .offset = FIELD(data),
     .help = "as -d, but every byte of a file is kept"},
    {.name = NRT__DATA_RAW,
     .value = "DATA",
     .kind = NRT__OPT_LIST,
     .offset = FIELD(data),
     .help = "as -d, but a leading @ means itself"},
    {.name = NRT__DATA_URLENCODE,
     .value = "[NAME=]DATA|[NAME]@FILE",
     .kind = NRT__OPT_LIST,
     .offset = FIELD(data),
     .help = "as -d, encoded as forms do"},
    {.name = NRT__DATA_JSON,
     .value = "DATA|@FILE|@-",
     .kind = NRT__OPT_LIST,
     .offset = FIELD(data),
     .help = "send JSON: as --data-binary, with Content-Type and Accept application/json"},
    {.letter = 'G',
     .name = "get",
     .kind = NRT__OPT_FLAG,
     .offset = FIELD(data_in_query),
     .help = "put what -d gives into the URL's query, and send GET"},
    {.letter = 'T',
     .name = "upload-file",
     .value = "FILE",
     .kind = NRT__OPT_STRING,
     .offset = FIELD(upload),
     .help = "send a file of any size with PUT (-: standard input, as it comes); its name is added "
             "to a URL that ends in /"},
    {.letter = 'I',
     .name = "head",
     .kind = NRT__OPT_FLAG,
     .offset = FIELD(head),
     .help = "send HEAD, and print the head of the response"},
    {.letter = 'u',
     .name = "http-user",
     .value = "USER:PASSWORD",
     .kind = NRT__OPT_STRING,
     .offset = FIELD(user),
     .help = "send Authorization: Basic to the service (--user is the NATS user)"},
    {.letter = 'A',
     .name = "user-agent",
     .value = "NAME",
     .kind = NRT__OPT_STRING,
     .offset = FIELD(agent),
     .help = "what User-Agent says"},
    {.letter = 'L',
     .name = "location",
     .kind = NRT__OPT_FLAG,
     .offset = FIELD(follow),
     .help = "follow redirects, as long as they lead to hosts on NATS; credentials do not go on to "
             "another host"},
    {.name = "long-poll",
     .kind = NRT__OPT_FLAG,
     .offset = FIELD(long_poll),
     .help = "a service that has said that it works on the request may take longer than --timeout, "
             "for as long as it is alive"},
    {.name = "max-redirs",
     .value = "N",
     .kind = NRT__OPT_NUMBER,
     .offset = FIELD(max_redirects),
     .help = "how many redirects -L follows; default: 50"},
};

static const nrt__opt output_opts[] = {
    {.letter = 'i',
     .name = "include",
     .kind = NRT__OPT_FLAG,
     .offset = FIELD(include),
     .help = "print the head of the response before its body"},
    {.letter = 'o',
     .name = "output",
     .value = "FILE",
     .kind = NRT__OPT_STRING,
     .offset = FIELD(output),
     .help = "write to a file instead of standard output"},
    {.letter = 'w',
     .name = "write-out",
     .value = "FORMAT|@FILE",
     .kind = NRT__OPT_STRING,
     .offset = FIELD(write_out),
     .help = "print this afterwards, with %{http_code}, %{time_total}, %{size_download} and the "
             "like filled in; all of them are in nrt-get(1)"},
    {.letter = 'f',
     .name = "fail",
     .kind = NRT__OPT_FLAG,
     .offset = FIELD(fail),
     .help = "print no body and end with code 22 when the status is 400 or more"},
    {.name = "fail-with-body",
     .kind = NRT__OPT_FLAG,
     .offset = FIELD(fail_with_body),
     .help = "print the body, and end with code 22 when the status is 400 or more"},
    {.letter = 's',
     .name = "silent",
     .kind = NRT__OPT_FLAG,
     .offset = FIELD(silent),
     .help = "print no errors, and no progress"},
    {.letter = 'S',
     .name = "show-error",
     .kind = NRT__OPT_FLAG,
     .offset = FIELD(show_error),
     .help = "print errors even with -s"},
    {.letter = 'N',
     .name = "no-buffer",
     .kind = NRT__OPT_FLAG,
     .offset = FIELD(no_buffer),
     .help = "taken for curl's sake: what comes is always printed when it comes"},
    {.name = "no-progress-meter",
     .kind = NRT__OPT_FLAG,
     .offset = FIELD(no_progress),
     .help = "do not show on the terminal how far a long transfer is"},
};

static void get_init(void *arg) {
    nrt__get_options *options = arg;
    nrt__common_init(&options->common, "nrt-get");
    options->max_redirects = 50;
}

static const nrt__opt_group get_groups[] = {
    {"Request", request_opts, sizeof(request_opts) / sizeof(request_opts[0]), 0},
    {"Response", output_opts, sizeof(output_opts) / sizeof(output_opts[0]), 0},
    NRT__RETRY_GROUP(nrt__get_options),
    NRT__COMMON_GROUP(nrt__get_options),
};

const nrt__command nrt__get_command = {
    .name = "get",
    .summary = "send one request to a service on NATS",
    .operands = "URL",
    .about = "The URL's host is the service's, a name that ends in .nats; http:// and https:// "
             "mean the same, for what is encrypted is the connection to NATS. Letters mean what "
             "they mean to curl. The body of the response goes to standard output.\n\n"
             "Ends with 0, or 1: no response came; 2: wrong usage; 18: the response broke off; 22: "
             "-f, and the status is 400 or more; 23: output cannot be written; 65: the body of a "
             "redirected request cannot be read again.",
    .examples = "  nrt get http://weather.nats/city -d '{\"city\":\"london\"}'\n"
                "  nrt get -i -H 'Accept: text/plain' http://weather.nats/\n"
                "  nrt get -sf -o /dev/null -w '%{http_code} %{time_total}\\n' "
                "http://weather.nats/\n",
    .groups = get_groups,
    .group_count = sizeof(get_groups) / sizeof(get_groups[0]),
    .min_operands = 1,
    .max_operands = 1,
    .options_size = sizeof(nrt__get_options),
    .init = get_init,
    .run = nrt__get_run,
};
