/* Identities that come, change and go: what stays true stays, the rest is gone at once. */
#include "identity/fixture.h"

static struct identity_cert *cert(struct fixture *f)
{
    return fixture_cert(f);
}

static void put(struct fixture *f)
{
    fake_ok(identity_set_put(f->set, &f->conf[0]));
}

static bool has_current(struct fixture *f)
{
    return identity_cert_current(cert(f)) != NULL;
}

static bool has_file(struct fixture *f, const char *name)
{
    AUTO(auto_free) char *path = text_fmt("%s/%s", f->dir, name);

    return access(path, F_OK) == 0;
}

static void the_same_again_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct identity_cert *before = cert(f);
    uint64_t edition = identity_set_edition(f->set);

    fixture_give(f, 3600);
    identity_cert_requested(before);
    fake_pass(0);
    f->changes = 0;
    put(f);
    fake_pass(0);
    assert_int_equal(f->changes, 0);
    assert_true(identity_set_edition(f->set) == edition);
    assert_ptr_equal(cert(f), before);
    assert_int_equal(identity_cert_state(before), IDENTITY_CERT_RENEWING);
}

static void one_that_comes_is_offered_at_once(void **state)
{
    struct fixture *f = *state;
    struct identity_use use;
    size_t n = 0;
    uint64_t before = 0, after = 0;

    identity_offers(f->set, &n, &before);
    assert_int_equal(n, 1);
    fake_key(&f->remote, SSH_KEY_ED25519, "second");
    f->conf[1] = f->conf[0];
    f->conf[1].name = "second";
    f->conf[1].key_uri = "second";
    f->conf[1].scope = "org/acme";
    fake_ok(identity_set_put(f->set, &f->conf[1]));
    const struct identity_offer_line *lines = identity_offers(f->set, &n, &after);

    assert_int_equal(n, 2);
    assert_true(after != before);
    assert_string_equal(lines[1].comment, "second");
    assert_true(fixture_lookup(f, lines[1].blob, &use));
    assert_string_equal(identity_scope(use.identity), "org/acme");
    fake_pass(0);
    assert_int_equal(f->changes, 1);
}

static void a_change_is_of_one_identity(void **state)
{
    struct fixture *f = *state;

    fake_key(&f->remote, SSH_KEY_ED25519, "second");
    f->conf[1] = f->conf[0];
    f->conf[1].name = "second";
    f->conf[1].key_uri = "second";
    fake_ok(identity_set_put(f->set, &f->conf[1]));
    uint64_t first = identity_change(identity_at(f->set, 0));
    uint64_t second = identity_change(identity_at(f->set, 1));

    assert_true(second > first);
    fixture_give(f, 3600); /* the first one's */
    assert_true(identity_change(identity_at(f->set, 0)) > second);
    assert_true(identity_change(identity_at(f->set, 1)) == second);
}

static void one_that_goes_takes_all_with_it(void **state)
{
    struct fixture *f = *state;
    struct identity *i = identity_at(f->set, 0);
    struct identity_cert *c = identity_cert_ref(cert(f));
    struct identity_use use;

    fixture_give(f, 3600);
    fake_pass(0);
    assert_true(has_file(f, "web.cache"));
    identity_set_remove(f->set, "web");
    identity_set_remove(f->set, "web"); /* absent: fine */
    assert_int_equal(identity_count(f->set), 0);
    assert_null(identity_find(f->set, "web"));
    assert_int_equal(fixture_offers(f), 0);
    assert_false(fixture_lookup(f, ssh_key_blob(f->web->public), &use));
    assert_string_equal(identity_name(i), "web");
    assert_int_equal(identity_certs(i), 0);
    assert_null(identity_remote_key(i));
    assert_true(identity_cert_is_gone(c));
    assert_ptr_equal(identity_cert_owner(c), i);
    fake_fails(identity_cert_may_request(c), ERR_GONE, "no longer wanted");
    fake_fails(identity_cert_answer(c, view_cstr("x"), false), ERR_GONE, "no longer wanted");
    identity_cert_failed(c, err_new(ERR_GONE, "late"));
    identity_cert_unref(&c);
    fake_pass(0);
    assert_false(has_file(f, "web.cache"));
}

