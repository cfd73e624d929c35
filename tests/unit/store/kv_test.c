/* The contract, on the fleet's store over a double of Vault; and what is the fleet's store's own. */
#include "store/kv_double.h"
#include "store/kv_impl.h"
#include "store/suite_commit.h"
#include "store/suite_page.h"
#include "store/suite_tally.h"

static struct kv_client client;

static struct err *open_kv(struct store **ret)
{
    const struct store_kv_ops ops = kv_ops_of(&client);

    return store_kv_open(suite.loop, &ops, in_folder("copy.db"), suite_on_changed, &suite, ret);
}

static int kv_setup(void **state)
{
    folder_setup(state);
    client = (struct kv_client){0};
    kv_new(1);
    assert_ok(open_kv(&suite.store));
    return 0;
}

static int kv_teardown(void **state)
{
    store_free(&suite.store);
    kv_end();
    return folder_teardown(state);
}

static void on_pause(void *arg)
{
    (void)arg;
    stop();
}

/* Rounds of the loop for some time: only where something must happen by itself. */
static void pause_ms(int64_t ms)
{
    struct io_timer *t = io_timer_new(suite.loop, on_pause, NULL);

    io_timer_set(t, mono_in(ms));
    run();
    io_timer_free(&t);
}

/* --- paths ------------------------------------------------------------------------------------------ */

static void test_paths(void **state)
{
    static const struct {
        const char *kind, *scope, *id, *path;
    } cases[] = {
        {"certificate", "account", "a_1", "account/certificate/a_1"},
        {"ssh-key", "org/a/project/p", "x.y", "org/a/project/p/ssh-key/x.y"},
        {"k", "..", ".", "~2e./k/~2e"},
        {"_k", "_changes", "a/b", "~5fchanges/~5fk/a~2fb"},
        {"k", "a//b/", "~", "a/~/b/~/k/~7e"},
        {"k", "a b%", "\xc3\xa9?#", "a~20b~25/k/~c3~a9~3f~23"},
    };
    static const char *const wrong[] = {"",        "a",       "a/b",    "/a/b",
                                        "a/b/",    "a//b",    "_a/b/c", "a/b/~6",
                                        "a/b/~61", "a/b/~2F", "a/b/.x", "a/~zz/b"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct store_key k = key_of(cases[i].kind, cases[i].scope, cases[i].id);
        AUTO(auto_free) char *path = store_kv_path(&k);
        AUTO(store_key_deinit) struct store_key back = {0};

        assert_string_equal(path, cases[i].path);
        assert_ok(store_kv_path_read(path, &back));
        assert_string_equal(back.kind, k.kind);
        assert_string_equal(back.scope, k.scope);
        assert_string_equal(back.id, k.id);
    }
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct store_key k;

        assert_err(store_kv_path_read(wrong[i], &k), ERR_PROTOCOL, wrong[i]);
    }
}

static const char good_item[] =
    "{\"kind\":\"cert\",\"scope\":\"account\",\"id\":\"a\",\"users\":[[\"conn\",\"org/a\",\"c\"]],"
    "\"entry\":{\"name\":\"A\",\"body\":\"{}\",\"tags\":[\"t\"],\"refs\":[],\"revision\":1,"
    "\"created\":1,\"updated\":2},"
    "\"intent\":{\"agent\":\"ab\",\"commit\":\"c-1\",\"delete\":true,\"add\":[],\"remove\":[]}}";

