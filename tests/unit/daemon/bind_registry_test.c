/* The binder between fakes of all that it binds: what could not be applied is tried again after a pause
 * that grows, is told until it went well, and a change does not wait for the pause. */
#include "daemon/bind_registry.h"
#include "daemon/parts.h"
#include "identity/fake_io.h"

enum { FIRST_MS = 5000, LAST_MS = 300 * 1000 };

static struct {
    registry_json_fn *on_resolved; /* of the reading that is open */
    void *arg;
    unsigned readings;
    void (*on_change)(void *arg);
    void *change_arg;
    bool vault_fails, identity_fails;
    unsigned vaults, identities; /* that were put, with or without success */
} f;

void registry_resolve_all(struct registry *r, registry_json_fn *on_done, void *arg)
{
    (void)r;
    assert_null(f.on_resolved); /* one at a time */
    f.on_resolved = on_done;
    f.arg = arg;
    f.readings++;
}

bool registry_will_tell(const struct registry *r)
{
    (void)r;
    return false;
}

void registry_watch(struct registry *r, void (*on_change)(void *arg), void *arg)
{
    (void)r;
    f.on_change = on_change;
    f.change_arg = arg;
}

struct err *vault_put(struct vault *v, const struct vault_conf *conf, const struct signer **ret)
{
    static const struct signer signer = {.name = "main", .kind = "vault"};

    (void)v;
    (void)conf;
    f.vaults++;
    *ret = &signer;
    return f.vault_fails ? err_new(ERR_LIMIT, "no more servers") : NULL;
}

void vault_remove(struct vault *v, const char *name)
{
    (void)v;
    (void)name;
}

struct err *identity_set_put(struct identity_set *s, const struct identity_conf *conf)
{
    (void)s;
    assert_int_equal(conf->wants_n, 1);
    assert_true(conf->wants[0].request.role_may_choose); /* nothing is said of extensions */
    assert_string_equal(conf->wants[0].request.extensions[0].name, "permit-pty");
    f.identities++;
    return f.identity_fails ? err_new(ERR_STORE, "the disk is full") : NULL;
}

void identity_set_remove(struct identity_set *s, const char *name)
{
    (void)s;
    (void)name;
}

bool identity_renewal_find(const char *word, enum identity_renewal *ret)
{
    (void)word;
    *ret = IDENTITY_RENEWAL_EAGER;
    return true;
}

struct identity *identity_find(const struct identity_set *s, const char *name)
{
    (void)name;
    return (struct identity *)(uintptr_t)s;
}

struct err *remote_token_find(const struct remote *r, const char *what, size_t *ret)
{
    (void)r;
    (void)ret;
    return err_new(ERR_NOT_FOUND, "no token %s", what);
}

void remote_token_get(const struct remote *r, size_t i, struct remote_token *ret)
{
    (void)r;
    (void)i;
    (void)ret;
    fail_msg("no token is there");
}

struct err *remote_token_put(struct remote *r, const struct remote_token_conf *conf)
{
    (void)r;
    (void)conf;
    return NULL;
}

void remote_token_remove(struct remote *r, const char *name)
{
    (void)r;
    (void)name;
}

void renew_reconsider(struct renew *r)
{
    (void)r;
}

void bind_login_look(struct bind_login *b)
{
    (void)b;
    fail_msg("nobody holds login keys");
}

/* --- the tests ---------------------------------------------------------------------------------- */

static const char one_key[] =
    "{\"items\": [{\"ssh_key\": {\"scope\": \"org/acme\", \"identifier\": \"web\", \"spec\": "
    "{\"user_name\": \"web\", \"key\": \"pkcs11:token=demo;object=web\", \"credentials\": "
    "{\"type\": \"vault-ssh\", \"role\": \"web\"}}}, \"secrets_manager\": {\"spec\": "
    "{\"mount\": \"ssh\"}}, \"connector\": {\"scope\": \"account\", \"identifier\": \"main\", "
    "\"spec\": {\"addresses\": [\"https://a\"], \"login\": {\"method\": \"token\", "
    "\"token_file\": \"/t\"}}}, \"certificate\": null}], \"problems\": [{\"scope\": \"org/b\", "
    "\"identifier\": \"old\", \"problem\": \"its connector is broken\"}]}";

/* The registry answers the open reading with @text, or with @e. */
static void resolved(struct err *e, const char *text)
{
    json_t *result = text != NULL ? json_loads(text, 0, NULL) : NULL;
    registry_json_fn *on_resolved = f.on_resolved;

    assert_non_null(on_resolved);
    assert_true((text != NULL) == (result != NULL));
    f.on_resolved = NULL;
    on_resolved(f.arg, e, result);
    json_decref(result);
}

