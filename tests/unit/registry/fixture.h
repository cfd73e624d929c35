#ifndef HF_TESTS_REGISTRY_FIXTURE_H
#define HF_TESTS_REGISTRY_FIXTURE_H

/* A registry on a database in a folder of its own, and calls that wait for their answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "registry/registry.h"

struct fixture {
    char folder[64];
    struct io_loop *loop;
    struct registry *r;
    json_t *result; /* of the last call */
    struct err *e;
    unsigned open, changes;
};

static struct fixture fx;
static const struct registry_caller caller = {.uid = 1000, .gid = 100, .pid = 42};

static inline char *in_folder(const char *name)
{
    static char path[128];

    snprintf(path, sizeof path, "%s/%s", fx.folder, name);
    return path;
}

static inline void on_store_changed(void *arg)
{
    (void)arg;
    if (fx.r != NULL) {
        registry_changed(fx.r);
    }
}

static inline void on_changes(void *arg)
{
    (void)arg;
    fx.changes++;
}

static const struct registry_allowed any_file = {.scope = "account", .folder = "/"};
static const struct registry_allowed_list anywhere = {&any_file, 1};

static inline int set_up(void **state)
{
    struct store *s = NULL;
    char audit[128];

    (void)state;
    fx = (struct fixture){.folder = "/tmp/holdfast-registry.XXXXXX"};
    assert_non_null(mkdtemp(fx.folder));
    assert_null(io_loop_new(&fx.loop));
    assert_null(store_sqlite_open(fx.loop, in_folder("registry.db"), on_store_changed, NULL, &s));
    snprintf(audit, sizeof audit, "%s/audit.jsonl", fx.folder);
    assert_null(registry_new(fx.loop, s, audit, &fx.r));
    registry_watch(fx.r, on_changes, NULL);
    registry_allow(fx.r, &anywhere);
    return 0;
}

static inline void forget(void)
{
    json_decref(fx.result);
    fx.result = NULL;
    err_free(&fx.e);
}

static inline int tear_down(void **state)
{
    static const char *const files[] = {"registry.db", "registry.db-wal", "registry.db-shm",
                                        "audit.jsonl"};

    (void)state;
    forget();
    registry_free(&fx.r);
    io_loop_free(&fx.loop);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        unlink(in_folder(files[i]));
    }
    rmdir(fx.folder);
    return 0;
}

static inline void on_answer(void *arg, struct err *e, json_t *result)
{
    (void)arg;
    forget();
    fx.e = e;
    fx.result = json_incref(result);
    if (--fx.open == 0) {
        io_loop_stop(fx.loop);
    }
}

static inline void on_text(void *arg, struct err *e, char *text)
{
    json_t *result = text != NULL ? json_loads(text, 0, NULL) : NULL;

    assert_true((text != NULL) == (result != NULL));
    free(text);
    on_answer(arg, e, result);
    json_decref(result);
}

/* Runs the loop until @n calls are answered; the last answer stays. */
static inline void wait_for(unsigned n)
{
    fx.open += n;
    assert_null(io_loop_run(fx.loop));
}

static inline void succeeded(void)
{
    if (fx.e != NULL) {
        fail_msg("%s", err_text(fx.e));
    }
    assert_non_null(fx.result);
}

static inline void refused(enum err_code code, const char *part)
{
    if (!err_is(fx.e, code) || strstr(err_text(fx.e), part) == NULL) {
        fail_msg("wanted %s '%s', got '%s'", err_code_name(code), part, err_text(fx.e));
    }
}

static inline json_t *json_of(const char *text)
{
    json_error_t where;
    json_t *j = json_loads(text, 0, &where);

    if (j == NULL) {
        fail_msg("the test's own JSON: %s at %d in %s", where.text, where.position, text);
    }
    return j;
}

static inline void create(enum registry_kind k, const char *scope, const char *body)
{
    json_t *j = json_of(body);

    registry_create(fx.r, &caller, k, scope, j, on_answer, NULL);
    json_decref(j);
    wait_for(1);
}

static inline void update(enum registry_kind k, const char *scope, const char *id,
                          uint64_t expected, const char *body)
{
    json_t *j = json_of(body);

    registry_update(fx.r, &caller, k, scope, id, expected, j, on_answer, NULL);
    json_decref(j);
    wait_for(1);
}

static inline void get(enum registry_kind k, const char *scope, const char *id)
{
    registry_get(fx.r, k, scope, id, on_answer, NULL);
    wait_for(1);
}

static inline void delete(enum registry_kind k, const char *scope, const char *id, bool force)
{
    registry_delete(fx.r, &caller, k, scope, id, 0, force, on_answer, NULL);
    wait_for(1);
}

static inline void apply(const json_t *document, bool dry_run, bool prune)
{
    registry_apply(fx.r, &caller, document,
                   &(struct registry_apply){.dry_run = dry_run, .prune = prune}, on_answer, NULL);
    wait_for(1);
}

/* The text or number at "spec.login.method" in the last result; for texts. */
static inline const json_t *at(const char *path)
{
    const json_t *j = fx.result;
    char copy[128];
    char *rest = copy;
    const char *name;

    snprintf(copy, sizeof copy, "%s", path);
    while ((name = strsep(&rest, ".")) != NULL) {
        j = json_is_array(j) ? json_array_get(j, (size_t)atoi(name)) : json_object_get(j, name);
    }
    return j;
}

static inline void is_text(const char *path, const char *text)
{
    const char *is = json_string_value(at(path));

    if (is == NULL || strcmp(is, text) != 0) {
        fail_msg("%s is '%s', not '%s'", path, is != NULL ? is : "(absent)", text);
    }
}

static inline void is_number(const char *path, long long n)
{
    assert_true(json_is_integer(at(path)));
    assert_int_equal(json_integer_value(at(path)), n);
}

#endif
