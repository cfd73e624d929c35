/* Keys that come and go under their URIs, and what the rest of the agent hears of it. */
#include "identity/fixture.h"

static int set_up(void **state)
{
    static struct fixture f;

    fixture_init(&f);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    fixture_deinit(*state);
    return 0;
}

static void finds_by_name(void **state)
{
    struct fixture *f = *state;

    f->conf[1] = f->conf[0];
    f->conf[1].name = "db";
    f->conf[1].wants_n = 0;
    f->conf_n = 2;
    fixture_start(f);
    assert_int_equal(identity_count(f->set), 2);
    assert_ptr_equal(identity_find(f->set, "db"), identity_at(f->set, 1));
    assert_null(identity_find(f->set, "no"));
    assert_string_equal(identity_name(identity_at(f->set, 1)), "db");
    assert_int_equal(identity_certs(identity_at(f->set, 1)), 0);
    assert_ptr_equal(identity_cert_owner(fixture_cert(f)), identity_at(f->set, 0));
    assert_string_equal(identity_key_uri(identity_at(f->set, 0)), WEB_URI);
    assert_int_equal(identity_offer_of(identity_at(f->set, 0)), IDENTITY_OFFER_BOTH);
}

static void a_key_may_come_later(void **state)
{
    struct fixture *f = *state;
    struct identity *i;

    f->remote.find_fails = ERR_GONE;
    fixture_start(f);
    i = identity_at(f->set, 0);
    assert_null(identity_public(i));
    assert_null(identity_remote_key(i));
    assert_int_equal(err_code(identity_problem(i)), ERR_GONE);
    assert_int_equal(fixture_offers(f), 0);
    f->remote.find_fails = 0;
    identity_set_refresh(f->set);
    assert_null(identity_problem(i));
    assert_true(ssh_key_eq(identity_public(i), f->web->public));
    assert_ptr_equal(identity_remote_key(i), f->web);
    assert_int_equal(fixture_offers(f), 1);
    f->web->usable = false;
    f->web->info.why_not = "token demo is locked";
    identity_set_refresh(f->set);
    assert_non_null(strstr(err_text(identity_problem(i)), "token demo is locked"));
    assert_int_equal(fixture_offers(f), 1);
}

static void changes_are_told_once_a_round(void **state)
{
    struct fixture *f = *state;

    fixture_start(f);
    fake_pass(0);
    f->changes = 0;
    identity_cert_requested(fixture_cert(f));
    fixture_give(f, 3600);
    fixture_give(f, 3600);
    assert_int_equal(f->changes, 0);
    fake_pass(0);
    assert_int_equal(f->changes, 1);
    identity_set_refresh(f->set); /* nothing new */
    fake_pass(0);
    assert_int_equal(f->changes, 1);
}

static void warns_of_keys_made_elsewhere(void **state)
{
    struct fixture *f = *state;

    f->web->info.local = false;
    fixture_start(f);
    assert_non_null(strstr(err_text(identity_warning(identity_at(f->set, 0), 0)), "not made on"));
    assert_null(identity_warning(identity_at(f->set, 0), 1));
    assert_null(identity_problem(identity_at(f->set, 0)));
    f->web->info.local = true;
    identity_set_refresh(f->set);
    assert_null(identity_warning(identity_at(f->set, 0), 0));
}

static void an_extractable_key_is_a_problem(void **state)
{
    struct fixture *f = *state;

    f->web->info.extractable = true;
    fixture_start(f);
    assert_int_equal(err_code(identity_problem(identity_at(f->set, 0))), ERR_DENIED);
}

/* A key object that is made anew by the border, with the same public half, is the same key. */
static void the_same_key_again_keeps_the_certificates(void **state)
{
    struct fixture *f = *state;
    struct remote_key *twin;

    fixture_start(f);
    fixture_give(f, 3600);
    twin = fake_key(&f->remote, SSH_KEY_P256, WEB_URI);
    EVP_PKEY_free(twin->pkey);
    ssh_key_free(&twin->public);
    EVP_PKEY_up_ref(f->web->pkey);
    twin->pkey = f->web->pkey;
    twin->public = ssh_key_copy(f->web->public);
    fake_drop(&f->remote, f->web);
    f->web = twin;
    identity_set_refresh(f->set);
    assert_ptr_equal(identity_remote_key(identity_at(f->set, 0)), twin);
    assert_int_equal(identity_cert_state(fixture_cert(f)), IDENTITY_CERT_ACTIVE);
    assert_int_equal(fixture_offers(f), 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(finds_by_name),
        TEST(a_key_may_come_later),
        TEST(changes_are_told_once_a_round),
        TEST(warns_of_keys_made_elsewhere),
        TEST(an_extractable_key_is_a_problem),
        TEST(the_same_key_again_keeps_the_certificates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
