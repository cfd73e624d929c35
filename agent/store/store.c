/*
 * The front of every store: it turns calls into struct store_call, hands them to the store behind,
 * and gives the answers back in order, in a later round of the loop, whichever way and in whichever
 * order they came in. So a store behind it need not care about any of that, nor about callbacks
 * that free the store, nor about arguments beyond the limits, which it never sees.
 */
#include <stdlib.h>

#include "store/store_impl.h"

static void deliver_soon(struct store *s)
{
    io_timer_set(s->deliver, (struct mono){0});
}

static void tell(struct store_call **cp)
{
    AUTO(store_call_free) struct store_call *c = take(cp);

    if (c->on_done != NULL) {
        c->on_done(c->arg, take(&c->e));
    } else if (c->on_text != NULL) {
        c->on_text(c->arg, take(&c->e), take(&c->text));
    } else if (c->on_entries != NULL) {
        c->on_entries(c->arg, take(&c->e), c->entries, c->entries_n,
                      c->cursor != NULL ? c->cursor : "");
    } else if (c->on_scopes != NULL) {
        c->on_scopes(c->arg, take(&c->e), c->tallies, c->tallies_n,
                     c->cursor != NULL ? c->cursor : "");
    } else if (c->on_facts != NULL) {
        c->facts.kinds = c->tallies;
        c->facts.kinds_n = c->tallies_n;
        c->on_facts(c->arg, take(&c->e), &c->facts);
    }
}

static void deliver(void *arg)
{
    struct store *s = arg;
    struct store_call *c;
    bool changed = false;

    s->delivering = true;
    while (!s->doomed && (c = TAILQ_FIRST(&s->calls)) != NULL && c->answered) {
        TAILQ_REMOVE(&s->calls, c, next);
        changed = changed || c->changed;
        tell(&c);
    }
    if (!s->doomed && changed && s->on_changed != NULL) {
        s->on_changed(s->changed_arg);
    }
    s->delivering = false;
    if (s->doomed) {
        free(s);
    }
}

struct err *store_init(struct store *s, const struct store_ops *ops, struct io_loop *l,
                       store_changed_fn *on_changed, void *arg)
{
    s->ops = ops;
    s->on_changed = on_changed;
    s->changed_arg = arg;
    TAILQ_INIT(&s->calls);
    s->deliver = io_timer_new(l, deliver, s);
    return s->deliver != NULL ? NULL : err_nomem();
}

void store_free(struct store **sp)
{
    struct store *s = take(sp);
    struct store_call *c;

    if (s == NULL) {
        return;
    }
    s->ops->stop(s);
    while ((c = TAILQ_FIRST(&s->calls)) != NULL) {
        TAILQ_REMOVE(&s->calls, c, next);
        store_call_free(&c);
    }
    io_timer_free(&s->deliver);
    err_free(&s->error);
    s->doomed = s->delivering;
    if (!s->doomed) {
        free(s);
    }
}

static bool is_write(enum store_op op)
{
    return op == STORE_OP_COMMIT || op == STORE_OP_RESTORE;
}

/* What status says: only the disk's failures tell something about the store. */
static void note(struct store *s, enum store_op op, const struct err *e)
{
    if (is_write(op) && (e == NULL || err_is(e, ERR_STORE))) {
        err_free(&s->error);
        s->error = err_copy(e);
    }
}

void store_answer(struct store_call *c, struct err *e)
{
    note(c->store, c->op, e);
    c->e = e;
    c->answered = true;
    deliver_soon(c->store);
}

/* What is refused is answered in its turn like everything else. */
static void start(struct store *s, struct store_call *c, struct err *refused)
{
    TAILQ_INSERT_TAIL(&s->calls, c, next);
    if (refused != NULL) {
        store_answer(c, refused);
    } else if (c->op == STORE_OP_COMMIT && c->changes_n == 0) {
        store_answer(c, NULL);
    } else {
        s->ops->start(s, c);
    }
}

