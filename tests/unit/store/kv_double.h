#ifndef HF_TESTS_STORE_KV_DOUBLE_H
#define HF_TESTS_STORE_KV_DOUBLE_H

/*
 * Vault's KV v2 in memory, for many clients. Each operation happens in one round of the loop and is
 * answered in another; which one is next is drawn by lot from a seed, so the clients interleave at will.
 * An operation may fail, before or after it had its effect; a client may be cut off, and may crash at its
 * n-th operation: then nothing of it is heard any more, but what it had sent may still arrive.
 */
#include <sys/queue.h>

#include "store/suite.h"

struct kv_value {
    TAILQ_ENTRY(kv_value) next;
    char *path, *text; /* NULL text: deleted */
    uint64_t version;
};

struct kv_client;

struct kv_op {
    TAILQ_ENTRY(kv_op) next;
    struct kv_client *client; /* NULL: it is gone */
    enum { KV_GET, KV_CAS, KV_LIST } what;
    char *path, *text;
    uint64_t version;
    bool done; /* only the answer is due */
    struct err *e;
    char **names;
    void (*on_get)(void *arg, struct err *e, const char *text, uint64_t version);
    void (*on_cas)(void *arg, struct err *e, uint64_t version);
    void (*on_list)(void *arg, struct err *e, char *const *names);
    void *arg;
};

static struct kv_double {
    TAILQ_HEAD(, kv_value) values;
    TAILQ_HEAD(, kv_op) ops;
    struct io_timer *timer;
    uint64_t lot;       /* state of the lottery */
    unsigned per_mille; /* operations that fail, and as many whose answer is lost */
    struct kv_op *held; /* arrives with kv_release() */
    unsigned writes;
} kv;

/* One agent's way to it. */
struct kv_client {
    bool away;
    unsigned ops;                                   /* so far */
    unsigned crash_at;                              /* this operation; 0: never */
    enum { KV_LOST, KV_ARRIVES, KV_LATE } crash_op; /* what becomes of it */
    bool crashed;
    void (*on_crash)(struct kv_client *c);
};

static inline uint32_t kv_draw(uint32_t below)
{
    kv.lot = kv.lot * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(kv.lot >> 33) % below;
}

static inline struct kv_value *kv_find(const char *path)
{
    struct kv_value *v;

    TAILQ_FOREACH(v, &kv.values, next)
    {
        if (strcmp(v->path, path) == 0) {
            return v;
        }
    }
    return NULL;
}

static inline void kv_free_op(struct kv_op *op)
{
    TAILQ_REMOVE(&kv.ops, op, next);
    free(op->path);
    free(op->text);
    err_free(&op->e);
    text_list_free(&op->names);
    free(op);
}

static inline void kv_do_cas(struct kv_op *op)
{
    struct kv_value *v = kv_find(op->path);
    uint64_t version = v != NULL && v->text != NULL ? v->version : 0;

    if (op->version != version) {
        op->e = err_native(ERR_BUSY, ERR_DOMAIN_NONE, 0, "STALE", "%s has changed", op->path);
        return;
    }
    if (v == NULL) {
        v = calloc(1, sizeof *v);
        v->path = text_copy(op->path);
        TAILQ_INSERT_TAIL(&kv.values, v, next);
    }
    free(v->text);
    v->text = take(&op->text);
    op->version = v->text != NULL ? v->version + 1 : 0;
    v->version++;
    kv.writes++;
}

static inline void kv_do_list(struct kv_op *op)
{
    size_t len = strlen(op->path);
    struct kv_value *v;

    TAILQ_FOREACH(v, &kv.values, next)
    {
        if (len == 0 || (strncmp(v->path, op->path, len) == 0 && v->path[len] == '/')) {
            const char *rest = v->path + len + (len > 0 ? 1 : 0);
            const char *slash = strchr(rest, '/');
            AUTO(auto_free) char *name =
                strndup(rest, slash != NULL ? (size_t)(slash - rest) + 1 : strlen(rest));

            if (!text_list_has(op->names, name)) {
                text_list_add(&op->names, name);
            }
        }
    }
}

static inline void kv_do(struct kv_op *op)
{
    struct kv_value *v = kv_find(op->path);
    bool fails = (op->client != NULL && op->client->away) || kv_draw(1000) < kv.per_mille;

    op->done = true;
    if (fails) {
        op->e = err_new(ERR_GONE, "nobody answers");
    } else if (op->what == KV_GET) {
        op->text = v != NULL ? text_copy(v->text) : NULL;
        op->version = op->text != NULL ? v->version : 0;
    } else if (op->what == KV_CAS) {
        kv_do_cas(op);
        if (op->e == NULL && kv_draw(1000) < kv.per_mille) {
            op->e = err_new(ERR_TIMEOUT, "the answer was lost");
        }
    } else {
        kv_do_list(op);
    }
}

