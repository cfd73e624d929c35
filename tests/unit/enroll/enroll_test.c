/*
 * An enrolling, part by part: tokens and servers that answer when the test says so. It is left at every
 * point, and fails at every point; and the one-time token is not touched before its time.
 */
#include "enroll/world.h"

/* --- answers ------------------------------------------------------------------------------------ */

static void answer_sign(struct err *e)
{
    AUTO(buf_deinit) struct buf raw = {0};

    buf_init(&raw, 0);
    sign_raw(&w.key.keys, buf_view(&w.message), &raw);
    w.on_sign(w.arg, e, e == NULL ? buf_view(&raw) : (struct view){0});
}

static void answer_issue(struct err *e)
{
    int64_t now = wall_now().s;
    X509 *cert = bake(&(struct recipe){.common_name = "web",
                                       .alt = "DNS:web.example",
                                       .usage = "clientAuth",
                                       .from = now - 30,
                                       .to = now + HOUR,
                                       .version = X509_VERSION_3,
                                       .issuer = w.root,
                                       .key = w.key.keys.pkey,
                                       .signer = w.ca.pkey});
    AUTO(auto_free) char *pem = pem_of(cert);
    const struct vault_pki_answer answer = {pem, w.root_pem, "01"};

    X509_free(cert);
    w.on_pki(w.arg, e, e == NULL ? &answer : NULL);
}

static void answer_check(struct err *e)
{
    void *arg = w.arg;
    vault_done_fn *on_done = w.on_done;

    w.one_time_uses += w.by_one_time;
    w.on_step(arg, &(struct vault_step){.kind = VAULT_STEP_REACH, .text = "answers"});
    if (w.ends == 0 && w.en != NULL) { /* a step may have ended it */
        on_done(arg, e);
    } else {
        err_free(&e);
    }
}

static void answer_certs(struct err *e)
{
    const struct remote_cert cert = {.label = "login", .der = buf_view(&w.stored)};

    w.on_certs(w.arg, e, &cert, w.stored.len > 0 && e == NULL ? 1 : 0);
}

/* Answer what waits; @e is taken. */
static void answer(struct err *e)
{
    enum op op = w.op;

    w.op = NONE;
    switch (op) {
    case SETTLED:
    case UNLOCK:
    case STORE:
    case REVOKE:
        w.on_done(w.arg, e);
        return;
    case GENERATE:
        w.has_key = e == NULL;
        w.on_key(w.arg, e, e == NULL ? &w.key : NULL);
        return;
    case CERTS:
        answer_certs(e);
        return;
    case SIGN:
        answer_sign(e);
        return;
    case CHECK:
        answer_check(e);
        return;
    case ISSUE:
        answer_issue(e);
        return;
    case NONE:
        fail_msg("nothing waits");
    }
}

/* --- stories ------------------------------------------------------------------------------------ */

static void on_step(void *arg, const struct enroll_step *step)
{
    (void)arg;
    assert_int_equal(w.ends, 0);
    w.steps++;
    snprintf(w.last, sizeof w.last, "%s", step->name);
}

static void on_end(void *arg, struct err *e, const struct enroll_outcome *o)
{
    (void)arg;
    w.ends++;
    assert_true((e != NULL) == (o->failed != NULL));
    snprintf(w.failed, sizeof w.failed, "%s", o->failed != NULL ? o->failed : "");
    snprintf(w.next, sizeof w.next, "%s", o->next != NULL ? o->next : "");
    w.is_new = o->is_new;
    w.needs_one_time = o->needs_one_time;
    err_free(&e);
}

static void start(bool with_one_time, bool renew)
{
    static char *alt[] = {(char *)"web.example", NULL};
    AUTO(secret_free) struct secret *token = NULL;
    struct enroll_conf conf = {.server = "web",
                               .subject = {"web", alt},
                               .mount = "pki",
                               .role = "agent",
                               .ttl_s = HOUR,
                               .key_type = SSH_KEY_P256,
                               .renew = renew};

    assert_ok(secret_new(view_cstr("s.wrapped"), &token));
    conf.one_time = with_one_time ? token : NULL;
    w.ops = w.steps = w.ends = w.cancelled = w.one_time_uses = w.audits = 0;
    w.op = NONE;
    assert_ok(enroll_new(&conf, on_step, on_end, NULL, &w.en));
    enroll_start(w.en);
}

static void run_to_end(void)
{
    while (w.op != NONE) {
        answer(NULL);
    }
    assert_int_equal(w.ends, 1);
}

static int fresh(void **state)
{
    (void)state;
    w.has_key = w.extractable = w.absent = false;
    w.locked = true;
    buf_clear(&w.stored);
    return 0;
}

