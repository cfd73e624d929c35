#ifndef HF_TESTS_STORE_SUITE_COMMIT_H
#define HF_TESTS_STORE_SUITE_COMMIT_H

/* The contract of store_commit(), store_get() and store_referrers(), for every store. */
#include "store/suite.h"

static struct wall fixed_now;

static inline struct wall fixed_wall(void)
{
    return fixed_now;
}

static void test_an_entry_comes_back_as_it_was_given(void **state)
{
    char *tags[] = {"prod", "eu", "'; DROP TABLE entry; --", NULL};
    struct store_key refs[] = {key_of("cert", "account", "root"), key_of("cert", "org/a", "leaf"),
                               key_of("cert", "account", "root")};
    struct store_change c[] = {
        change_of(STORE_CREATE, "conn", "org/a", "main", "{\"a\":\"\xc3\xa9\"}"),
        change_of(STORE_CREATE, "cert", "account", "root", ""),
        change_of(STORE_CREATE, "cert", "org/a", "leaf", "x")};

    (void)state;
    c[0].entry.name = "Main \"vault\" \xe2\x82\xac %s";
    c[0].entry.tags = tags;
    c[0].entry.refs = refs;
    c[0].entry.refs_n = 3;
    fixed_now.s = 1700000000;
    clock_set_for_test(NULL, fixed_wall);
    assert_ok(commit(c, 3));
    fixed_now.s = 1700000100;
    c[0].what = STORE_UPDATE;
    assert_ok(commit(c, 1));
    clock_set_for_test(NULL, NULL);
    for (int again = 0; again < 2; again++, reopen()) {
        AUTO(answer_deinit) struct answer a = get("conn", "org/a", "main");

        assert_ok(take(&a.e));
        assert_int_equal(a.n, 1);
        const struct store_entry *e = &a.entries[0];

        assert_string_equal(e->key.kind, "conn");
        assert_string_equal(e->key.scope, "org/a");
        assert_string_equal(e->key.id, "main");
        assert_string_equal(e->name, c[0].entry.name);
        assert_string_equal(e->body, c[0].entry.body);
        assert_int_equal(e->revision, 2);
        assert_int_equal(e->created.s, 1700000000);
        assert_int_equal(e->updated.s, 1700000100);
        assert_int_equal(text_list_len(e->tags), 3);
        assert_int_equal(e->refs_n, 3);
        for (size_t i = 0; i < 3; i++) {
            assert_string_equal(e->tags[i], tags[i]);
            assert_string_equal(e->refs[i].kind, refs[i].kind);
            assert_string_equal(e->refs[i].scope, refs[i].scope);
            assert_string_equal(e->refs[i].id, refs[i].id);
        }
    }
    AUTO(answer_deinit) struct answer bare = get("cert", "account", "root");

    assert_null(bare.entries[0].tags);
    assert_int_equal(bare.entries[0].refs_n, 0);
}

static void test_create_update_delete(void **state)
{
    (void)state;
    assert_ok(put(STORE_CREATE, "cert", "account", "a", "1"));
    assert_err(put(STORE_CREATE, "cert", "account", "a", "2"), ERR_EXISTS, "cert a in account");
    assert_body("cert", "account", "a", "1", 1);
    assert_ok(put(STORE_CREATE, "cert", "org/x", "a", "other scope"));
    assert_ok(put(STORE_CREATE, "conn", "account", "a", "other kind"));
    assert_ok(put(STORE_UPDATE, "cert", "account", "a", "2"));
    assert_body("cert", "account", "a", "2", 2);
    assert_err(put(STORE_UPDATE, "cert", "account", "b", "2"), ERR_NOT_FOUND, "cert b in account");
    assert_err(put(STORE_DELETE, "cert", "account", "b", NULL), ERR_NOT_FOUND, "cert b in account");
    assert_ok(put(STORE_DELETE, "cert", "account", "a", NULL));
    assert_absent("cert", "account", "a");
    assert_body("cert", "org/x", "a", "other scope", 1);
    assert_body("conn", "account", "a", "other kind", 1);
    assert_ok(put(STORE_CREATE, "cert", "account", "a", "anew"));
    assert_body("cert", "account", "a", "anew", 1);
}

