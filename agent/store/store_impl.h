#ifndef HF_STORE_STORE_IMPL_H
#define HF_STORE_STORE_IMPL_H

/* For the files of store/ only: what the front (store.c, call.c) and a store behind it share. */
#include <sys/queue.h>

#include "store/store.h"

enum store_op {
    STORE_OP_COMMIT,
    STORE_OP_GET,
    STORE_OP_PAGE,
    STORE_OP_REFERRERS,
    STORE_OP_SCOPES,
    STORE_OP_FACTS,
    STORE_OP_BACKUP,
    STORE_OP_RESTORE,
    STORE_OP_LOOK, /* by the store itself: has somebody else changed something? */
};

/** Where a page ended: the key of its last entry, in the order of pages. All "": before the first. */
struct store_place {
    char *scope, *name, *id, *kind;
};

/** A query that was checked; all owned. */
struct store_wanted {
    char *kind, *tag, *name_has; /* NULL: any; name_has in lower case */
    char *scope;
    bool below;
    char **scopes; /* in order, each a part of the page; the one that equals scope also stands for
                      those below when below is set. Of STORE_OP_SCOPES: all stand for those below, and
                      none is below another */
    struct store_place after;
    size_t limit;
};

/** One call: what was asked, and how it was answered. The store behind works on it between start()
 * and store_answer(); the rest of its life is the front's. */
struct store_call {
    TAILQ_ENTRY(store_call) next; /* store's calls */
    struct store *store;
    enum store_op op;
    struct wall now; /* when it was made */

    struct store_change *changes;
    size_t changes_n;
    struct store_key key;
    struct store_wanted wanted;
    char *path;
    store_show_fn *show; /* page: what becomes of it; NULL: entries */

    struct store_entry *entries;
    size_t entries_n;
    char *cursor;
    char *text;                  /* of show */
    struct store_tally *tallies; /* of scopes and facts; owned */
    size_t tallies_n;
    struct store_facts facts; /* all but kinds, which are tallies */
    bool changed;             /* the registry is not what it was */
    uint64_t total;           /* entries in the store, where it keeps count of them */
    struct err *e;

    bool answered;
    store_done_fn *on_done;       /* of commit, backup and restore */
    store_entries_fn *on_entries; /* of get, page and referrers */
    store_text_fn *on_text;       /* of a page that is shown */
    store_scopes_fn *on_scopes;
    store_facts_fn *on_facts;
    void *arg;
};
TAILQ_HEAD(store_call_list, store_call);

/** The store behind the front. */
struct store_ops {
    /** start() - do what the call asks; store_answer() when it is done, on the loop, at once or
     * later. Calls take effect in the order in which they were started */
    void (*start)(struct store *s, struct store_call *c);
    /** status() - all but writable and error */
    void (*status)(const struct store *s, struct store_status *ret);
    /** stop() - end all work on calls, so that none is answered any more, and free what is behind
     * the front; accepts half-built stores */
    void (*stop)(struct store *s);
};

/** The front; first member of the struct of the store behind it. */
struct store {
    const struct store_ops *ops;
    struct io_timer *deliver;
    struct store_call_list calls; /* in the order in which they were made */
    store_changed_fn *on_changed;
    void *changed_arg;
    struct err *error; /* of the last write */
    bool delivering;   /* one of our callbacks is on the stack */
    bool doomed;       /* freed inside of it */
};

/** store_init() - the front of a new store, which is all zero; freed with store_free(). NOMEM */
struct err *store_init(struct store *s, const struct store_ops *ops, struct io_loop *l,
                       store_changed_fn *on_changed, void *arg) MUST_CHECK;
/** store_answer() - the call has ended; its callback runs in a later round, after those of the calls
 * before it. @e: taken, NULL when what was asked is in the call */
void store_answer(struct store_call *c, struct err *e);
/** store_look() - start a STORE_OP_LOOK; no callback but on_changed */
void store_look(struct store *s);

/* How messages name an entry. */
#define STORE_KEY_WORDS "%s %s in %s"
#define STORE_KEY_ARGS(k) (k)->kind, (k)->id, (k)->scope

/** store_call_new() - an empty call; NULL when out of memory */
struct store_call *store_call_new(struct store *s, enum store_op op);
void store_call_free(struct store_call **c);

/** store_call_set_changes(), ..._key(), ..._query() - check and copy what was asked: INPUT, LIMIT,
 * NOMEM */
struct err *store_call_set_changes(struct store_call *c, const struct store_change *changes,
                                   size_t n) MUST_CHECK;
struct err *store_call_set_key(struct store_call *c, const struct store_key *key) MUST_CHECK;
struct err *store_call_set_query(struct store_call *c, const struct store_query *q) MUST_CHECK;
struct err *store_call_set_tops(struct store_call *c, const struct store_scopes_query *q)
    MUST_CHECK;
struct err *store_call_set_scope(struct store_call *c, const char *scope) MUST_CHECK;

/** store_key_deinit(), store_key_copy() - a key that owns its texts; NOMEM */
void store_key_deinit(struct store_key *k);
struct err *store_key_copy(const struct store_key *from, struct store_key *ret) MUST_CHECK;
/** store_entries_free() - a list on the heap */
void store_entries_free(struct store_entry **entries, size_t n);

/** store_cursor_write() - an opaque text for a place (caller owns; NULL when out of memory) */
char *store_cursor_write(const struct store_place *p);
/** store_cursor_read() - NULL or "" is the place before the first; INPUT for what we did not write */
struct err *store_cursor_read(const char *text, struct store_place *ret) MUST_CHECK;
void store_place_deinit(struct store_place *p);

#endif
