#ifndef HF_BENCH_LOAD_H
#define HF_BENCH_LOAD_H

#include "stats.h"

/** What bench_load was asked to do. */
struct load {
    const char *socket;
    const char *key; /* comment of the key that signs */
    struct buf key_blob;
    unsigned connections;
    unsigned pause_us; /* of the probe, between two lists */
    uint64_t warm_ns, measure_ns;
};

/** conn_list(), conn_sign() - @l.connections connections, each of which asks again as soon as it
 * has its answer; one thread and epoll. Return: the exit status, as of all of these */
int conn_list(const struct load *l);
int conn_sign(const struct load *l);

/** thread_login() - @l.connections threads, each of which does what ssh does for a login: connect,
 * session-bind, list, sign, close */
int thread_login(const struct load *l);
/** thread_probe() - the same number of threads, each of which asks for a list, then rests */
int thread_probe(const struct load *l);

#endif
