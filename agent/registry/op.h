#ifndef HF_REGISTRY_OP_H
#define HF_REGISTRY_OP_H

#include <sys/queue.h>

#include "registry/audit.h"
#include "registry/resource.h"

/*
 * For the files of registry/ only: one call, from its beginning to its answer. A call goes back and
 * forth between three places: the store (asynchronous), the worker (what takes long), and the loop
 * (what is left). Each step names the next; an error in any of them ends the call.
 */
struct registry_op {
    LIST_ENTRY(registry_op) next; /* registry's ops */
    struct registry *r;
    registry_json_fn *on_done; /* one of these two */
    registry_text_fn *on_text;
    void *arg;

    /* what was asked; copies */
    struct registry_caller who;
    enum registry_kind kind;
    struct store_key key; /* id NULL when it is to be made */
    uint64_t expected;    /* registry_version(); 0: any */
    bool force, dry_run, prune;
    struct err *refusal; /* delete: why not, unless only what is not active uses it */
    char *prune_scope;
    char *cursor; /* a page's, then the next one's */
    json_t *body;

    /* on the way */
    void (*work)(struct registry_op *op); /* on the worker */
    void (*then)(struct registry_op *op); /* on the loop, after a step that went well */
    unsigned tries;
    unsigned kinds_left;         /* of a load: bits of enum registry_kind */
    struct store_entry *entries; /* what the store gave */
    size_t entries_n;
    struct store_change *changes;
    size_t changes_n;
    struct store_entry *before; /* of each change in order, what it replaces; name NULL: nothing */

    /* the answer */
    struct err *e;
    json_t *result;
    char *text;
};

LIST_HEAD(registry_op_list, registry_op);

struct registry {
    struct io_loop *loop;
    struct store *store;
    struct io_worker *worker;
    struct registry_audit *audit; /* the worker's */
    struct registry_op_list ops;
    struct registry_allowed_list allowed;
    struct io_timer *tell; /* the watcher, once for all that changes at about the same time */
    void (*on_change)(void *arg);
    void *change_arg;
};

enum { REGISTRY_TRIES_MAX = 5 };

/** registry_op_new() - a call; out of memory it is answered at once, and NULL comes back. @scope and
 * @id may be NULL */
struct registry_op *registry_op_new(struct registry *r, const char *scope, const char *id,
                                    registry_json_fn *on_done, void *arg);
/** registry_op_new_text() - the same for an answer that is op->text */
struct registry_op *registry_op_new_text(struct registry *r, registry_text_fn *on_text, void *arg);
void registry_op_free(struct registry_op **op);
/** registry_op_end() - answer with the result or @e (taken), and free it */
void registry_op_end(struct registry_op *op, struct err *e);
/** registry_op_work() - run @work on the worker (it sets op->e to fail), then @then on the loop */
void registry_op_work(struct registry_op *op, void (*work)(struct registry_op *op),
                      void (*then)(struct registry_op *op));
/** registry_op_get() - one entry, added to op->entries, then @then */
void registry_op_get(struct registry_op *op, const struct store_key *key,
                     void (*then)(struct registry_op *op));
/** registry_op_load() - all entries of op->kinds_left at and below @scope into op->entries, then
 * @then. Not one moment's picture: what is written by it must name the revisions it saw */
void registry_op_load(struct registry_op *op, const char *scope, unsigned kinds,
                      void (*then)(struct registry_op *op));
enum { REGISTRY_ALL_KINDS = (1U << REGISTRY_KINDS) - 1 };
/** registry_op_on_entries() - a store_entries_fn: adds copies to op->entries, then op->then */
void registry_op_on_entries(void *op, struct err *e, const struct store_entry *entries, size_t n,
                            const char *next);
/** registry_op_forget() - what the store gave, what was to be changed and its result: before another
 * try, or on the worker, where a long list is freed without holding anybody up */
void registry_op_forget(struct registry_op *op);

/** registry_op_add_change() - one more change; NOMEM
 * @entry:  moved; its key alone counts for a delete
 * @before: what it replaces (copied), NULL: nothing; also gives the expected revision */
struct err *registry_op_add_change(struct registry_op *op, enum store_what what,
                                   struct store_entry *entry, const struct store_entry *before)
    MUST_CHECK;
/** registry_op_audit() - write down all changes of an op, which have been committed, and tell the
 * watcher */
void registry_op_audit(struct registry_op *op);

/** registry_is_stale(), registry_is_in_use() - what a commit said */
bool registry_is_stale(const struct err *e);
bool registry_is_in_use(const struct err *e);
/** registry_is_expected() - is @row what a change with this version is based on? */
bool registry_is_expected(const struct store_entry *row, uint64_t expected);
/** registry_stale() - BUSY "STALE" for an entry that has another revision than was expected */
struct err *registry_stale(const struct store_entry *now, uint64_t expected) MUST_CHECK;

#endif
