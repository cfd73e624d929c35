/*
 * The samples of one measurement and the line that comes out of it. Every sample is kept, so that
 * a percentile is one that was seen and not one that was guessed from buckets.
 */
#include "stats.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void must(struct err *e)
{
    if (e != NULL) {
        log_err(LOG_ERROR, e, "bench");
        exit(2);
    }
}

uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static void reserve(struct stats *s, size_t len)
{
    if (len <= s->cap) {
        return;
    }
    size_t cap = len > 2 * s->cap ? len : 2 * s->cap;
    uint64_t *ns = realloc(s->ns, cap * sizeof *ns);

    if (ns == NULL) {
        must(err_nomem());
    }
    s->ns = ns;
    s->cap = cap;
}

void stats_add(struct stats *s, uint64_t ns)
{
    reserve(s, s->len + 1);
    s->ns[s->len++] = ns;
}

void stats_merge(struct stats *s, struct stats *from)
{
    if (from->len > 0) {
        reserve(s, s->len + from->len);
        memcpy(s->ns + s->len, from->ns, from->len * sizeof *s->ns);
    }
    s->len += from->len;
    s->refused += from->refused;
    stats_deinit(from);
}

void stats_deinit(struct stats *s)
{
    free(s->ns);
    *s = (struct stats){0};
}

static int compare(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static double quantile_us(const struct stats *s, double q)
{
    if (s->len == 0) {
        return 0;
    }
    size_t i = (size_t)(q * (double)s->len);

    return (double)s->ns[i < s->len ? i : s->len - 1] / 1e3;
}

int stats_print(struct stats *s, uint64_t elapsed_ns)
{
    double seconds = (double)elapsed_ns / 1e9;

    if (s->len > 0) {
        qsort(s->ns, s->len, sizeof *s->ns, compare);
    }
    printf("{\"answers\": %zu, \"refused\": %" PRIu64 ", \"seconds\": %.3f, \"per_s\": %.1f, "
           "\"p50_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f}\n",
           s->len, s->refused, seconds, (double)s->len / seconds, quantile_us(s, 0.5),
           quantile_us(s, 0.99), quantile_us(s, 1));
    return s->refused > 0 ? 1 : 0;
}
