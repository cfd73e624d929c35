#ifndef HF_TESTS_STORE_SUITE_H
#define HF_TESTS_STORE_SUITE_H

/*
 * What the tests of stores share. The contract's own tests (suite_commit.h, suite_page.h) run on every
 * store: a test program sets suite_open and runs them. Calls are made one by one and waited for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/store.h"

enum { GUARD_MS = 60 * 1000 };

/** What is there during a test: a folder of its own, a loop and a store. */
static struct suite {
    char folder[64];
    struct io_loop *loop;
    struct store *store;
    unsigned told;      /* of changes */
    bool free_gives_up; /* store_free() of this store gives open calls up, instead of waiting */
} suite;

/** Opens the store to be tested, below suite.folder; a second time: the same one again. */
typedef struct err *suite_open_fn(struct store **ret);
static suite_open_fn *suite_open;

static inline void suite_on_changed(void *arg)
{
    ((struct suite *)arg)->told++;
}

/** in_folder() - a path in the test's folder; one of four buffers in turn */
static inline const char *in_folder(const char *name)
{
    static char path[4][128];
    static unsigned turn;
    char *p = path[turn++ % 4];

    snprintf(p, sizeof path[0], "%s/%s", suite.folder, name);
    return p;
}

static inline void assert_ok(struct err *e)
{
    if (e != NULL) {
        fail_msg("%s", err_text(e));
    }
}

/** assert_err() - @e has this code, and this in its text; it is freed */
static inline void assert_err(struct err *e, enum err_code code, const char *has)
{
    assert_non_null(e);
    if (err_code(e) != code || strstr(err_text(e), has) == NULL) {
        fail_msg("%s: %s", err_code_name(err_code(e)), err_text(e));
    }
    err_free(&e);
}

static inline void remove_folder(const char *folder)
{
    DIR *d = opendir(folder);
    struct dirent *one;

    assert_non_null(d);
    while ((one = readdir(d)) != NULL) {
        unlinkat(dirfd(d), one->d_name, 0);
    }
    closedir(d);
    assert_int_equal(rmdir(folder), 0);
}

static inline int folder_setup(void **state)
{
    (void)state;
    suite = (struct suite){.free_gives_up = suite.free_gives_up};
    snprintf(suite.folder, sizeof suite.folder, "/tmp/hf-store-XXXXXX");
    assert_non_null(mkdtemp(suite.folder));
    assert_ok(io_loop_new(&suite.loop));
    return 0;
}

static inline int folder_teardown(void **state)
{
    (void)state;
    store_free(&suite.store);
    io_loop_free(&suite.loop);
    remove_folder(suite.folder);
    return 0;
}

static inline int suite_setup(void **state)
{
    folder_setup(state);
    assert_ok(suite_open(&suite.store));
    return 0;
}

static inline void guard_fired(void *arg)
{
    (void)arg;
    fail_msg("nothing happened for %d ms", GUARD_MS);
}

/** run() - the loop, until stop() */
static inline void run(void)
{
    struct io_timer *guard = io_timer_new(suite.loop, guard_fired, NULL);

    io_timer_set(guard, mono_in(GUARD_MS));
    assert_ok(io_loop_run(suite.loop));
    io_timer_free(&guard);
}

static inline void stop(void)
{
    io_loop_stop(suite.loop);
}

static inline void on_done_stop(void *arg, struct err *e)
{
    *(struct err **)arg = e;
    stop();
}

/** A store whose server may be away for a moment: true frees @e, and the call is made again. NULL:
 * never */
static bool (*suite_again)(struct err **e);

static inline bool is_to_repeat(struct err **e)
{
    return *e != NULL && suite_again != NULL && suite_again(e);
}

static inline struct err *commit(const struct store_change *changes, size_t n)
{
    struct err *e = NULL;

    do {
        store_commit(suite.store, changes, n, on_done_stop, &e);
        run();
    } while (is_to_repeat(&e));
    return e;
}

