/*
 * kv_probe: one agent of a fleet, as far as its store goes: the real loop, the real client of
 * holdfast-vault and store_kv_open(), for test_kv_cluster.py. It tries random edits of a few resources
 * until EDITS of them are made, and says of each try what became of it, one line of JSON each; then it
 * waits for a line of standard input and prints what its copy holds.
 *
 *   kv_probe HELPER CA TOKEN_FILE COPY NUMBER EDITS ADDRESS...
 */
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/store.h"
#include "vault/vault.h"

enum { CONNS = 8, CERTS = 4, GONE_MS = 300, LOOK_MS = 100 };

static struct {
    struct io_loop *loop;
    struct vault *vault;
    struct vault_kv *kv;
    struct store *store;
    struct io_timer *timer;
    unsigned number, edits, made, n; /* of edits: wanted, made, tried */
    bool done;
    unsigned to_make; /* of what there is at the beginning, in the order of ids */
    char token[32], conn[16], cert[16];
} probe;

static void must(struct err *e)
{
    if (e != NULL) {
        fprintf(stderr, "kv_probe: %s\n", err_text(e));
        exit(2);
    }
}

static void say(const char *fate, const struct err *e)
{
    json_t *line = json_pack("{s:s, s:s, s:s, s:s}", "token", probe.token, "conn", probe.conn,
                             "fate", fate, "error", err_text(e));

    json_dumpf(line, stdout, JSON_COMPACT);
    putchar('\n');
    fflush(stdout);
    json_decref(line);
}

static const char *fate_of(const struct err *e)
{
    return e == NULL                                                 ? "made"
           : strstr(err_text(e), "whether this was changed") != NULL ? "unknown"
                                                                     : "refused";
}

static void on_edited(void *arg, struct err *e)
{
    (void)arg;
    if (e != NULL && !err_is(e, ERR_BUSY) && !err_is(e, ERR_NOT_FOUND) && !err_is(e, ERR_EXISTS) &&
        !err_is(e, ERR_GONE)) {
        must(e);
    }
    say(fate_of(e), e);
    probe.made += e == NULL;
    io_timer_set(probe.timer, mono_in(err_is(e, ERR_GONE) ? GONE_MS : 0));
    err_free(&e);
}

static struct store_key key_of(const char *kind, const char *scope, char *id)
{
    return (struct store_key){(char *)kind, (char *)scope, id};
}

/* One token more, and now and then another reference. */
static void on_conn(void *arg, struct err *e, const struct store_entry *entries, size_t n,
                    const char *next)
{
    struct store_key ref = key_of("certificate", "account", probe.cert);

    (void)arg;
    (void)next;
    if (e != NULL || n == 0) {
        on_edited(NULL, e);
        return;
    }
    AUTO(auto_free) char *body = text_fmt("%s %s;", entries[0].body, probe.token);
    struct store_change c = {
        .what = STORE_UPDATE, .entry = entries[0], .expected = entries[0].revision};

    c.entry.body = body;
    if (rand() % 3 == 0) {
        c.entry.refs = &ref;
        c.entry.refs_n = rand() % 4 > 0;
    }
    store_commit(probe.store, &c, 1, on_edited, NULL);
}

/* A certificate goes; those that use it go on without. */
static void on_users(void *arg, struct err *e, const struct store_entry *entries, size_t n,
                     const char *next)
{
    struct store_change c[CONNS + 1] = {0};

    (void)arg;
    (void)next;
    if (e != NULL || n > CONNS) {
        on_edited(NULL, e);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        c[i] = (struct store_change){
            .what = STORE_UPDATE, .entry = entries[i], .expected = entries[i].revision};
        c[i].entry.refs = NULL;
        c[i].entry.refs_n = 0;
    }
    c[n] = (struct store_change){.what = STORE_DELETE,
                                 .entry.key = key_of("certificate", "account", probe.cert)};
    store_commit(probe.store, c, n + 1, on_edited, NULL);
}

static void edit_cert(int what)
{
    const struct store_key k = key_of("certificate", "account", probe.cert);
    const struct store_change c = {.what = what == 0 ? STORE_DELETE : STORE_CREATE,
                                   .entry = {.key = k, .name = probe.cert, .body = (char *)"{}"}};

    probe.token[0] = '\0';
    if (what == 1) {
        store_referrers(probe.store, &k, on_users, NULL);
    } else {
        store_commit(probe.store, &c, 1, on_edited, NULL);
    }
}