static void one_that_comes_back_starts_anew(void **state)
{
    struct fixture *f = *state;
    struct identity *i = identity_at(f->set, 0);

    fixture_give(f, 3600);
    identity_set_remove(f->set, "web");
    put(f); /* before the file is gone */
    assert_ptr_equal(identity_at(f->set, 0), i);
    assert_false(has_current(f));
    assert_int_equal(fixture_offers(f), 1);
    fixture_give(f, 3600);
    fixture_restart(f);
    assert_true(has_current(f));
}

static void what_still_proves_stays(void **state)
{
    struct fixture *f = *state;
    char *tags[] = {(char *)"prod", NULL};

    fixture_give(f, 3600);
    fixture_give(f, 3600);
    f->conf[0].tags = tags;
    put(f);
    assert_true(text_list_has(identity_tags(identity_at(f->set, 0)), "prod"));
    assert_true(has_current(f));
    f->wants[0].request.ttl_s = 7200; /* the old one is no longer than that */
    put(f);
    assert_true(has_current(f));
    assert_int_equal(identity_cert_state(cert(f)), IDENTITY_CERT_ACTIVE);
    assert_null(identity_cert_error(cert(f)));
    f->wants[0].request.ttl_s = 600; /* it is */
    put(f);
    assert_false(has_current(f));
    assert_null(identity_cert_error(cert(f)));
    assert_int_equal(identity_cert_state(cert(f)), IDENTITY_CERT_WANTED);
}

static void other_principals_drop_it(void **state)
{
    struct fixture *f = *state;
    struct identity_use use;

    fixture_give(f, 3600);
    AUTO(ssh_cert_free) struct ssh_cert *was = NULL;
    fake_ok(ssh_cert_from_blob(ssh_cert_blob(identity_cert_current(cert(f))), &was));
    f->principals[1] = NULL;
    put(f);
    assert_false(has_current(f));
    assert_false(fixture_lookup(f, ssh_cert_blob(was), &use));
    assert_int_equal(fixture_offers(f), 1); /* the plain key */
}

/* Without a CA that is named, nobody can say that the next signer has the same one. */
static void another_role_keeps_it_only_under_a_named_ca(void **state)
{
    struct fixture *f = *state;

    fixture_give(f, 3600);
    f->wants[0].request.role = "other";
    put(f);
    assert_false(has_current(f));
    struct fake_cert c = fixture_issue(f, 3600);

    c.ca = f->other_ca; /* its CA is pinned anew */
    fake_ok(fixture_answer(f, &c));
    f->wants[0].request.role = "third";
    f->wants[0].ca = f->other_ca->public;
    put(f);
    assert_true(has_current(f));
    f->wants[0].ca = f->ca->public;
    put(f);
    assert_false(has_current(f));
}

static void a_request_for_what_changed_has_no_effect(void **state)
{
    struct fixture *f = *state;
    AUTO(identity_cert_unref) struct identity_cert *old = identity_cert_ref(cert(f));
    struct fake_cert c = fixture_issue(f, 3600);
    AUTO(auto_free) char *line = fake_cert_line(&c);

    identity_cert_requested(old);
    f->wants[0].request.mount = "elsewhere";
    put(f);
    assert_true(identity_cert_is_gone(old));
    fake_fails(identity_cert_answer(old, view_cstr(line), false), ERR_GONE, "no longer wanted");
    assert_false(has_current(f));
}

static void another_uri_of_the_same_key_keeps_all(void **state)
{
    struct fixture *f = *state;

    fixture_give(f, 3600);
    struct identity_cert *before = cert(f);

    free(f->web->uri);
    f->web->uri = text_copy("pkcs11:serial=1;object=web");
    f->conf[0].key_uri = "pkcs11:serial=1;object=web";
    put(f);
    assert_ptr_equal(cert(f), before);
    assert_true(has_current(f));
    assert_null(identity_problem(identity_at(f->set, 0)));
}