static inline void kv_answer(struct kv_op *op)
{
    struct err *e = take(&op->e);

    if (op->client == NULL) {
        err_free(&e);
    } else if (op->what == KV_GET) {
        op->on_get(op->arg, e, e == NULL ? op->text : NULL, e == NULL ? op->version : 0);
    } else if (op->what == KV_CAS) {
        op->on_cas(op->arg, e, op->version);
    } else {
        op->on_list(op->arg, e, op->names);
    }
}

static inline void kv_tick(void *arg)
{
    struct kv_op *op;
    uint32_t n = 0;

    (void)arg;
    TAILQ_FOREACH(op, &kv.ops, next)
    {
        n++;
    }
    if (n == 0) {
        return;
    }
    n = kv_draw(n);
    op = TAILQ_FIRST(&kv.ops);
    for (; n > 0; n--) {
        op = TAILQ_NEXT(op, next);
    }
    io_timer_set(kv.timer, (struct mono){0});
    if (!op->done) {
        kv_do(op);
    } else {
        kv_answer(op);
        kv_free_op(op);
    }
}

/* True: the client is no more. */
static inline bool kv_crashes(struct kv_client *c, struct kv_op *op)
{
    if (c->crashed || c->crash_at == 0 || ++c->ops != c->crash_at) {
        return c->crashed;
    }
    c->crashed = true;
    op->client = NULL;
    if (c->crash_op == KV_ARRIVES) {
        kv_do(op);
    } else if (c->crash_op == KV_LATE) {
        TAILQ_REMOVE(&kv.ops, op, next);
        kv.held = op;
    }
    return true;
}

static inline void kv_put(void *self, struct kv_op *op, const char *path, void *arg)
{
    struct kv_client *c = self;

    op->path = text_copy(path);
    op->arg = arg;
    op->client = c;
    TAILQ_INSERT_TAIL(&kv.ops, op, next);
    if (kv_crashes(c, op)) {
        if (kv.held != op) {
            kv_free_op(op);
        }
        if (c->on_crash != NULL) {
            c->on_crash(c);
        }
        return;
    }
    io_timer_set(kv.timer, (struct mono){0});
}

static inline void
kv_get(void *self, const char *path,
       void (*on_done)(void *arg, struct err *e, const char *text, uint64_t version), void *arg)
{
    struct kv_op *op = calloc(1, sizeof *op);

    op->what = KV_GET;
    op->on_get = on_done;
    kv_put(self, op, path, arg);
}

static inline void kv_cas(void *self, const char *path, const char *text, uint64_t version,
                          void (*on_done)(void *arg, struct err *e, uint64_t version), void *arg)
{
    struct kv_op *op = calloc(1, sizeof *op);

    op->what = KV_CAS;
    op->on_cas = on_done;
    op->text = text_copy(text);
    op->version = version;
    kv_put(self, op, path, arg);
}

static inline void kv_list(void *self, const char *path,
                           void (*on_done)(void *arg, struct err *e, char *const *names), void *arg)
{
    struct kv_op *op = calloc(1, sizeof *op);

    op->what = KV_LIST;
    op->on_list = on_done;
    kv_put(self, op, path, arg);
}

/* What it had sent arrives all the same, or not: by lot. */
static inline void kv_close(void *self)
{
    struct kv_op *op, *next;

    for (op = TAILQ_FIRST(&kv.ops); op != NULL; op = next) {
        next = TAILQ_NEXT(op, next);
        if (op->client == self) {
            op->client = NULL;
            if (op->done || op->what != KV_CAS || kv_draw(2) == 0) {
                kv_free_op(op);
            }
        }
    }
}

/** kv_release() - what a crashed client had sent arrives after all */
static inline void kv_release(void)
{
    struct kv_op *op = take(&kv.held);

    if (op != NULL) {
        TAILQ_INSERT_TAIL(&kv.ops, op, next);
        kv_do(op);
        kv_free_op(op);
    }
}

static inline struct store_kv_ops kv_ops_of(struct kv_client *c)
{
    return (struct store_kv_ops){kv_get, kv_cas, kv_list, c, kv_close};
}

static inline void kv_new(uint64_t seed)
{
    kv = (struct kv_double){.lot = seed};
    TAILQ_INIT(&kv.values);
    TAILQ_INIT(&kv.ops);
    kv.timer = io_timer_new(suite.loop, kv_tick, NULL);
}

static inline void kv_end(void)
{
    struct kv_value *v;
    struct kv_op *op;

    kv_release();
    while ((op = TAILQ_FIRST(&kv.ops)) != NULL) {
        kv_free_op(op);
    }
    while ((v = TAILQ_FIRST(&kv.values)) != NULL) {
        TAILQ_REMOVE(&kv.values, v, next);
        free(v->path);
        free(v->text);
        free(v);
    }
    io_timer_free(&kv.timer);
}

#endif