static void test_stale_revisions(void **state)
{
    struct store_change c = change_of(STORE_UPDATE, "cert", "account", "a", "2");

    (void)state;
    assert_ok(put(STORE_CREATE, "cert", "account", "a", "1"));
    c.expected = 1;
    assert_ok(commit(&c, 1));
    struct err *e = commit(&c, 1);

    assert_string_equal(err_native_name(e), "STALE");
    assert_err(e, ERR_BUSY, "cert a in account");
    c.what = STORE_DELETE;
    e = commit(&c, 1);
    assert_string_equal(err_native_name(e), "STALE");
    assert_err(e, ERR_BUSY, "is 2, not 1");
    assert_body("cert", "account", "a", "2", 2);
    c.expected = 2;
    assert_ok(commit(&c, 1));
    assert_absent("cert", "account", "a");
}

static void test_all_or_nothing(void **state)
{
    struct store_change c[] = {change_of(STORE_CREATE, "cert", "account", "new", "1"),
                               change_of(STORE_UPDATE, "cert", "account", "a", "2"),
                               change_of(STORE_DELETE, "cert", "account", "b", NULL),
                               change_of(STORE_CREATE, "cert", "account", "c", "1")};

    (void)state;
    assert_ok(put(STORE_CREATE, "cert", "account", "a", "1"));
    assert_ok(put(STORE_CREATE, "cert", "account", "b", "1"));
    assert_ok(put(STORE_CREATE, "cert", "account", "c", "1"));
    unsigned told = suite.told;

    assert_err(commit(c, 4), ERR_EXISTS, "cert c");
    assert_absent("cert", "account", "new");
    assert_body("cert", "account", "a", "1", 1);
    assert_body("cert", "account", "b", "1", 1);
    assert_int_equal(suite.told, told);
    assert_ok(commit(c, 3));
    assert_body("cert", "account", "new", "1", 1);
    assert_body("cert", "account", "a", "2", 2);
    assert_absent("cert", "account", "b");
    assert_int_equal(suite.told, told + 1);
    assert_ok(commit(NULL, 0));
}

static void test_references_to_nothing_are_refused(void **state)
{
    const struct store_key root = key_of("cert", "account", "root");

    (void)state;
    assert_err(put_ref(STORE_CREATE, "conn", "org/a", "c", &root, 1), ERR_NOT_FOUND,
               "conn c in org/a refers to cert root in account");
    assert_absent("conn", "org/a", "c");
    assert_ok(put(STORE_CREATE, "conn", "org/a", "c", "{}"));
    assert_err(put_ref(STORE_UPDATE, "conn", "org/a", "c", &root, 1), ERR_NOT_FOUND, "cert root");
    assert_body("conn", "org/a", "c", "{}", 1);

    /* the user first, then what it uses: only the end counts */
    struct store_change c[] = {change_of(STORE_UPDATE, "conn", "org/a", "c", "{}"),
                               change_of(STORE_CREATE, "cert", "account", "root", "1")};

    c[0].entry.refs = (struct store_key *)&root;
    c[0].entry.refs_n = 1;
    assert_ok(commit(c, 2));
    assert_body("conn", "org/a", "c", "{}", 2);
}

static void test_what_is_used_cannot_go(void **state)
{
    const struct store_key root = key_of("cert", "account", "root");

    (void)state;
    assert_ok(put(STORE_CREATE, "cert", "account", "root", "1"));
    assert_ok(put_ref(STORE_CREATE, "conn", "org/a/project/p", "deep", &root, 1));
    assert_ok(put_ref(STORE_CREATE, "conn", "account", "near", &root, 1));
    struct err *e = put(STORE_DELETE, "cert", "account", "root", NULL);

    assert_string_equal(err_native_name(e), "IN-USE");
    assert_non_null(strstr(err_text(e), "conn near in account"));
    assert_err(e, ERR_BUSY, "conn deep in org/a/project/p");
    assert_body("cert", "account", "root", "1", 1);
    assert_ok(put_ref(STORE_UPDATE, "conn", "account", "near", NULL, 0));
    assert_err(put(STORE_DELETE, "cert", "account", "root", NULL), ERR_BUSY,
               "used by 1: conn deep");

    /* replaced in one commit, it was never away; and it goes together with its user, in any order */
    struct store_change again[] = {change_of(STORE_DELETE, "cert", "account", "root", NULL),
                                   change_of(STORE_CREATE, "cert", "account", "root", "2")};
    struct store_change both[] = {change_of(STORE_DELETE, "cert", "account", "root", NULL),
                                  change_of(STORE_DELETE, "conn", "org/a/project/p", "deep", NULL)};

    assert_ok(commit(again, 2));
    assert_body("cert", "account", "root", "2", 1);
    assert_ok(commit(both, 2));
    assert_absent("cert", "account", "root");
}

