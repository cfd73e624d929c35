#ifndef HF_TESTS_STORE_SUITE_TALLY_H
#define HF_TESTS_STORE_SUITE_TALLY_H

/* Of the contract: counting scopes and kinds. */
#include "store/suite.h"

/** What store_scopes() told, as "scope:entries " each; NULL: the last was refused */
static char *told_scopes, *told_next;
static struct err *told_error;

static inline void on_scopes_stop(void *arg, struct err *e, const struct store_tally *scopes,
                                  size_t n, const char *next)
{
    (void)arg;
    free(told_scopes);
    free(told_next);
    told_error = e;
    told_next = text_copy(next);
    told_scopes = text_copy("");
    for (size_t i = 0; i < n; i++) {
        char *longer = text_fmt("%s%s:%d ", told_scopes, scopes[i].word, (int)scopes[i].entries);

        free(told_scopes);
        told_scopes = longer;
    }
    stop();
}

static inline const char *scopes_of(char *const *tops, const char *after, size_t limit)
{
    do {
        AUTO(auto_free) char *from = text_copy(after);

        store_scopes(suite.store, &(struct store_scopes_query){tops, from, limit}, on_scopes_stop,
                     NULL);
        run();
    } while (is_to_repeat(&told_error));
    return told_scopes;
}

static inline void told_clear(void)
{
    free(take(&told_scopes));
    free(take(&told_next));
    err_free(&told_error);
}

/* Each scope once, those of others never; names that only begin alike are other scopes. */
static void test_scopes(void **state)
{
    static const char *const scopes[] = {
        "account",           "org/a",  "org/a",   "org/a/project/x",
        "org/a/project/x_y", "org/a0", "org/a_b", "org/b/project/x"};
    char *all[] = {"account", "org/a", NULL};
    char *some[] = {"org/b/project/x", "org/a", "org/a/project/x", "org/a", NULL};
    char *project[] = {"org/a/project/x", NULL};
    char *none[] = {NULL};
    char *empty[] = {"", NULL};

    (void)state;
    assert_string_equal(scopes_of(all, NULL, 10), "");
    for (size_t i = 0; i < ARRAY_LEN(scopes); i++) {
        AUTO(auto_free) char *id = text_fmt("e%d", (int)i);

        assert_ok(put(STORE_CREATE, i % 2 == 0 ? "cert" : "conn", scopes[i], id, "{}"));
    }
    assert_string_equal(scopes_of(all, NULL, 10),
                        "account:1 org/a:2 org/a/project/x:1 org/a/project/x_y:1 org/a0:1 "
                        "org/a_b:1 org/b/project/x:1 ");
    assert_string_equal(told_next, "");
    assert_string_equal(scopes_of(some, "", 10),
                        "org/a:2 org/a/project/x:1 org/a/project/x_y:1 org/b/project/x:1 ");
    assert_string_equal(scopes_of(project, NULL, 10), "org/a/project/x:1 ");
    assert_string_equal(scopes_of(none, NULL, 10), "");
    assert_string_equal(scopes_of(NULL, NULL, 10), "");
    assert_string_equal(scopes_of(some, NULL, 3), "org/a:2 org/a/project/x:1 org/a/project/x_y:1 ");
    assert_string_not_equal(told_next, "");
    assert_string_equal(scopes_of(some, told_next, 3), "org/b/project/x:1 ");
    assert_string_equal(told_next, "");
    scopes_of(some, "nonsense", 3);
    assert_err(take(&told_error), ERR_INPUT, "cursor");
    scopes_of(some, NULL, 0);
    assert_err(take(&told_error), ERR_INPUT, "no entries");
    scopes_of(some, NULL, STORE_PAGE_MAX + 1);
    assert_err(take(&told_error), ERR_LIMIT, "1001");
    scopes_of(empty, NULL, 3);
    assert_err(take(&told_error), ERR_INPUT, "scope");
    told_clear();
}

static struct {
    struct err *e;
    char *kinds; /* "kind:entries:revision " each; owned */
    struct store_facts facts;
} told_facts;

static inline void on_facts_stop(void *arg, struct err *e, const struct store_facts *f)
{
    (void)arg;
    free(told_facts.kinds);
    told_facts.e = e;
    told_facts.facts = f != NULL ? *f : (struct store_facts){0};
    told_facts.kinds = text_copy("");
    for (size_t i = 0; f != NULL && i < f->kinds_n; i++) {
        char *longer = text_fmt("%s%s:%d:%d ", told_facts.kinds, f->kinds[i].word,
                                (int)f->kinds[i].entries, (int)f->kinds[i].revision);

        assert_true(f->kinds[i].updated.s > 0);
        free(told_facts.kinds);
        told_facts.kinds = longer;
    }
    stop();
}

static inline const char *facts_of(const char *scope)
{
    do {
        store_facts(suite.store, scope, on_facts_stop, NULL);
        run();
    } while (is_to_repeat(&told_facts.e));
    return told_facts.kinds;
}

static void test_facts(void **state)
{
    struct store_status status;

    (void)state;
    assert_string_equal(facts_of("account"), "");
    assert_int_equal(told_facts.facts.scopes, 0);
    assert_true(told_facts.facts.bytes > 0);
    assert_true(told_facts.facts.version >= 2);
    assert_ok(put(STORE_CREATE, "cert", "account", "a", "{}"));
    assert_ok(put(STORE_CREATE, "cert", "org/a", "a", "{}"));
    assert_ok(put(STORE_CREATE, "conn", "org/a/project/x", "a", "{}"));
    assert_ok(put(STORE_CREATE, "conn", "org/a0", "a", "{}"));
    assert_ok(put(STORE_UPDATE, "cert", "org/a", "a", "{ }"));
    assert_string_equal(facts_of("account"), "cert:2:2 conn:2:1 ");
    assert_int_equal(told_facts.facts.scopes, 4);
    assert_string_equal(facts_of("org/a"), "cert:1:2 conn:1:1 ");
    assert_int_equal(told_facts.facts.scopes, 2);
    assert_string_equal(facts_of("org/b"), "");
    facts_of("");
    assert_err(take(&told_facts.e), ERR_INPUT, "scope");
    free(take(&told_facts.kinds));
    store_status(suite.store, &status);
    assert_true(status.checked.s > 0);
    assert_int_equal(status.away_since.s, 0);
}

#define SUITE_TALLY_TESTS SUITE_TEST(test_scopes), SUITE_TEST(test_facts)

#endif
