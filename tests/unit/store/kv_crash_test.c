/*
 * An agent that crashes, at each of the operations of one commit in turn: the commit happened as a whole or
 * not at all, no reference leads to nothing, and nobody is blocked for good, whoever comes next, and
 * whether what it had sent was lost, arrives, or arrives when all is over.
 */
#include "store/kv_judge.h"

static void on_crash_stop(struct kv_client *c)
{
    (void)c;
    stop();
}

/* A forced delete: those that use "root" go on without it, and one more comes. */
static void make_changes(struct store_change *c, const struct store_key *other)
{
    c[0] = change_of(STORE_UPDATE, "conn", "account", "c1", "after");
    c[0].entry.refs = (struct store_key *)other;
    c[0].entry.refs_n = 1;
    c[1] = change_of(STORE_UPDATE, "conn", "org/a", "c2", "after");
    c[2] = change_of(STORE_DELETE, "cert", "account", "root", NULL);
    c[3] = change_of(STORE_CREATE, "conn", "account", "c3", "after");
    c[3].entry.refs = (struct store_key *)other;
    c[3].entry.refs_n = 1;
}

/* All of it happened, or nothing. */
static bool assert_whole(void)
{
    AUTO(store_kv_json_free) json_t *root = item_at("account/cert/root");
    AUTO(store_kv_json_free) json_t *c1 = item_at("account/conn/c1");
    AUTO(store_kv_json_free) json_t *c2 = item_at("org/a/conn/c2");
    AUTO(store_kv_json_free) json_t *c3 = item_at("account/conn/c3");
    bool happened = json_object_get(root, "entry") == NULL;
    const char *body = happened ? "after" : "{}";

    assert_string_equal(store_kv_text_of(json_object_get(c1, "entry"), "body"), body);
    assert_string_equal(store_kv_text_of(json_object_get(c2, "entry"), "body"), body);
    assert_int_equal(json_object_get(c3, "entry") != NULL, happened);
    return happened;
}

static void assert_usable(const struct store_key *other)
{
    struct store_key refs[] = {*other};

    assert_ok(put_ref(STORE_UPDATE, "conn", "account", "c1", refs, 1));
    assert_err(put(STORE_DELETE, "cert", "account", "other", NULL), ERR_BUSY, "conn c1");
    assert_ok(put_ref(STORE_UPDATE, "conn", "account", "c1", NULL, 0));
}

/* One agent crashes at its @n-th operation; another one, or the same anew, comes after it. False: the
 * commit needs fewer operations. */
static bool crash_once(unsigned n, unsigned what, bool same_agent, unsigned *happened)
{
    const struct store_key root = key_of("cert", "account", "root");
    const struct store_key other = key_of("cert", "account", "other");
    struct kv_client first = {.on_crash = on_crash_stop}, second = {0};
    AUTO(auto_free) char *copy = text_fmt("%u-%u-%d.db", n, what, same_agent);
    AUTO(auto_free) char *copy_2 = text_fmt("%u-%u-%d-2.db", n, what, same_agent);
    struct store_change c[4];
    struct err *e = NULL;

    kv_new(n * 7 + what);
    suite.store = open_agent(&first, copy);
    assert_ok(put(STORE_CREATE, "cert", "account", "root", "{}"));
    assert_ok(put(STORE_CREATE, "cert", "account", "other", "{}"));
    assert_ok(put_ref(STORE_CREATE, "conn", "account", "c1", &root, 1));
    assert_ok(put_ref(STORE_CREATE, "conn", "org/a", "c2", &root, 1));
    make_changes(c, &other);
    first.ops = 0;
    first.crash_at = n;
    first.crash_op = what;
    store_commit(suite.store, c, ARRAY_LEN(c), on_done_stop, &e);
    run();
    assert_null(e);
    store_free(&suite.store);
    if (first.crashed) {
        suite.store = open_agent(&second, same_agent ? copy : copy_2);
        struct answer a = get("cert", "account", "other"); /* it has seen all */

        assert_ok(take(&a.e));
        answer_deinit(&a);
        forward_ms += same_agent ? 0 : store_kv_times.sweep_ms + 1;
        wait_until(has_no_intents);
        assert_sound();
        *happened += assert_whole();
        kv_release();
        e = put(STORE_UPDATE, "cert", "account", "other", "{}");
        assert_true(e == NULL || err_is(e, ERR_BUSY)); /* what comes late has its minute, too */
        err_free(&e);
        forward_ms += store_kv_times.sweep_ms + 1;
        assert_usable(&other);
        store_free(&suite.store);
    }
    kv_end();
    return first.crashed;
}

static void crash_everywhere(bool same_agent)
{
    unsigned happened = 0, n = 0;

    clock_set_for_test(forward_mono, NULL);
    for (unsigned what = KV_LOST; what <= KV_LATE; what++) {
        for (n = 1; crash_once(n, what, same_agent, &happened); n++) {
            assert_in_range(n, 1, 200);
        }
        assert_in_range(n, 20, 200);
    }
    clock_set_for_test(NULL, NULL);
    assert_in_range(happened, 3, 3 * n - 3); /* some did, some did not */
}

static void test_crashes_then_another_agent(void **state)
{
    (void)state;
    crash_everywhere(false);
}

static void test_crashes_then_the_same_agent(void **state)
{
    (void)state;
    crash_everywhere(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLEET_TEST(test_crashes_then_another_agent),
        FLEET_TEST(test_crashes_then_the_same_agent),
    };

    store_kv_times = (struct store_kv_times){
        .poll_ms = 5, .soon_ms = 3, .commit_ms = 1000, .sweep_ms = 60000, .again_ms = 1};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
