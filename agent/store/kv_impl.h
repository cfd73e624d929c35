#ifndef HF_STORE_KV_IMPL_H
#define HF_STORE_KV_IMPL_H

/* For the kv_*.c files of store/ only: what the parts of the fleet's store share. kv.c says how they
 * meet, and what stands in Vault. */
#include <jansson.h>

#include "store/db.h"

/** How long things take; tests that simulate hours make them shorter. */
struct store_kv_times {
    int64_t poll_ms;   /* from one look at the changes of others to the next */
    int64_t soon_ms;   /* the same while Vault is away, or a change is under way */
    int64_t commit_ms; /* a commit gives up */
    int64_t sweep_ms;  /* an intent is taken for an orphan */
    int64_t again_ms;  /* the first pause before a step is tried again; doubles with each */
};
extern struct store_kv_times store_kv_times;

struct store_kv;

/** store_kv_json_free() - for AUTO */
void store_kv_json_free(json_t **j);

/* --- kv_text.c: paths, and entries as JSON --------------------------------------------------------- */

#define STORE_KV_CHANGES "_changes"
#define STORE_KV_AGENTS "_agents/"

/** store_kv_path() - where a resource stands: "SCOPE/KIND/ID", each segment made safe (caller owns;
 * NULL when out of memory) */
char *store_kv_path(const struct store_key *k);
/** store_kv_path_read() - the reverse; PROTOCOL for a path that is none of a resource */
struct err *store_kv_path_read(const char *path, struct store_key *ret) MUST_CHECK;
/** store_kv_key_json() - ["kind", "scope", "id"]; NULL when out of memory, or when it is not UTF-8 */
json_t *store_kv_key_json(const struct store_key *k);
/** store_kv_keys_find() - where in an array of those a key stands; its size when nowhere */
size_t store_kv_keys_find(const json_t *keys, const json_t *key);
/** store_kv_entry_json() - what a user gave, without the key */
struct err *store_kv_entry_json(const struct store_entry *e, uint64_t revision, struct wall created,
                                struct wall updated, json_t **ret) MUST_CHECK;
/** store_kv_entry_read() - the reverse, from the item that it stands in; NOMEM, LIMIT */
struct err *store_kv_entry_read(const json_t *item, struct store_entry *ret) MUST_CHECK;
/** store_kv_item_new() - the item of a resource that does not exist */
json_t *store_kv_item_new(const struct store_key *k);
/** store_kv_item_parse() - @text as an object, checked where @path is one of a resource; PROTOCOL */
struct err *store_kv_item_parse(const char *path, const char *text, json_t **ret) MUST_CHECK;
/** store_kv_item_settle() - make an item's intent true, or drop it */
struct err *store_kv_item_settle(json_t *item, bool done) MUST_CHECK;
/** store_kv_item_is_empty() - neither a resource nor anything about one */
bool store_kv_item_is_empty(const json_t *item);
/** store_kv_text_of() - borrowed text of a member; "" when there is none */
const char *store_kv_text_of(const json_t *object, const char *name);

/* --- kv_edit.c: one entry of Vault, read, changed and written under check-and-set ------------------ */

/**
 * Changes what was read.
 * @item:      in and out; NULL when absent. Intents of others are settled already
 * @ret_write: true: write it. After a write whose answer was lost, or that somebody else was faster
 *             than, the function is called again on what is there then
 */
typedef struct err *store_kv_change_fn(void *arg, json_t **item, bool *ret_write);

struct store_kv_edit {
    /* asked */
    struct store_kv *kv;
    char *path; /* owned */
    store_kv_change_fn *change;
    void (*on_done)(void *arg, struct err *e); /* takes @e; may free or restart the edit */
    void *arg;
    struct mono deadline;
    const char *own; /* a commit of ours whose intent is not settled here, unless: */
    bool settle_own, own_done;
    bool view; /* only read: what is under way is not waited for, nothing is tried again */

    /* answered, and the start where is_known */
    json_t *item;
    uint64_t version;
    bool is_known;  /* item and version are those of an earlier edit: no need to read */
    bool under_way; /* view: there is an intent that is not settled */

    /* between steps */
    bool settled;
    bool is_open; /* why it waits: a commit of another agent is under way */
    unsigned tries;
    struct io_timer *again;
    uint64_t journal_version;
    json_t *journal;
};