static void edit(void)
{
    const struct store_key k = key_of("connector", "org/a", probe.conn);
    int what = rand() % 12;

    snprintf(probe.conn, sizeof probe.conn, "conn_%d", rand() % CONNS);
    snprintf(probe.cert, sizeof probe.cert, "cert_%d", rand() % CERTS);
    snprintf(probe.token, sizeof probe.token, "t%u-%u", probe.number, probe.n++);
    if (what < 3) {
        edit_cert(what);
    } else {
        store_get(probe.store, &k, on_conn, NULL);
    }
}

static void on_page(void *arg, struct err *e, const struct store_entry *entries, size_t n,
                    const char *next)
{
    json_t *copy = json_object();

    (void)arg;
    (void)next;
    must(e);
    for (size_t i = 0; i < n; i++) {
        const struct store_entry *one = &entries[i];
        AUTO(auto_free) char *path =
            text_fmt("%s/%s/%s", one->key.scope, one->key.kind, one->key.id);

        json_object_set_new(copy, path, json_string(one->body));
    }
    json_dumpf(copy, stdout, JSON_COMPACT);
    json_decref(copy);
    putchar('\n');
    io_loop_stop(probe.loop);
}

/* Once it is asked to. */
static void wait_to_print(void)
{
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    const struct store_query q = {.scope = "account", .below = true, .limit = 100};

    if (poll(&in, 1, 0) > 0) {
        store_page(probe.store, &q, on_page, NULL);
    } else {
        io_timer_set(probe.timer, mono_in(LOOK_MS));
    }
}

/* Each agent tries to make what all begin with: one of them does. */
static void on_made(void *arg, struct err *e)
{
    (void)arg;
    if (e == NULL || err_is(e, ERR_EXISTS)) {
        probe.to_make--;
    }
    io_timer_set(probe.timer, mono_in(e == NULL ? 0 : LOOK_MS));
    err_free(&e);
}

static void make_one(void)
{
    bool conn = probe.to_make > CERTS;
    char id[16];
    unsigned number = conn ? probe.to_make - CERTS - 1 : probe.to_make - 1;

    snprintf(id, sizeof id, "%s_%u", conn ? "conn" : "cert", number);
    const struct store_change c = {.what = STORE_CREATE,
                                   .entry = {.key = conn ? key_of("connector", "org/a", id)
                                                         : key_of("certificate", "account", id),
                                             .name = id,
                                             .body = (char *)""}};

    store_commit(probe.store, &c, 1, on_made, NULL);
}

static void on_timer(void *arg)
{
    (void)arg;
    if (probe.to_make > 0) {
        make_one();
    } else if (probe.made < probe.edits) {
        edit();
    } else {
        if (!probe.done) {
            probe.done = true;
            puts("done");
            fflush(stdout);
        }
        wait_to_print();
    }
}

static void close_kv(void *self)
{
    (void)self;
    vault_kv_free(&probe.kv);
}

int main(int argc, char **argv)
{
    if (argc < 8) {
        return 2;
    }
    const struct vault_conf conf = {.name = "fleet",
                                    .address = argv[7],
                                    .addresses = argc > 8 ? argv + 8 : NULL,
                                    .ca_bundle = argv[2],
                                    .login = VAULT_LOGIN_TOKEN,
                                    .token_file = argv[3],
                                    .request_timeout_ms = 3000};
    struct signer *signers = NULL;

    secret_heap_init();
    log_init("kv_probe", LOG_WARN);
    probe.number = (unsigned)strtoul(argv[5], NULL, 10);
    probe.edits = (unsigned)strtoul(argv[6], NULL, 10);
    probe.to_make = CONNS + CERTS;
    srand(probe.number + 1);
    must(io_loop_new(&probe.loop));
    must(vault_new(probe.loop, argv[1], &conf, 1, &probe.vault, &signers));
    must(vault_kv_new(probe.vault, "fleet", "kv", "holdfast", &probe.kv));
    const struct store_kv_ops ops = {vault_kv_get, vault_kv_cas, vault_kv_list, probe.kv, close_kv};

    must(store_kv_open(probe.loop, &ops, argv[4], NULL, NULL, &probe.store));
    probe.timer = io_timer_new(probe.loop, on_timer, NULL);
    io_timer_set(probe.timer, mono_in(0));
    must(io_loop_run(probe.loop));
    store_free(&probe.store);
    io_timer_free(&probe.timer);
    vault_free(&probe.vault);
    io_loop_free(&probe.loop);
    return 0;
}