static void test_from_nothing(void **state)
{
    (void)state;
    start(true, false);
    run_to_end();
    assert_string_equal(w.failed, "");
    assert_string_equal(w.last, "revoke");
    assert_true(w.is_new && w.stored.len > 0);
    assert_int_equal(w.audits, 1);
    enroll_free(&w.en);
    assert_int_equal(w.key.refs, 0);
    start(false, false); /* again: it is there */
    run_to_end();
    assert_string_equal(w.last, "login");
    assert_false(w.is_new || w.by_one_time);
    assert_int_equal(w.audits, 0);
    enroll_free(&w.en);
    start(false, true); /* another, by the one that is there */
    run_to_end();
    assert_true(w.is_new && !w.by_one_time);
    enroll_free(&w.en);
}

static void test_it_is_left_at_every_point(void **state)
{
    unsigned all = 0;

    (void)state;
    for (unsigned k = 0; k == 0 || k < all; k++) {
        fresh(NULL);
        start(true, false);
        for (unsigned i = 0; i < k; i++) {
            answer(NULL);
        }
        enroll_free(&w.en);
        if (w.op != NONE) { /* what cannot be called off answers all the same */
            answer(NULL);
        }
        assert_int_equal(w.ends, 0);
        assert_int_equal(w.op, NONE);
        assert_int_equal(w.key.refs, 0);
        if (k == 0) {
            start(true, false);
            run_to_end();
            all = w.ops;
            enroll_free(&w.en);
        }
    }
    assert_true(all >= 10);
}

static void test_it_fails_at_every_point(void **state)
{
    static const char *const failed[] = {NULL,     "token", "key",   "look",  "request",
                                         "access", "issue", "store", "login", NULL};

    (void)state;
    for (size_t k = 1; failed[k] != NULL; k++) {
        fresh(NULL);
        start(true, false);
        for (size_t i = 0; i < k; i++) {
            answer(NULL);
        }
        answer(err_new(ERR_REMOTE, "it broke"));
        assert_int_equal(w.ends, 1);
        assert_string_equal(w.failed, failed[k]);
        assert_int_equal(w.op, NONE);
        assert_true(w.next[0] != '\0');
        assert_true(w.one_time_uses == (k >= 5));
        assert_true((strstr(w.next, "still unused") != NULL) == (k > 1 && k <= 5));
        enroll_free(&w.en);
        assert_int_equal(w.key.refs, 0);
    }
}

/* Each says what helps, and nothing else. */
static void test_what_the_token_needs(void **state)
{
    static const struct {
        bool absent;
        enum err_code unlock;
        const char *next;
    } cases[] = {
        {true, 0, "plug the token in"},
        {false, ERR_GONE, "plug the token in"},
        {false, ERR_PIN, "unlock the token"},
        {false, ERR_REMOTE, "mend what failed"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        fresh(NULL);
        w.absent = cases[i].absent;
        start(true, false);
        answer(NULL);
        if (!cases[i].absent) {
            answer(err_new(cases[i].unlock, "not so"));
        }
        assert_string_equal(w.failed, "token");
        assert_ptr_equal(strstr(w.next, cases[i].next), w.next);
        enroll_free(&w.en);
    }
}

static void test_what_it_needs(void **state)
{
    (void)state;
    start(false, false);
    run_to_end();
    assert_string_equal(w.failed, "access");
    assert_true(w.needs_one_time);
    enroll_free(&w.en);
    w.extractable = true;
    start(true, false);
    run_to_end();
    assert_string_equal(w.failed, "key");
    enroll_free(&w.en);
}

static int set_up(void **state)
{
    (void)state;
    int64_t now = wall_now().s;

    buf_init(&w.message, 0);
    buf_init(&w.stored, 0);
    w.key.keys = keys_new(SSH_KEY_P256, 0);
    w.ca = keys_new(SSH_KEY_P256, 0);
    w.root = bake(&(struct recipe){.common_name = "root",
                                   .key_usage = "critical,keyCertSign",
                                   .constraints = "critical,CA:TRUE",
                                   .from = now - DAY,
                                   .to = now + DAY,
                                   .version = X509_VERSION_3,
                                   .key = w.ca.pkey,
                                   .signer = w.ca.pkey});
    w.root_pem = pem_of(w.root);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buf_deinit(&w.message);
    buf_deinit(&w.stored);
    keys_free(&w.key.keys);
    keys_free(&w.ca);
    X509_free(w.root);
    free(w.root_pem);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_from_nothing, fresh),
        cmocka_unit_test_setup(test_it_is_left_at_every_point, fresh),
        cmocka_unit_test_setup(test_it_fails_at_every_point, fresh),
        cmocka_unit_test_setup(test_what_the_token_needs, fresh),
        cmocka_unit_test_setup(test_what_it_needs, fresh),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