void store_commit(struct store *s, const struct store_change *changes, size_t n,
                  store_done_fn *on_done, void *arg)
{
    struct store_call *c = store_call_new(s, STORE_OP_COMMIT);

    if (c == NULL) {
        on_done(arg, err_nomem());
        return;
    }
    c->on_done = on_done;
    c->arg = arg;
    start(s, c, store_call_set_changes(c, changes, n));
}

static struct store_call *new_reader(struct store *s, enum store_op op, store_entries_fn *on_done,
                                     void *arg)
{
    struct store_call *c = store_call_new(s, op);

    if (c == NULL) {
        on_done(arg, err_nomem(), NULL, 0, "");
        return NULL;
    }
    c->on_entries = on_done;
    c->arg = arg;
    return c;
}

void store_get(struct store *s, const struct store_key *key, store_entries_fn *on_done, void *arg)
{
    struct store_call *c = new_reader(s, STORE_OP_GET, on_done, arg);

    if (c != NULL) {
        start(s, c, store_call_set_key(c, key));
    }
}

void store_page(struct store *s, const struct store_query *q, store_entries_fn *on_done, void *arg)
{
    struct store_call *c = new_reader(s, STORE_OP_PAGE, on_done, arg);

    if (c != NULL) {
        start(s, c, store_call_set_query(c, q));
    }
}

void store_page_show(struct store *s, const struct store_query *q, store_show_fn *show,
                     store_text_fn *on_done, void *arg)
{
    struct store_call *c = store_call_new(s, STORE_OP_PAGE);

    if (c == NULL) {
        on_done(arg, err_nomem(), NULL);
        return;
    }
    c->show = show;
    c->on_text = on_done;
    c->arg = arg;
    start(s, c, store_call_set_query(c, q));
}

void store_referrers(struct store *s, const struct store_key *key, store_entries_fn *on_done,
                     void *arg)
{
    struct store_call *c = new_reader(s, STORE_OP_REFERRERS, on_done, arg);

    if (c != NULL) {
        start(s, c, store_call_set_key(c, key));
    }
}

void store_scopes(struct store *s, const struct store_scopes_query *q, store_scopes_fn *on_done,
                  void *arg)
{
    struct store_call *c = store_call_new(s, STORE_OP_SCOPES);

    if (c == NULL) {
        on_done(arg, err_nomem(), NULL, 0, "");
        return;
    }
    c->on_scopes = on_done;
    c->arg = arg;
    start(s, c, store_call_set_tops(c, q));
}

void store_facts(struct store *s, const char *scope, store_facts_fn *on_done, void *arg)
{
    struct store_call *c = store_call_new(s, STORE_OP_FACTS);

    if (c == NULL) {
        on_done(arg, err_nomem(), NULL);
        return;
    }
    c->on_facts = on_done;
    c->arg = arg;
    start(s, c, store_call_set_scope(c, scope));
}

static void start_on_file(struct store *s, enum store_op op, const char *path,
                          store_done_fn *on_done, void *arg)
{
    struct store_call *c = store_call_new(s, op);

    if (c == NULL) {
        on_done(arg, err_nomem());
        return;
    }
    c->on_done = on_done;
    c->arg = arg;
    c->path = text_copy(path);
    struct err *refused = c->path == NULL    ? err_nomem()
                          : *c->path == '\0' ? err_new(ERR_INPUT, "the file has no name")
                                             : NULL;

    start(s, c, refused);
}

void store_backup(struct store *s, const char *path, store_done_fn *on_done, void *arg)
{
    start_on_file(s, STORE_OP_BACKUP, path, on_done, arg);
}

void store_restore(struct store *s, const char *path, store_done_fn *on_done, void *arg)
{
    start_on_file(s, STORE_OP_RESTORE, path, on_done, arg);
}

void store_look(struct store *s)
{
    struct store_call *c = store_call_new(s, STORE_OP_LOOK);

    if (c != NULL) {
        start(s, c, NULL);
    }
}

void store_status(const struct store *s, struct store_status *ret)
{
    *ret = (struct store_status){.error = s->error, .writable = s->error == NULL};
    s->ops->status(s, ret);
}