/** What a reader was told; owned. */
struct answer {
    struct err *e;
    struct store_entry *entries;
    size_t n;
    char *next;
};

static inline void answer_deinit(struct answer *a)
{
    for (size_t i = 0; i < a->n; i++) {
        store_entry_deinit(&a->entries[i]);
    }
    free(a->entries);
    free(a->next);
    err_free(&a->e);
    *a = (struct answer){0};
}

static inline void on_entries_stop(void *arg, struct err *e, const struct store_entry *entries,
                                   size_t n, const char *next)
{
    struct answer *a = arg;

    *a = (struct answer){.e = e, .n = n, .next = text_copy(next)};
    a->entries = calloc(n + 1, sizeof *a->entries);
    assert_non_null(a->entries);
    for (size_t i = 0; i < n; i++) {
        assert_ok(store_entry_copy(&entries[i], &a->entries[i]));
    }
    stop();
}

static inline struct store_key key_of(const char *kind, const char *scope, const char *id)
{
    return (struct store_key){(char *)kind, (char *)scope, (char *)id};
}

static inline struct answer get(const char *kind, const char *scope, const char *id)
{
    const struct store_key k = key_of(kind, scope, id);
    struct answer a = {0};

    do {
        answer_deinit(&a);
        store_get(suite.store, &k, on_entries_stop, &a);
        run();
    } while (is_to_repeat(&a.e));
    return a;
}

static inline struct answer page(const struct store_query *q)
{
    struct answer a = {0};

    do {
        answer_deinit(&a);
        store_page(suite.store, q, on_entries_stop, &a);
        run();
    } while (is_to_repeat(&a.e));
    return a;
}

static inline struct answer referrers(const char *kind, const char *scope, const char *id)
{
    const struct store_key k = key_of(kind, scope, id);
    struct answer a = {0};

    do {
        answer_deinit(&a);
        store_referrers(suite.store, &k, on_entries_stop, &a);
        run();
    } while (is_to_repeat(&a.e));
    return a;
}

/** change_of() - of an entry that is called like its id; all is borrowed */
static inline struct store_change change_of(enum store_what what, const char *kind,
                                            const char *scope, const char *id, const char *body)
{
    return (struct store_change){
        .what = what,
        .entry = {.key = key_of(kind, scope, id), .name = (char *)id, .body = (char *)body}};
}

static inline struct err *put(enum store_what what, const char *kind, const char *scope,
                              const char *id, const char *body)
{
    const struct store_change c = change_of(what, kind, scope, id, body);

    return commit(&c, 1);
}

/** put_ref() - an entry with references to @refs */
static inline struct err *put_ref(enum store_what what, const char *kind, const char *scope,
                                  const char *id, const struct store_key *refs, size_t refs_n)
{
    struct store_change c = change_of(what, kind, scope, id, "{}");

    c.entry.refs = (struct store_key *)refs;
    c.entry.refs_n = refs_n;
    return commit(&c, 1);
}

/** assert_body() - the entry is there with this body and revision */
static inline void assert_body(const char *kind, const char *scope, const char *id,
                               const char *body, uint64_t revision)
{
    AUTO(answer_deinit) struct answer a = get(kind, scope, id);

    assert_ok(take(&a.e));
    assert_int_equal(a.n, 1);
    assert_string_equal(a.entries[0].body, body);
    assert_int_equal(a.entries[0].revision, revision);
}

static inline void assert_absent(const char *kind, const char *scope, const char *id)
{
    AUTO(answer_deinit) struct answer a = get(kind, scope, id);

    assert_err(take(&a.e), ERR_NOT_FOUND, id);
    assert_int_equal(a.n, 0);
}

/** reopen() - close the store and open it again */
static inline void reopen(void)
{
    store_free(&suite.store);
    assert_null(suite.store);
    assert_ok(suite_open(&suite.store));
}

#endif
