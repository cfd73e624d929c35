/*
 * Several agents on one Vault: whatever the interleaving and wherever one of them crashes, no update is
 * lost, no reference leads to nothing, a commit happens as a whole or not at all, and nobody is blocked
 * for good. Judged by what stands in Vault, not by what the store says of it.
 */
#include <jansson.h>
#include <time.h>

#include "store/kv_double.h"
#include "store/kv_impl.h"

static struct err *open_no_store(struct store **ret)
{
    *ret = NULL;
    return NULL;
}

static int fleet_setup(void **state)
{
    suite_open = open_no_store;
    suite.free_gives_up = true;
    return suite_setup(state);
}

static struct store *open_agent(struct kv_client *c, const char *copy)
{
    const struct store_kv_ops ops = kv_ops_of(c);
    struct store *s = NULL;

    assert_ok(store_kv_open(suite.loop, &ops, in_folder(copy), NULL, NULL, &s));
    return s;
}

/* --- what stands in Vault --------------------------------------------------------------------------- */

/* NULL when it is absent; the caller owns it. */
static json_t *item_at(const char *path)
{
    const struct kv_value *v = kv_find(path);

    return v != NULL && v->text != NULL ? json_loads(v->text, 0, NULL) : NULL;
}

static json_t *item_of(const json_t *key)
{
    const struct store_key k =
        key_of(json_string_value(json_array_get(key, 0)), json_string_value(json_array_get(key, 1)),
               json_string_value(json_array_get(key, 2)));
    AUTO(auto_free) char *path = store_kv_path(&k);

    return item_at(path);
}

static bool has(const json_t *keys, const json_t *key)
{
    return store_kv_keys_find(keys, key) < json_array_size(keys);
}

static const json_t *refs_of(const json_t *item)
{
    return json_object_get(json_object_get(item, "entry"), "refs");
}

/* Both directions: what is referred to exists and knows it, and who is said to refer does. */
static void assert_item_is_sound(const char *path)
{
    AUTO(store_kv_json_free) json_t *item = item_at(path);
    AUTO(store_kv_json_free) json_t *own =
        json_pack("[O, O, O]", json_object_get(item, "kind"), json_object_get(item, "scope"),
                  json_object_get(item, "id"));
    const json_t *users = json_object_get(item, "users");

    for (size_t i = 0; i < json_array_size(refs_of(item)); i++) {
        AUTO(store_kv_json_free) json_t *target = item_of(json_array_get(refs_of(item), i));

        if (json_object_get(target, "entry") == NULL ||
            !has(json_object_get(target, "users"), own)) {
            fail_msg("%s has a reference to nothing", path);
        }
    }
    for (size_t i = 0; i < json_array_size(users); i++) {
        AUTO(store_kv_json_free) json_t *user = item_of(json_array_get(users, i));

        if (!has(refs_of(user), own)) {
            fail_msg("%s is said to be used by one that does not", path);
        }
    }
}

static bool has_intents(void)
{
    const struct kv_value *v;

    TAILQ_FOREACH(v, &kv.values, next)
    {
        if (v->text != NULL && *v->path != '_' && strstr(v->text, "\"intent\"") != NULL) {
            return true;
        }
    }
    return false;
}

static void assert_sound(void)
{
    const struct kv_value *v;

    assert_false(has_intents());
    TAILQ_FOREACH(v, &kv.values, next)
    {
        if (v->text != NULL && *v->path != '_') {
            assert_item_is_sound(v->path);
        }
    }
}

/* --- a clock that can be put forward ---------------------------------------------------------------- */

static int64_t forward_ms;