static int set_up(void **state)
{
    static struct bind_registry *b;
    json_t *tokens = json_object();
    const struct bind_deps deps = {.identities = (struct identity_set *)&f,
                                   .taken = {.tokens = tokens}};

    memset(&f, 0, sizeof f);
    fake_clock_start();
    assert_null(bind_registry_new(&deps, &b));
    json_decref(tokens);
    assert_int_equal(f.readings, 1);
    *state = &b;
    return 0;
}

static int tear_down(void **state)
{
    bind_registry_free(*state);
    assert_null(f.on_change);
    clock_set_for_test(NULL, NULL);
    return 0;
}

/* "kind scope identifier; " of each problem, then the seconds. */
static void assert_problems(struct bind_registry *b, const char *expected)
{
    json_t *all = bind_registry_problems(b);
    const json_t *retry = json_object_get(all, "retry_s"), *one;
    AUTO(auto_free) char *said = text_copy("");
    size_t i;

    json_array_foreach(json_object_get(all, "problems"), i, one)
    {
        const char *scope = json_string_value(json_object_get(one, "scope"));
        char *longer = text_fmt(
            "%s%s %s %s; ", said, json_string_value(json_object_get(one, "kind")),
            scope != NULL ? scope : "-", json_string_value(json_object_get(one, "identifier")));

        assert_true(*json_string_value(json_object_get(one, "problem")) != '\0');
        free(said);
        said = longer;
    }
    AUTO(auto_free) char *whole = json_is_null(retry)
                                      ? text_fmt("%s-", said)
                                      : text_fmt("%s%d", said, (int)json_integer_value(retry));

    assert_string_equal(whole, expected);
    json_decref(all);
}

static void test_the_pause_grows_and_ends(void **state)
{
    struct bind_registry *b = *(struct bind_registry **)*state;
    int64_t pause = FIRST_MS;

    f.identity_fails = true;
    resolved(NULL, one_key);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(f.identities, i + 1);
        fake_pass(pause - 1);
        assert_int_equal(f.readings, i + 1);
        fake_pass(1);
        assert_int_equal(f.readings, i + 2);
        resolved(NULL, one_key);
        pause = pause * 2 < LAST_MS ? pause * 2 : LAST_MS;
    }
    assert_int_equal(pause, LAST_MS);
    assert_int_equal(f.vaults, 1); /* what went well is not done again */
    f.identity_fails = false;
    fake_pass(pause);
    resolved(NULL, one_key);
    assert_problems(b, "ssh-key org/b old; -");
    unsigned readings = f.readings;

    fake_pass(2 * LAST_MS);
    assert_int_equal(f.readings, readings); /* nothing is left to be tried */
    f.identity_fails = true;
    f.on_change(f.change_arg);
    resolved(NULL, one_key);
    assert_problems(b, "ssh-key org/b old; -"); /* it holds already, so it was not put */
}

static void test_problems_are_told_with_the_next_try(void **state)
{
    struct bind_registry *b = *(struct bind_registry **)*state;

    f.vault_fails = true;
    resolved(NULL, one_key);
    assert_problems(b, "ssh-key org/b old; connector - main; ssh-key org/acme web; 5");
    assert_null(bind_registry_identity(b, "org/acme", "web"));
    fake_pass(3500);
    assert_problems(b, "ssh-key org/b old; connector - main; ssh-key org/acme web; 2");
    f.vault_fails = false;
    fake_pass(1500);
    resolved(NULL, one_key);
    assert_problems(b, "ssh-key org/b old; -");
    assert_non_null(bind_registry_identity(b, "org/acme", "web"));
}

static void test_a_change_does_not_wait(void **state)
{
    struct bind_registry *b = *(struct bind_registry **)*state;

    f.identity_fails = true;
    resolved(NULL, one_key);
    f.on_change(f.change_arg);
    f.on_change(f.change_arg); /* while one is open: one more after it */
    assert_int_equal(f.readings, 2);
    f.identity_fails = false;
    resolved(NULL, one_key);
    assert_int_equal(f.readings, 3);
    resolved(NULL, one_key);
    assert_problems(b, "ssh-key org/b old; -");
    fake_pass(2 * LAST_MS);
    assert_int_equal(f.readings, 3); /* the timer was cleared */
}

static void test_a_registry_that_cannot_be_read(void **state)
{
    struct bind_registry *b = *(struct bind_registry **)*state;

    resolved(err_new(ERR_GONE, "the registry has not been read yet"), NULL);
    assert_int_equal(f.vaults, 0);
    fake_pass(FIRST_MS);
    assert_int_equal(f.readings, 2);
    resolved(NULL, one_key);
    assert_problems(b, "ssh-key org/b old; -");
    assert_int_equal(f.identities, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_pause_grows_and_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_problems_are_told_with_the_next_try, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_change_does_not_wait, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_registry_that_cannot_be_read, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