/** store_kv_edit_start() - on_done runs later. Errors it gets: BUSY (contended to the end), GONE (Vault
 * is away), those of ops and change. @path: copied. NOMEM comes through on_done, too */
void store_kv_edit_start(struct store_kv_edit *e, const char *path);
/** store_kv_edit_deinit() - only between edits, or when ops will not call back any more */
void store_kv_edit_deinit(struct store_kv_edit *e);
/** store_kv_is_away() - an error that says nothing about the entry: Vault cannot be had just now */
bool store_kv_is_away(const struct err *e);

/* --- kv_commit.c, kv_plan.c: several entries at once ----------------------------------------------- */

/** One entry of Vault that a commit touches. */
struct store_kv_target {
    struct store_key key; /* empty where a commit before is recovered: only the path is known */
    char *path;
    bool changed;           /* the commit changes the resource, not only who refers to it */
    json_t *before, *after; /* the resource; NULL: there is none */
    json_t *add, *remove;   /* keys of those that refer to it */
    const struct store_key *wanted_by; /* somebody begins to refer to it, so it must exist */
    json_t *item;                      /* as last read or written, with: */
    uint64_t version;
};

struct store_kv_plan {
    struct store_kv_target **targets; /* sorted by path once it is made */
    size_t n, room;
};

/** store_kv_plan_deinit() - frees the targets; the plan is empty then */
void store_kv_plan_deinit(struct store_kv_plan *p);
/** store_kv_plan_add() - the target of this path, a new one if need be; NULL when out of memory */
struct store_kv_target *store_kv_plan_add(struct store_kv_plan *p, const struct store_key *key,
                                          const char *path);
/** store_kv_plan_begin() - the entries that a commit changes, to be read */
struct err *store_kv_plan_begin(struct store_kv_plan *p, const struct store_call *c) MUST_CHECK;
/** store_kv_plan_make() - all it touches; EXISTS, NOT_FOUND and STALE as store_commit() */
struct err *store_kv_plan_make(struct store_kv_plan *p, const struct store_call *c) MUST_CHECK;
/** store_kv_plan_put_intent() - into the item of @t. Errors: BUSY (IN-USE), NOT_FOUND; BUSY with native
 * name "AGAIN" when the resource is not as it was when the plan was made */
struct err *store_kv_plan_put_intent(const struct store_kv_target *t, const char *agent,
                                     const char *commit, json_t **item) MUST_CHECK;
/** store_kv_plan_paths() - as JSON */
json_t *store_kv_plan_paths(const struct store_kv_plan *p);

struct store_kv_commit;
/** store_kv_commit_start() - @c NULL: only finish or undo what this agent left behind. Ends with
 * store_kv_commit_ended() */
void store_kv_commit_start(struct store_kv *kv, struct store_call *c);
void store_kv_commit_free(struct store_kv_commit **c);

/* --- kv_refresh.c: from Vault into the local copy --------------------------------------------------- */

struct store_kv_refresh;
/** store_kv_refresh_new(), ..._free() - free: not while the worker runs, nor before ops are closed */
struct err *store_kv_refresh_new(struct store_kv *kv, struct store_kv_refresh **ret) MUST_CHECK;
void store_kv_refresh_free(struct store_kv_refresh **r);
/** store_kv_refresh_add() - to be read in its turn; @urgent: before the others. Nothing starts */
struct err *store_kv_refresh_add(struct store_kv_refresh *r, const char *path, bool urgent)
    MUST_CHECK;
/** store_kv_refresh_run() - go on reading until nothing is left, then store_kv_refreshed() */
void store_kv_refresh_run(struct store_kv_refresh *r);
/** store_kv_refresh_again() - once more what was under way at the last reading */
void store_kv_refresh_again(struct store_kv_refresh *r);
bool store_kv_refresh_is_under_way(const struct store_kv_refresh *r);
/** store_kv_refresh_wait() - once, when all that is urgent has been read, or could not be. NULL: never.
 * @changed: the copy is not what it was */
void store_kv_refresh_wait(struct store_kv_refresh *r, void (*on_done)(void *arg, bool changed),
                           void *arg);

/* --- kv_poll.c: what others change ------------------------------------------------------------------ */