static void another_key_keeps_nothing(void **state)
{
    struct fixture *f = *state;
    struct identity_use use;
    struct remote_key *other = fake_key(&f->remote, SSH_KEY_ED25519, "other");

    fixture_give(f, 3600);
    f->conf[0].key_uri = "other";
    put(f);
    assert_false(has_current(f));
    assert_false(fixture_lookup(f, ssh_key_blob(f->web->public), &use));
    assert_true(fixture_lookup(f, ssh_key_blob(other->public), &use));
    f->conf[0].key_uri = "absent";
    put(f);
    assert_int_equal(fixture_offers(f), 0);
    assert_non_null(identity_problem(identity_at(f->set, 0)));
    assert_null(identity_remote_key(identity_at(f->set, 0)));
}

static void a_wanted_one_more_or_less(void **state)
{
    struct fixture *f = *state;

    fixture_give(f, 3600);
    struct identity_cert *first = cert(f);

    f->conf[0].wants_n = 2;
    put(f);
    assert_int_equal(identity_certs(identity_at(f->set, 0)), 2);
    assert_ptr_equal(cert(f), first);
    assert_true(has_current(f));
    assert_null(identity_cert_current(identity_cert_at(identity_at(f->set, 0), 1)));
    f->wants[0] = f->wants[1];
    f->conf[0].wants_n = 1;
    put(f);
    assert_false(has_current(f));
}

static void what_is_wrong_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct identity_cert *before = cert(f);

    f->wants[0].request.principals = &f->principals[2];
    fake_fails(identity_set_put(f->set, &f->conf[0]), ERR_INPUT, "principals");
    assert_ptr_equal(cert(f), before);
    f->conf[0].name = "../web";
    fake_fails(identity_set_put(f->set, &f->conf[0]), ERR_INPUT, "no name");
    assert_int_equal(identity_count(f->set), 1);
}

static void another_key_than_expected_is_not_used(void **state)
{
    struct fixture *f = *state;

    fixture_give(f, 3600);
    f->conf[0].expected = f->web->public;
    put(f);
    assert_true(has_current(f));
    assert_null(identity_problem(identity_at(f->set, 0)));
    f->conf[0].expected = f->ca->public;
    put(f);
    assert_false(has_current(f));
    assert_int_equal(fixture_offers(f), 0);
    assert_non_null(
        strstr(err_text(identity_problem(identity_at(f->set, 0))), "as its public key"));
    identity_set_refresh(f->set);
    assert_int_equal(fixture_offers(f), 0);
    fixture_restart(f); /* not out of the cache either */
    assert_int_equal(fixture_offers(f), 0);
    f->conf[0].expected = NULL;
    put(f);
    assert_int_equal(fixture_offers(f), 1);
}

static void two_identities_of_one_key_are_both_found(void **state)
{
    struct fixture *f = *state;
    size_t n = 0;
    uint64_t generation = 0;

    f->conf[1] = f->conf[0];
    f->conf[1].name = "same";
    fake_ok(identity_set_put(f->set, &f->conf[1]));
    identity_offers(f->set, &n, &generation);
    assert_int_equal(n, 2);
    identity_set_remove(f->set, "web");
    struct identity_use use;

    assert_true(fixture_lookup(f, ssh_key_blob(f->web->public), &use));
    assert_string_equal(identity_name(use.identity), "same");
}

static int set_up(void **state)
{
    static struct fixture f;

    fixture_init(&f);
    fixture_start(&f);
    fake_pass(0);
    f.changes = 0;
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    fixture_deinit(*state);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_same_again_changes_nothing),
        TEST(one_that_comes_is_offered_at_once),
        TEST(a_change_is_of_one_identity),
        TEST(one_that_goes_takes_all_with_it),
        TEST(one_that_comes_back_starts_anew),
        TEST(what_still_proves_stays),
        TEST(other_principals_drop_it),
        TEST(another_role_keeps_it_only_under_a_named_ca),
        TEST(a_request_for_what_changed_has_no_effect),
        TEST(another_uri_of_the_same_key_keeps_all),
        TEST(another_key_keeps_nothing),
        TEST(a_wanted_one_more_or_less),
        TEST(what_is_wrong_changes_nothing),
        TEST(another_key_than_expected_is_not_used),
        TEST(two_identities_of_one_key_are_both_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
