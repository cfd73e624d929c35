/*
 * Four agents on one Vault, 1,000 edits, all interleaved by lot, on a good network and on one that loses
 * requests and answers: no update is lost, no reference leads to nothing, and every copy agrees.
 */
#include "store/kv_judge.h"

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
    wait_until(has_no_intents);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLEET_TEST(test_four_agents),
        FLEET_TEST(test_four_agents_and_a_bad_network),
    };

    store_kv_times = (struct store_kv_times){
        .poll_ms = 5, .soon_ms = 3, .commit_ms = 1000, .sweep_ms = 60000, .again_ms = 1};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