static struct mono forward_mono(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (struct mono){(int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + forward_ms};
}

struct waiting {
    bool (*until)(void);
    struct io_timer *timer;
};

static void on_wait(void *arg)
{
    struct waiting *w = arg;

    if (w->until()) {
        stop();
    } else {
        io_timer_set(w->timer, mono_in(1));
    }
}

static void wait_until(bool (*until)(void))
{
    struct waiting w = {.until = until};

    w.timer = io_timer_new(suite.loop, on_wait, &w);
    io_timer_set(w.timer, mono_in(1));
    run();
    io_timer_free(&w.timer);
}

/* --- crashes ---------------------------------------------------------------------------------------- */

static void on_crash_stop(struct kv_client *c)
{
    (void)c;
    stop();
}

static bool has_no_intents(void)
{
    return !has_intents();
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

/* --- four agents at once ---------------------------------------------------------------------------- */

enum { AGENTS = 4, EDITS = 1000, CONNS = 6, CERTS = 4, TOKEN_BYTES = 16 };

static struct agent {
    unsigned number;
    struct kv_client client;
    struct store *store;
    struct io_timer *pause;
    unsigned conn, cert;
    char token[TOKEN_BYTES];
} agents[AGENTS];

/* What became of each edit of a connector. */
static struct edit {
    char token[TOKEN_BYTES];
    unsigned conn;
    enum { REFUSED, MADE, UNKNOWN } fate;
} edits[EDITS];
static unsigned edits_n, running, made, refused;

static void next_edit(struct agent *a);

static void on_agent_pause(void *arg)
{
    next_edit(arg);
}

static bool may_fail(const struct err *e)
{
    return err_is(e, ERR_BUSY) || err_is(e, ERR_NOT_FOUND) || err_is(e, ERR_EXISTS) ||
           err_is(e, ERR_GONE);
}

static void on_edited(void *arg, struct err *e)
{
    struct agent *a = arg;
    struct edit *one = NULL;

    if (e != NULL && !may_fail(e)) {
        fail_msg("%s", err_text(e));
    }
    for (unsigned i = 0; a->token[0] != '\0' && i < edits_n; i++) {
        if (strcmp(edits[i].token, a->token) == 0) {
            one = &edits[i];
        }
    }
    if (one != NULL) {
        one->fate = e == NULL                                                 ? MADE
                    : strstr(err_text(e), "whether this was changed") != NULL ? UNKNOWN
                                                                              : REFUSED;
    }
    made += e == NULL;
    refused += e != NULL;
    bool away = err_is(e, ERR_GONE);

    err_free(&e);
    io_timer_set(a->pause, mono_in(away ? 5 : 0));
}

/* Reads a connector from the copy; writes it with a token more, and now and then another reference. */
static void on_conn(void *arg, struct err *e, const struct store_entry *entries, size_t n,
                    const char *next)
{
    struct agent *a = arg;
    AUTO(auto_free) char *id = text_fmt("cert_%u", a->cert);
    struct store_key ref = key_of("cert", "account", id);

    (void)next;
    if (e != NULL) {
        on_edited(a, e);
        return;
    }
    assert_int_equal(n, 1);
    AUTO(auto_free) char *body = text_fmt("%s %s;", entries[0].body, a->token);
    struct store_change c = {
        .what = STORE_UPDATE, .entry = entries[0], .expected = entries[0].revision};

    c.entry.body = body;
    if (kv_draw(3) == 0) {
        c.entry.refs = &ref;
        c.entry.refs_n = kv_draw(4) > 0;
    }
    store_commit(a->store, &c, 1, on_edited, a);
}

/* Who uses a certificate: they go on without it, and it goes. */
static void on_users(void *arg, struct err *e, const struct store_entry *entries, size_t n,
                     const char *next)
{
    struct agent *a = arg;
    AUTO(auto_free) char *id = text_fmt("cert_%u", a->cert);
    struct store_change c[CONNS + 1] = {0};

    (void)next;
    if (e != NULL) {
        on_edited(a, e);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        c[i] = (struct store_change){
            .what = STORE_UPDATE, .entry = entries[i], .expected = entries[i].revision};
        c[i].entry.refs = NULL;
        c[i].entry.refs_n = 0;
    }
    c[n] = change_of(STORE_DELETE, "cert", "account", id, NULL);
    store_commit(a->store, c, n + 1, on_edited, a);
}

static void edit_cert(struct agent *a, uint32_t what)
{
    AUTO(auto_free) char *id = text_fmt("cert_%u", a->cert);
    const struct store_key k = key_of("cert", "account", id);
    struct store_change c =
        change_of(what == 0 ? STORE_DELETE : STORE_CREATE, "cert", "account", id, "{}");

    a->token[0] = '\0';
    if (what == 1) {
        store_referrers(a->store, &k, on_users, a);
    } else {
        store_commit(a->store, &c, 1, on_edited, a);
    }
}

static void next_edit(struct agent *a)
{
    if (edits_n == EDITS) {
        running--;
        if (running == 0) {
            stop();
        }
        return;
    }
    a->conn = kv_draw(CONNS);
    a->cert = kv_draw(CERTS);
    struct edit *one = &edits[edits_n++];
    uint32_t what = kv_draw(12);

    *one = (struct edit){.conn = a->conn};
    if (what < 4) {
        edit_cert(a, what);
        return;
    }
    AUTO(auto_free) char *id = text_fmt("conn_%u", a->conn);
    const struct store_key k = key_of("conn", "org/a", id);

    snprintf(one->token, TOKEN_BYTES, "t%u", edits_n);
    memcpy(a->token, one->token, TOKEN_BYTES);
    store_get(a->store, &k, on_conn, a);
}

static unsigned count(const char *text, const char *token)
{
    AUTO(auto_free) char *whole = text_fmt(" %s;", token);
    unsigned n = 0;

    while ((text = strstr(text, whole)) != NULL) {
        text++;
        n++;
    }
    return n;
}

static void assert_no_update_lost(void)
{
    for (unsigned i = 0; i < edits_n; i++) {
        AUTO(auto_free) char *path = text_fmt("org/a/conn/conn_%u", edits[i].conn);
        AUTO(store_kv_json_free) json_t *item = item_at(path);
        const char *body = store_kv_text_of(json_object_get(item, "entry"), "body");

        if (edits[i].token[0] == '\0') {
            continue;
        }
        unsigned n = count(body, edits[i].token);

        if (edits[i].fate == UNKNOWN ? n > 1 : n != (edits[i].fate == MADE)) {
            fail_msg("%s is %u times in %s, though it was %s", edits[i].token, n, path,
                     edits[i].fate == MADE ? "made" : "refused");
        }
    }
}

/* Every copy says what Vault says. */
static bool copies_agree(void)
{
    return !has_intents();
}

static void assert_copy(struct store *s)
{
    const struct store_query q = {.scope = "account", .below = true, .limit = 100};
    size_t there = 0;
    const struct kv_value *v;

    suite.store = s;
    AUTO(answer_deinit) struct answer a = page(&q);

    suite.store = NULL;
    assert_ok(take(&a.e));
    for (size_t i = 0; i < a.n; i++) {
        AUTO(auto_free) char *path = store_kv_path(&a.entries[i].key);
        AUTO(store_kv_json_free) json_t *item = item_at(path);

        assert_string_equal(store_kv_text_of(json_object_get(item, "entry"), "body"),
                            a.entries[i].body);
    }
    TAILQ_FOREACH(v, &kv.values, next)
    {
        there += v->text != NULL && *v->path != '_' && strstr(v->text, "\"entry\"") != NULL;
    }
    assert_int_equal(a.n, there);
}

static void fill_vault(void)
{
    suite.store = agents[0].store;
    for (unsigned i = 0; i < CONNS + CERTS; i++) {
        bool conn = i < CONNS;
        AUTO(auto_free) char *id = text_fmt("%s_%u", conn ? "conn" : "cert", conn ? i : i - CONNS);

        assert_ok(put(STORE_CREATE, conn ? "conn" : "cert", conn ? "org/a" : "account", id, ""));
    }
    suite.store = NULL;
}

static void on_rest(void *arg)
{
    (void)arg;
    stop();
}

/* Long enough for each agent to look at Vault several times. */
static void rest(void)
{
    struct io_timer *t = io_timer_new(suite.loop, on_rest, NULL);

    io_timer_set(t, mono_in(10 * store_kv_times.poll_ms));
    run();
    io_timer_free(&t);
}

static void run_agents(uint64_t seed, unsigned per_mille)
{
    kv_new(seed);
    edits_n = made = refused = 0;
    for (unsigned i = 0; i < AGENTS; i++) {
        AUTO(auto_free) char *copy = text_fmt("%u-%u-%u.db", (unsigned)seed, per_mille, i);

        agents[i] = (struct agent){.number = i};
        agents[i].store = open_agent(&agents[i].client, copy);
        agents[i].pause = io_timer_new(suite.loop, on_agent_pause, &agents[i]);
    }
    fill_vault();
    rest();
    kv.per_mille = per_mille;
    running = AGENTS;
    for (unsigned i = 0; i < AGENTS; i++) {
        next_edit(&agents[i]);
    }
    run();
    kv.per_mille = 0;
    wait_until(copies_agree);
    rest();
    assert_sound();
    assert_no_update_lost();
    for (unsigned i = 0; i < AGENTS; i++) {
        assert_copy(agents[i].store);
        store_free(&agents[i].store);
        io_timer_free(&agents[i].pause);
    }
    print_message("seed %u, %u faults of 1000: %u made, %u refused, %u writes\n", (unsigned)seed,
                  2 * per_mille, made, refused, kv.writes);
    assert_in_range(made, EDITS / 8, EDITS);
    kv_end();
}

static void test_four_agents(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        run_agents(seed, 0);
    }
}

static void test_four_agents_and_a_bad_network(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        run_agents(seed, 5);
    }
}

#define FLEET_TEST(f) cmocka_unit_test_setup_teardown(f, fleet_setup, folder_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLEET_TEST(test_crashes_then_another_agent),
        FLEET_TEST(test_crashes_then_the_same_agent),
        FLEET_TEST(test_four_agents),
        FLEET_TEST(test_four_agents_and_a_bad_network),
    };

    store_kv_times = (struct store_kv_times){
        .poll_ms = 5, .soon_ms = 3, .commit_ms = 1000, .sweep_ms = 60000, .again_ms = 1};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