static void test_many_users_are_counted_and_ten_named(void **state)
{
    const struct store_key root = key_of("cert", "account", "root");
    struct store_key twice[] = {root, root};

    (void)state;
    assert_ok(put(STORE_CREATE, "cert", "account", "root", "1"));
    for (int i = 0; i < 12; i++) {
        AUTO(auto_free) char *id = text_fmt("user_%02d", i);

        assert_ok(put_ref(STORE_CREATE, "conn", "account", id, twice, 2));
    }
    struct err *e = put(STORE_DELETE, "cert", "account", "root", NULL);

    assert_null(strstr(err_text(e), "user_10"));
    assert_non_null(strstr(err_text(e), "by 12: conn user_00 in account, conn user_01 in account"));
    assert_err(e, ERR_BUSY, "user_09 in account, ...");
}

static void test_an_entry_may_refer_to_itself_and_in_circles(void **state)
{
    const struct store_key self = key_of("infra", "account", "x");
    struct store_change circle[] = {change_of(STORE_CREATE, "infra", "account", "x", "1"),
                                    change_of(STORE_CREATE, "infra", "account", "y", "1")};
    const struct store_key y = key_of("infra", "account", "y");

    (void)state;
    assert_ok(put_ref(STORE_CREATE, "infra", "account", "x", &self, 1));
    assert_ok(put(STORE_DELETE, "infra", "account", "x", NULL));
    circle[0].entry.refs = (struct store_key *)&y;
    circle[1].entry.refs = (struct store_key *)&self;
    circle[0].entry.refs_n = circle[1].entry.refs_n = 1;
    assert_ok(commit(circle, 2));
    assert_err(put(STORE_DELETE, "infra", "account", "x", NULL), ERR_BUSY, "infra y");
    circle[0].what = circle[1].what = STORE_DELETE;
    assert_ok(commit(circle, 2));
}

static void test_referrers(void **state)
{
    const struct store_key root = key_of("cert", "account", "root");
    struct store_key twice[] = {root, root};

    (void)state;
    assert_ok(put(STORE_CREATE, "cert", "account", "root", "1"));
    assert_ok(put_ref(STORE_CREATE, "conn", "org/b", "two", twice, 2));
    assert_ok(put_ref(STORE_CREATE, "key", "org/a/project/p", "one", &root, 1));
    assert_ok(put(STORE_CREATE, "conn", "account", "none", "1"));
    AUTO(answer_deinit) struct answer a = referrers("cert", "account", "root");
    AUTO(answer_deinit) struct answer none = referrers("conn", "account", "none");
    AUTO(answer_deinit) struct answer absent = referrers("conn", "account", "absent");

    assert_ok(take(&a.e));
    assert_int_equal(a.n, 2);
    assert_string_equal(a.entries[0].key.id, "one");
    assert_string_equal(a.entries[1].key.id, "two");
    assert_int_equal(a.entries[1].refs_n, 2);
    assert_ok(take(&none.e));
    assert_int_equal(none.n, 0);
    assert_ok(take(&absent.e));
    assert_int_equal(absent.n, 0);
}

static void test_limits(void **state)
{
    AUTO(auto_free) char *long_text = calloc(1, STORE_BODY_MAX_BYTES + 2);
    AUTO(auto_free) struct store_key *refs = calloc(STORE_REFS_MAX + 1, sizeof *refs);
    AUTO(auto_free) struct store_change *many = calloc(STORE_CHANGES_MAX + 1, sizeof *many);
    struct store_change c = change_of(STORE_CREATE, "cert", "account", "a", long_text);

    (void)state;
    memset(long_text, 'x', STORE_BODY_MAX_BYTES + 1);
    assert_err(commit(&c, 1), ERR_LIMIT, "its body has more than");
    long_text[STORE_BODY_MAX_BYTES] = '\0';
    assert_ok(commit(&c, 1));
    assert_body("cert", "account", "a", long_text, 1);
    long_text[STORE_TEXT_MAX_BYTES + 1] = '\0';
    assert_err(put(STORE_CREATE, "cert", "account", long_text, ""), ERR_LIMIT, "its identifier");
    c = change_of(STORE_CREATE, "cert", "account", "b", "");
    c.entry.name = long_text;
    assert_err(commit(&c, 1), ERR_LIMIT, "its name");
    long_text[STORE_TEXT_MAX_BYTES] = '\0';
    assert_ok(commit(&c, 1));
    assert_err(put(STORE_CREATE, "", "account", "c", ""), ERR_INPUT, "its kind is empty");
    assert_err(put(STORE_CREATE, "cert", NULL, "c", ""), ERR_INPUT, "it has no scope");
    assert_err(put(STORE_CREATE, "cert", "account", "c", NULL), ERR_INPUT, "it has no body");
    for (size_t i = 0; i <= STORE_REFS_MAX; i++) {
        refs[i] = key_of("cert", "account", "a");
    }
    assert_err(put_ref(STORE_CREATE, "cert", "account", "c", refs, STORE_REFS_MAX + 1), ERR_LIMIT,
               "65 references");
    assert_ok(put_ref(STORE_CREATE, "cert", "account", "c", refs, STORE_REFS_MAX));
    assert_err(commit(many, STORE_CHANGES_MAX + 1), ERR_LIMIT, "513 changes");
}

