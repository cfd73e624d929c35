#ifndef HF_STORE_STORE_H
#define HF_STORE_STORE_H

#include "io/io.h"

/**
 * The registry's rows. A store keeps entries and the references between them, and nothing of what
 * they mean; registry/ gives them meaning. Two stores keep the same contract: sqlite (one machine)
 * and kv (Vault KV v2, a fleet); the same test suite runs on both.
 *
 * All calls are asynchronous and run on the agent's loop; answers come in a later round, in the order
 * of the calls, and after the change is durable.
 */
struct store;

enum {
    STORE_TEXT_MAX_BYTES = 512, /* a kind, scope, id, name or tag */
    STORE_BODY_MAX_BYTES = 1024 * 1024,
    STORE_REFS_MAX = 64,
    STORE_TAGS_MAX = 64,
    STORE_CHANGES_MAX = 512, /* in one commit */
    STORE_PAGE_MAX = 1000,
    STORE_PAGE_MAX_BYTES = 16 * 1024 * 1024, /* a page ends early when its bodies reach this */
};

/** Names one entry: ("connector", "org/acme/project/web", "main_vault"). */
struct store_key {
    char *kind, *scope, *id;
};

struct store_entry {
    struct store_key key;
    uint64_t revision;      /* 1 when created, +1 with every change */
    char *name;             /* shown name: pages are sorted by (scope, name, id) */
    char *body;             /* text of the registry's making; opaque here */
    char **tags;            /* NULL-terminated; NULL when none; pages can be filtered by them */
    struct store_key *refs; /* what it refers to */
    size_t refs_n;
    struct wall created, updated;
};

/** store_entry_deinit(), store_entry_copy() - an entry that owns all it points to; NOMEM */
void store_entry_deinit(struct store_entry *e);
struct err *store_entry_copy(const struct store_entry *from, struct store_entry *ret) MUST_CHECK;

enum store_what { STORE_CREATE, STORE_UPDATE, STORE_DELETE };

/** One change of a commit; they are made in order. For a delete only the key of @entry counts. */
struct store_change {
    enum store_what what;
    struct store_entry entry; /* revision, created and updated are the store's */
    uint64_t expected;        /* update, delete: the revision that is changed; 0: whatever it is */
};

/** Takes an error (owned) or NULL. */
typedef void store_done_fn(void *arg, struct err *e);

/**
 * store_commit() - all changes or none; borrowed until the call returns
 * Errors, each naming the entry: EXISTS (create), NOT_FOUND (update, delete, or a reference to an
 * entry that does not exist after the commit), BUSY with native name "STALE" (revision differs), BUSY
 * with native name "IN-USE" (an entry that goes is still referred to; the text lists up to ten
 * referrers with scope), STORE (disk full, ...: the old state is intact), LIMIT, INPUT (a text that is
 * missing or empty). References are judged by what is there after the last change, so that within a
 * commit their order does not matter. No changes at all: success
 */
void store_commit(struct store *s, const struct store_change *changes, size_t n,
                  store_done_fn *on_done, void *arg);

/** Gets entries (borrowed during the call) or an error (taken). @next: cursor of the next page, ""
 * after the last. */
typedef void store_entries_fn(void *arg, struct err *e, const struct store_entry *entries, size_t n,
                              const char *next);

/** store_get() - one entry; NOT_FOUND */
void store_get(struct store *s, const struct store_key *key, store_entries_fn *on_done, void *arg);

/** What a page shows. All is borrowed until the call returns. */
struct store_query {
    const char *kind;     /* NULL: every kind */
    const char *scope;    /* exactly this scope, unless: */
    bool below;           /* also the scopes below it: "org/a/..." is below "org/a" */
    bool above;           /* also the scopes above it; "account" is above all others */
    const char *tag;      /* NULL: any */
    const char *name_has; /* part of the name; upper and lower case are one for A to Z; NULL: any */
    const char *after;    /* cursor of the page before; NULL or "": the first */
    size_t limit;         /* 1..STORE_PAGE_MAX */
};
/** store_page() - entries in the order (scope, name, id), by the bytes of each. The last page costs no
 * more than the first: the cursor is a key, never a count. INPUT: a cursor that is none of ours */
void store_page(struct store *s, const struct store_query *q, store_entries_fn *on_done, void *arg);

/** Makes of a page what is to be shown: @ret is a text on the heap. On the store's own thread, so it
 * sees its arguments and nothing else; @entries are freed after it. */
typedef struct err *store_show_fn(const struct store_entry *entries, size_t n, const char *next,
                                  char **ret);
/** Gets a text (taken) or an error (taken). */
typedef void store_text_fn(void *arg, struct err *e, char *text);
/** store_page_show() - a page as @show makes it: the rows never leave the thread that read them */
void store_page_show(struct store *s, const struct store_query *q, store_show_fn *show,
                     store_text_fn *on_done, void *arg);

/** store_referrers() - what refers to an entry, at every scope, in a page's order; at most
 * STORE_PAGE_MAX, and @next is not "" when there are more. None when there is no such entry */
void store_referrers(struct store *s, const struct store_key *key, store_entries_fn *on_done,
                     void *arg);

/** What there is of one scope, or of one kind. */
struct store_tally {
    char *word; /* the scope, or the kind */
    uint64_t entries;
    uint64_t revision;   /* of a kind: the highest */
    struct wall updated; /* of a kind: the latest change */
};

/** Which scopes; all is borrowed until the call returns. */
struct store_scopes_query {
    char *const *tops; /* NULL-terminated: these, and those below them; NULL: none */
    const char *after; /* cursor of the page before; NULL or "": the first */
    size_t limit;      /* 1..STORE_PAGE_MAX */
};
/** Gets tallies (borrowed during the call) or an error (taken). @next: as for a page of entries */
typedef void store_scopes_fn(void *arg, struct err *e, const struct store_tally *scopes, size_t n,
                             const char *next);