struct store_kv_poll;
/** store_kv_poll_new() - looks at once; @seen: up to which change the copy is complete,
 * -1: not at all */
struct err *store_kv_poll_new(struct store_kv *kv, int64_t seen, struct store_kv_poll **ret)
    MUST_CHECK;
void store_kv_poll_free(struct store_kv_poll **p);
/** store_kv_poll_now() - do not wait for the next time */
void store_kv_poll_now(struct store_kv_poll *p);
/** store_kv_poll_ended() - all that was added to refresh has been read, unless @e (borrowed) */
void store_kv_poll_ended(struct store_kv_poll *p, const struct err *e);
/** store_kv_announce() - add a commit to the item of STORE_KV_CHANGES, unless it is there already
 * @paths: as JSON (borrowed) */
struct err *store_kv_announce(const struct store_kv *kv, const char *commit, json_t *paths,
                              json_t **changes, bool *ret_write) MUST_CHECK;

/* --- kv_copy.c: the local copy; for the worker, once it runs ---------------------------------------- */

/** What was read of one path. */
struct store_kv_row {
    struct store_entry entry; /* owned */
    bool there;               /* false: it is gone, and only the key is known */
};
/** One job: rows to be taken over, in one transaction. */
struct store_kv_apply {
    struct store_kv_row *rows; /* owned */
    size_t n;
    bool changed;     /* the copy is not what it was */
    char **offenders; /* paths of those between which there would be a reference to nothing; nothing
                         was changed then */
    uint64_t total;
    struct err *e;
};
void store_kv_apply_deinit(struct store_kv_apply *a);
/** store_kv_copy_open() - the copy and what it remembers. A damaged one is made anew: it is a copy */
struct err *store_kv_copy_open(const char *path, struct store_db **ret, char **ret_agent,
                               int64_t *ret_seen) MUST_CHECK;
struct err *store_kv_copy_apply(struct store_db *db, struct store_kv_apply *a) MUST_CHECK;
/** store_kv_copy_set_seen() - up to which change the copy is complete */
struct err *store_kv_copy_set_seen(struct store_db *db, int64_t seen) MUST_CHECK;
/** store_kv_copy_paths() - of all it holds */
struct err *store_kv_copy_paths(struct store_db *db, char ***ret) MUST_CHECK;
struct err *store_kv_copy_count(struct store_db *db, uint64_t *ret) MUST_CHECK;

/* --- kv.c: the parts together ------------------------------------------------------------------------ */

/** A commit of another agent that was met before it was settled. */
struct store_kv_met {
    char *commit;
    struct mono since;
};
enum { STORE_KV_MET_MAX = 64 };

TAILQ_HEAD(store_kv_job_list, store_kv_job);

struct store_kv {
    struct store front; /* first: the front frees it all */
    struct io_loop *loop;
    struct store_kv_ops ops;
    struct io_worker *worker;
    struct store_db *db; /* the worker's, while it runs */
    char *path, *agent;
    char session[17];
    uint64_t commits; /* of this session, counted */

    struct store_kv_job_list jobs;
    struct store_kv_commit *commit; /* the one that runs */
    struct io_timer *ended;         /* frees it */
    struct store_kv_refresh *refresh;
    struct store_kv_poll *poll;
    struct store_kv_met met[STORE_KV_MET_MAX];
    size_t met_next;

    /* the agent's own journal, as last known */
    char *last_commit;
    json_t *journal; /* and its version; NULL: to be read */
    uint64_t journal_version;
    bool settled; /* nothing of ours is left half-way */

    struct err *away;                           /* why Vault cannot be had */
    struct err *odd;                            /* the last entry that could not be read */
    struct wall checked, refreshed, away_since; /* as store_status() says */
    bool synced;                                /* the copy was complete once */
    uint64_t entries;
};

/** store_kv_met() - since when a commit is known to be under way */
struct mono store_kv_met(struct store_kv *kv, const char *commit);
/** store_kv_commit_ended() - the running commit is over and may be freed */
void store_kv_commit_ended(struct store_kv *kv);
/** store_kv_refreshed() - refresh has nothing more to read, or was stopped by @e (taken) */
void store_kv_refreshed(struct store_kv *kv, struct err *e);
/** store_kv_set_away() - @e: taken; NULL: Vault is there */
void store_kv_set_away(struct store_kv *kv, struct err *e);

#endif