/* Answers come in the order of the calls, refused ones too, and none before the call has returned. */
static unsigned order[8], order_n;
static bool calling;

static void on_done_order(void *arg, struct err *e)
{
    err_free(&e);
    assert_false(calling);
    order[order_n++] = *(unsigned *)arg;
}

static void on_entries_order(void *arg, struct err *e, const struct store_entry *entries, size_t n,
                             const char *next)
{
    (void)next;
    assert_null(e);
    assert_int_equal(n, 1);
    assert_string_equal(entries[0].body, "seen"); /* what was committed before is there */
    on_done_order(arg, NULL);
    if (order_n == 5) {
        stop();
    }
}

static void test_answers_come_in_order(void **state)
{
    static unsigned number[] = {0, 1, 2, 3, 4};
    const struct store_key k = key_of("cert", "account", "a");
    const struct store_change good = change_of(STORE_CREATE, "cert", "account", "a", "seen");
    const struct store_change bad = change_of(STORE_CREATE, "", "", "", "");

    (void)state;
    order_n = 0;
    calling = true;
    store_commit(suite.store, &good, 1, on_done_order, &number[0]);
    store_commit(suite.store, &bad, 1, on_done_order, &number[1]);
    store_get(suite.store, &k, on_entries_order, &number[2]);
    store_commit(suite.store, NULL, 0, on_done_order, &number[3]);
    store_get(suite.store, &k, on_entries_order, &number[4]);
    calling = false;
    run();
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(order[i], i);
    }
}

static void never(void *arg, struct err *e)
{
    (void)arg;
    err_free(&e);
    fail_msg("a callback ran after store_free()");
}

static void free_in_callback(void *arg, struct err *e)
{
    (void)arg;
    assert_null(e);
    store_free(&suite.store);
    stop();
}

/* What was asked is done (or given up), but nobody is told; freed in a callback as well as outside of one. */
static void test_freed_with_open_calls(void **state)
{
    const struct store_change c[] = {change_of(STORE_CREATE, "cert", "account", "a", "1"),
                                     change_of(STORE_CREATE, "cert", "account", "b", "1"),
                                     change_of(STORE_CREATE, "cert", "account", "c", "1")};

    (void)state;
    store_commit(suite.store, &c[0], 1, never, NULL);
    store_commit(suite.store, &c[0], 1, never, NULL); /* fails */
    reopen();
    if (!suite.free_gives_up) {
        assert_body("cert", "account", "a", "1", 1);
    }
    store_commit(suite.store, &c[1], 1, free_in_callback, NULL);
    store_commit(suite.store, &c[2], 1, never, NULL);
    store_commit(suite.store, c, 600, never, NULL); /* refused */
    run();
    assert_null(suite.store);
    assert_ok(suite_open(&suite.store));
    assert_body("cert", "account", "b", "1", 1);
    if (!suite.free_gives_up) {
        assert_body("cert", "account", "c", "1", 1);
    }
}

#define SUITE_COMMIT_TESTS                                                                         \
    SUITE_TEST(test_an_entry_comes_back_as_it_was_given), SUITE_TEST(test_create_update_delete),   \
        SUITE_TEST(test_stale_revisions), SUITE_TEST(test_all_or_nothing),                         \
        SUITE_TEST(test_references_to_nothing_are_refused),                                        \
        SUITE_TEST(test_what_is_used_cannot_go),                                                   \
        SUITE_TEST(test_many_users_are_counted_and_ten_named),                                     \
        SUITE_TEST(test_an_entry_may_refer_to_itself_and_in_circles), SUITE_TEST(test_referrers),  \
        SUITE_TEST(test_limits), SUITE_TEST(test_answers_come_in_order),                           \
        SUITE_TEST(test_freed_with_open_calls)
#define SUITE_TEST(f) cmocka_unit_test_setup_teardown(f, suite_setup, folder_teardown)

#endif
