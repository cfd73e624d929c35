/*
 * A small table of what a server taught us, so that it is not asked the same for each certificate. It
 * lives and ends with a server's configuration, is bounded in number and time, and holds nothing that
 * is secret. What is lost from it costs a request.
 */
#include "vault/memo.h"

#include <pthread.h>
#include <stdlib.h>

struct entry {
    enum vault_memo_kind kind;
    char *mount, *name, *text; /* NULL: a free place */
    struct mono until;
};

struct vault_memo {
    pthread_mutex_t lock;
    struct entry entries[VAULT_MEMO_MAX];
};

struct err *vault_memo_new(struct vault_memo **ret)
{
    struct vault_memo *m = calloc(1, sizeof *m);

    if (m == NULL) {
        return err_nomem();
    }
    pthread_mutex_init(&m->lock, NULL);
    *ret = m;
    return NULL;
}

static void entry_deinit(struct entry *e)
{
    free(e->mount);
    free(e->name);
    free(e->text);
    *e = (struct entry){0};
}

void vault_memo_free(struct vault_memo **mp)
{
    struct vault_memo *m = take(mp);

    if (m == NULL) {
        return;
    }
    for (size_t i = 0; i < VAULT_MEMO_MAX; i++) {
        entry_deinit(&m->entries[i]);
    }
    pthread_mutex_destroy(&m->lock);
    free(m);
}

static struct entry *find(struct vault_memo *m, enum vault_memo_kind kind, const char *mount,
                          const char *name)
{
    for (size_t i = 0; i < VAULT_MEMO_MAX; i++) {
        struct entry *e = &m->entries[i];

        if (e->text != NULL && e->kind == kind && text_eq(e->mount, mount) &&
            text_eq(e->name, name)) {
            return e;
        }
    }
    return NULL;
}

/* A free place, or that of the one that ends first. */
static struct entry *place(struct vault_memo *m)
{
    struct entry *first = &m->entries[0];

    for (size_t i = 0; i < VAULT_MEMO_MAX && first->text != NULL; i++) {
        struct entry *e = &m->entries[i];

        first = e->text == NULL || e->until.ms < first->until.ms ? e : first;
    }
    return first;
}

void vault_memo_put(struct vault_memo *m, enum vault_memo_kind kind, const char *mount,
                    const char *name, const char *text, int64_t life_ms)
{
    struct entry fresh = {kind, text_copy(mount), text_copy(name), text_copy(text),
                          mono_in(life_ms)};

    if (fresh.mount == NULL || fresh.name == NULL || fresh.text == NULL) {
        entry_deinit(&fresh);
        return;
    }
    pthread_mutex_lock(&m->lock);
    struct entry *e = find(m, kind, mount, name);

    e = e != NULL ? e : place(m);
    entry_deinit(e);
    *e = fresh;
    pthread_mutex_unlock(&m->lock);
}

char *vault_memo_get(struct vault_memo *m, enum vault_memo_kind kind, const char *mount,
                     const char *name)
{
    pthread_mutex_lock(&m->lock);
    struct entry *e = find(m, kind, mount, name);
    char *text = e != NULL && !mono_passed(e->until) ? text_copy(e->text) : NULL;

    pthread_mutex_unlock(&m->lock);
    return text;
}