/* Whatever an operator makes of it: an error or an item, never more. */
static void test_damaged_items(void **state)
{
    size_t len = sizeof good_item - 1;
    AUTO(auto_free) char *text = text_copy(good_item);
    json_t *item = NULL;

    (void)state;
    assert_ok(store_kv_item_parse("account/cert/a", good_item, &item));
    store_kv_json_free(&item);
    assert_err(store_kv_item_parse("account/cert/b", good_item, &item), ERR_PROTOCOL, "content");
    for (size_t i = 0; i < len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            text[i] = (char)(good_item[i] ^ (1 << bit));
            struct err *e = store_kv_item_parse("account/cert/a", text, &item);

            if (e == NULL) {
                struct store_entry entry;

                assert_ok(store_kv_entry_read(item, &entry));
                store_entry_deinit(&entry);
                assert_ok(store_kv_item_settle(item, true));
                store_kv_json_free(&item);
            }
            err_free(&e);
        }
        text[i] = '\0';
        assert_err(store_kv_item_parse("account/cert/a", text, &item), ERR_PROTOCOL, "account");
        text[i] = good_item[i];
    }
}

/* --- other agents ----------------------------------------------------------------------------------- */

static struct kv_client other_client;

static struct store *open_other(void)
{
    const struct store_kv_ops ops = kv_ops_of(&other_client);
    struct store *other = NULL;

    other_client = (struct kv_client){0};
    assert_ok(store_kv_open(suite.loop, &ops, in_folder("other.db"), NULL, NULL, &other));
    return other;
}

/* As another agent: what follows until it is called again is done by @other. */
static void switch_to(struct store **other)
{
    struct store *was = suite.store;

    suite.store = *other;
    *other = was;
}

static void test_changes_of_others_are_seen(void **state)
{
    struct store *other = open_other();
    const struct store_key root = key_of("cert", "account", "root");

    (void)state;
    assert_ok(put(STORE_CREATE, "cert", "account", "root", "1"));
    pause_ms(3 * store_kv_times.poll_ms);
    unsigned told = suite.told;

    switch_to(&other);
    assert_body("cert", "account", "root", "1", 1);
    assert_ok(put(STORE_UPDATE, "cert", "account", "root", "2"));
    assert_ok(put_ref(STORE_CREATE, "conn", "org/a", "c", &root, 1));
    switch_to(&other);
    assert_err(put(STORE_DELETE, "cert", "account", "root", NULL), ERR_BUSY, "conn c in org/a");
    pause_ms(3 * store_kv_times.poll_ms);
    assert_true(suite.told > told);
    told = suite.told;
    assert_body("cert", "account", "root", "2", 2);
    AUTO(answer_deinit) struct answer a = referrers("cert", "account", "root");

    assert_int_equal(a.n, 1);
    pause_ms(3 * store_kv_times.poll_ms);
    assert_int_equal(suite.told, told); /* nothing new, nothing told */
    store_free(&other);
}

/* Who is told that it is late, finds what it was too late for. */
static void test_a_refusal_brings_the_news(void **state)
{
    struct store_change c = change_of(STORE_UPDATE, "cert", "account", "a", "3");
    struct store *other;
    int64_t poll_ms = store_kv_times.poll_ms;

    (void)state;
    assert_ok(put(STORE_CREATE, "cert", "account", "a", "1"));
    pause_ms(2 * poll_ms);
    store_kv_times.poll_ms = GUARD_MS;
    pause_ms(2 * poll_ms);
    other = open_other();
    switch_to(&other);
    assert_ok(put(STORE_UPDATE, "cert", "account", "a", "2"));
    switch_to(&other);
    assert_body("cert", "account", "a", "1", 1);
    unsigned told = suite.told;

    c.expected = 1;
    assert_err(commit(&c, 1), ERR_BUSY, "is 2, not 1");
    assert_body("cert", "account", "a", "2", 2);
    assert_int_equal(suite.told, told + 1);
    c.expected = 2;
    assert_ok(commit(&c, 1));
    store_kv_times.poll_ms = poll_ms;
    store_free(&other);
}

