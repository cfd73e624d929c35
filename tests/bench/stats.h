#ifndef HF_BENCH_STATS_H
#define HF_BENCH_STATS_H

#include "base/base.h"

/** What each program of this folder does with an error: says it and ends. NULL is fine. */
void must(struct err *e);

/** now_ns() - monotonic; the agent's own clock counts milliseconds, too coarse here */
uint64_t now_ns(void);

/** The times of one measurement. */
struct stats {
    uint64_t *ns; /* owned */
    size_t len, cap;
    uint64_t refused; /* answers that were a failure */
};

/** stats_add() - one more sample */
void stats_add(struct stats *s, uint64_t ns);
/** stats_merge() - adds what @from has, and empties it */
void stats_merge(struct stats *s, struct stats *from);
void stats_deinit(struct stats *s);

/** stats_print() - one line of JSON on standard output; sorts the samples
 * Return: the program's exit status: 1 when anything was refused */
int stats_print(struct stats *s, uint64_t elapsed_ns);

#endif