/** store_scopes() - a page of the scopes that have entries, by their bytes. INPUT, LIMIT: as
 * store_page() */
void store_scopes(struct store *s, const struct store_scopes_query *q, store_scopes_fn *on_done,
                  void *arg);

/** What there is at a scope and below it, and in the file. Borrowed. */
struct store_facts {
    const struct store_tally *kinds; /* by their bytes; those that have entries */
    size_t kinds_n;
    uint64_t scopes; /* that have entries */
    uint64_t bytes;  /* of the database, or of the copy: all of it */
    int64_t version; /* of its schema */
};
/** Gets facts or an error (taken). */
typedef void store_facts_fn(void *arg, struct err *e, const struct store_facts *f);
/** store_facts() - counted now, on the store's own thread; kv: of the copy, also while it has never been
 * complete */
void store_facts(struct store *s, const char *scope, store_facts_fn *on_done, void *arg);

/** What a change by anybody (this agent, another process, another of the fleet) tells: reread what you
 * show. Several changes may be told once; one of ours after its own callback. */
typedef void store_changed_fn(void *arg);

/**
 * store_sqlite_open() - the default store
 * @path: database file (made if absent, its folder must exist); WAL, foreign keys, numbered
 *        migrations. Its integrity is checked here. What other processes change is seen within 5 s.
 * Errors: STORE ("the database is damaged: ..."; says how to restore a backup), UNSUPPORTED (made by a
 * newer Holdfast)
 */
struct err *store_sqlite_open(struct io_loop *l, const char *path, store_changed_fn *on_changed,
                              void *arg, struct store **ret) MUST_CHECK;
/** store_backup() - online copy into a new file (sqlite only: UNSUPPORTED otherwise); EXISTS */
void store_backup(struct store *s, const char *path, store_done_fn *on_done, void *arg);
/** store_restore() - replace everything by a backup, after checking it; the present state is kept
 * beside as PATH.before-restore */
void store_restore(struct store *s, const char *path, store_done_fn *on_done, void *arg);
/**
 * store_sqlite_put_back() - a backup in the place of a database that cannot be opened, while no agent
 * has it open (that is the caller's to know)
 * @path:     the database; it and its log are kept as PATH.damaged-TIME, PATH.damaged-TIME-wal
 * @ret_kept: that name (caller owns); NULL when there was none
 * The backup is checked, copied and brought to our version first, then takes the place in one rename: at
 * every moment there is one of the two.
 * Errors: those of store_restore(); nothing was changed then, unless it says so
 */
struct err *store_sqlite_put_back(const char *path, const char *backup, char **ret_kept) MUST_CHECK;
/** store_free() - the callbacks of open calls do not run; sqlite waits for them, kv gives its open
 * commit up: each is finished or undone as a whole later, by this agent or another. May be called in a
 * callback */
void store_free(struct store **s);

/** What the kv store needs of Vault; daemon/ binds it to vault/. Paths are below the mount, segments
 * already safe. Versions are KV v2's. */
struct store_kv_ops {
    /** get() - @version 0 and NULL text when absent */
    void (*get)(void *self, const char *path,
                void (*on_done)(void *arg, struct err *e, const char *text, uint64_t version),
                void *arg);
    /** cas() - write when the version is @version (0: absent); @text NULL: delete.
     * BUSY when the version differs */
    void (*cas)(void *self, const char *path, const char *text, uint64_t version,
                void (*on_done)(void *arg, struct err *e, uint64_t version), void *arg);
    /** list() - names below a path, folders end with "/" */
    void (*list)(void *self, const char *path,
                 void (*on_done)(void *arg, struct err *e, char *const *names), void *arg);
    void *self;
    /** close() - by store_free(): callbacks of open calls do not run any more. NULL: nothing is open */
    void (*close)(void *self);
};

/**
 * store_kv_open() - the fleet's store: one KV entry a resource, its referrers kept in the referred
 * entry, so that the in-use rule holds between agents
 * @ops:       copied; what is behind ops->self stays until ops->close()
 * @copy_path: local copy (sqlite, made if absent, made anew if damaged) that all reads are answered
 *             from; what others change is seen within 10 s. No two agents may share it
 * A commit is refused with GONE while Vault is away; one that Vault leaves in the middle ends with GONE
 * after 15 s, and its text says whether something may have changed. BUSY with native name "CONTENDED":
 * others change the same entries all the time. Reads with GONE: nothing was ever read from Vault. LIMIT
 * comes from ops, for an entry: its text and, while it is changed, the new one must fit in together.
 */
struct err *store_kv_open(struct io_loop *l, const struct store_kv_ops *ops, const char *copy_path,
                          store_changed_fn *on_changed, void *arg, struct store **ret) MUST_CHECK;

/** How it is; strings are borrowed until the next call. */
struct store_status {
    const char *kind; /* "sqlite", "kv" */
    const char *where;
    uint64_t entries;
    bool writable; /* false from a write that failed with STORE to the next that does not; kv: false
                      while Vault is away */
    const struct err *error; /* why, NULL when none; kv also: the last entry that it cannot read */
    struct wall checked;     /* when its integrity was: it was whole, or it would not be open */
    struct wall refreshed;   /* kv: when all of Vault was known last; 0: not since it was opened */
    struct wall away_since;  /* kv: since when Vault cannot be had; 0: it can */
};
/** store_status() - how it is now, without asking the disk */
void store_status(const struct store *s, struct store_status *ret);

#endif
