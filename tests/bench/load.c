/*
 * bench_load: a load client for any SSH agent. It works on one socket, checks that each answer is
 * the one that was asked for, times each, and prints one line of JSON.
 *
 * `idle` is the exception: it opens connections that say nothing, proves that the agent has taken
 * them all by a list on the last one, prints how long that took, and holds them until its standard
 * input ends.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "client.h"
#include "load.h"
#include "message.h"

static const char USAGE[] = "usage: bench_load -s SOCKET [-k COMMENT] [-c CONNECTIONS] [-w WARM_S] "
                            "[-d SECONDS] [-p PAUSE_US] list|sign|login|probe|idle\n";

static int hold_idle(const struct load *l)
{
    AUTO(buf_deinit) struct buf request;
    AUTO(buf_deinit) struct buf answer;
    uint64_t start = now_ns();
    int fd = -1;
    char c;

    buf_init(&request, 0);
    buf_init(&answer, 0);
    message_list(&request);
    for (unsigned i = 0; i < l->connections; i++) {
        fd = client_open(l->socket); /* the process' end closes them */
    }
    client_exchange(fd, buf_view(&request), &answer);
    printf("{\"opened\": %u, \"seconds\": %.3f}\n", l->connections,
           (double)(now_ns() - start) / 1e9);
    fflush(stdout);
    while (read(STDIN_FILENO, &c, 1) > 0) {
    }
    return client_answer_is(&answer, AGENT_LIST_ANSWER) ? 0 : 1;
}

static const struct mode {
    const char *name;
    int (*run)(const struct load *l);
    bool signs;
} modes[] = {
    {"list", conn_list, false},     {"sign", conn_sign, true},  {"login", thread_login, true},
    {"probe", thread_probe, false}, {"idle", hold_idle, false},
};

static void find_key(struct load *l)
{
    AUTO(buf_deinit) struct buf request;
    AUTO(buf_deinit) struct buf answer;
    AUTO(auto_close) int fd = client_open(l->socket);
    struct view blob = {0};

    buf_init(&request, 0);
    buf_init(&answer, 0);
    message_list(&request);
    client_exchange(fd, buf_view(&request), &answer);
    must(message_find_key(buf_view(&answer), l->key, &blob));
    buf_put(&l->key_blob, blob.p, blob.len);
    must(buf_check(&l->key_blob, "key"));
}

static uint64_t ns_of(const char *seconds)
{
    double s = strtod(seconds, NULL);

    return s > 0 ? (uint64_t)(s * 1e9) : 0;
}

static bool options(int argc, char **argv, struct load *l)
{
    for (int c; (c = getopt(argc, argv, "s:k:c:w:d:p:")) != -1;) {
        switch (c) {
        case 's':
            l->socket = optarg;
            break;
        case 'k':
            l->key = optarg;
            break;
        case 'c':
            l->connections = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'w':
            l->warm_ns = ns_of(optarg);
            break;
        case 'd':
            l->measure_ns = ns_of(optarg);
            break;
        case 'p':
            l->pause_us = (unsigned)strtoul(optarg, NULL, 10);
            break;
        default:
            return false;
        }
    }
    return l->socket != NULL && l->connections > 0 && optind + 1 == argc;
}

static void raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static const struct mode *mode_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        if (text_eq(modes[i].name, name)) {
            return &modes[i];
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    struct load l = {.connections = 1, .measure_ns = 1000000000};
    const struct mode *mode = options(argc, argv, &l) ? mode_find(argv[optind]) : NULL;

    if (mode == NULL || (mode->signs && l.key == NULL)) {
        fputs(USAGE, stderr);
        return 2;
    }
    log_init("bench_load", LOG_NOTE);
    raise_descriptors();
    buf_init(&l.key_blob, 0);
    if (mode->signs) {
        find_key(&l);
    }
    int status = mode->run(&l);

    buf_deinit(&l.key_blob);
    return status;
}