static void test_who_was_away_for_long_reads_all(void **state)
{
    struct store *other;

    (void)state;
    assert_ok(put(STORE_CREATE, "cert", "account", "stays", "1"));
    assert_ok(put(STORE_CREATE, "cert", "account", "goes", "1"));
    pause_ms(2 * store_kv_times.poll_ms);
    store_free(&suite.store);
    other = open_other();
    switch_to(&other);
    assert_ok(put(STORE_DELETE, "cert", "account", "goes", NULL));
    for (int i = 0; i < 250; i++) {
        assert_ok(put(STORE_UPDATE, "cert", "account", "stays", "2"));
    }
    store_free(&suite.store);
    assert_ok(open_kv(&suite.store));
    pause_ms(5 * store_kv_times.poll_ms);
    assert_body("cert", "account", "stays", "2", 251);
    assert_absent("cert", "account", "goes");
}

static void test_vault_away(void **state)
{
    struct store_status status;

    (void)state;
    assert_ok(put(STORE_CREATE, "cert", "account", "a", "1"));
    client.away = true;
    assert_err(put(STORE_UPDATE, "cert", "account", "a", "2"), ERR_GONE, "nothing was changed");
    unsigned writes = kv.writes;

    assert_err(put(STORE_UPDATE, "cert", "account", "a", "2"), ERR_GONE, "Vault is away");
    assert_body("cert", "account", "a", "1", 1);
    store_status(suite.store, &status);
    assert_false(status.writable);
    assert_int_equal(status.entries, 1);
    assert_string_equal(status.kind, "kv");
    assert_true(status.refreshed.s > 0 && status.away_since.s >= status.refreshed.s);
    reopen(); /* with nothing but the copy */
    assert_body("cert", "account", "a", "1", 1);
    assert_int_equal(kv.writes, writes);
    client.away = false;
    pause_ms(5 * store_kv_times.poll_ms);
    assert_ok(put(STORE_UPDATE, "cert", "account", "a", "2"));
    store_status(suite.store, &status);
    assert_true(status.writable);
    assert_int_equal(status.away_since.s, 0);
}

/* An empty copy is no empty registry. */
static void test_never_read(void **state)
{
    (void)state;
    client.away = true;
    AUTO(answer_deinit) struct answer a = get("cert", "account", "a");

    assert_err(take(&a.e), ERR_GONE, "has not been read yet");
    assert_string_equal(facts_of("account"), ""); /* how the copy is may be asked */
    assert_true(told_facts.e == NULL && told_facts.facts.bytes > 0);
    free(take(&told_facts.kinds));
}

static void test_a_damaged_copy_is_made_anew(void **state)
{
    FILE *f;

    (void)state;
    assert_ok(put(STORE_CREATE, "cert", "account", "a", "1"));
    store_free(&suite.store);
    f = fopen(in_folder("copy.db"), "w");
    assert_non_null(f);
    fputs("this is no database, whatever its name says", f);
    fclose(f);
    assert_ok(open_kv(&suite.store));
    assert_body("cert", "account", "a", "1", 1);
}

static void test_no_backup(void **state)
{
    struct err *e = NULL;

    (void)state;
    store_backup(suite.store, in_folder("b"), on_done_stop, &e);
    run();
    assert_err(e, ERR_UNSUPPORTED, "snapshot");
}

#undef SUITE_TEST
#define SUITE_TEST(f) cmocka_unit_test_setup_teardown(f, kv_setup, kv_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUITE_COMMIT_TESTS,
        SUITE_PAGE_TESTS,
        SUITE_TALLY_TESTS,
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_damaged_items),
        SUITE_TEST(test_changes_of_others_are_seen),
        SUITE_TEST(test_a_refusal_brings_the_news),
        SUITE_TEST(test_who_was_away_for_long_reads_all),
        SUITE_TEST(test_vault_away),
        SUITE_TEST(test_never_read),
        SUITE_TEST(test_a_damaged_copy_is_made_anew),
        SUITE_TEST(test_no_backup),
    };

    suite_open = open_kv;
    suite.free_gives_up = true;
    store_kv_times = (struct store_kv_times){
        .poll_ms = 20, .soon_ms = 5, .commit_ms = 500, .sweep_ms = 60000, .again_ms = 1};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
