/* What a list shows: which lines, in which order, and when a kept answer is out of date. */
#include "identity/fixture.h"

static int set_up(void **state)
{
    static struct fixture f;

    fixture_init(&f);
    f.conf[1] = (struct identity_conf){.name = "db", .key_uri = "db", .offer = IDENTITY_OFFER_KEY};
    fake_key(&f.remote, SSH_KEY_ED25519, "db");
    f.conf_n = 2;
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    fixture_deinit(*state);
    return 0;
}

static void expect(struct fixture *f, enum identity_offer offer, const char *const *comments)
{
    size_t n = 0, i = 0;
    uint64_t generation = 0;

    f->conf[0].offer = offer;
    fixture_restart(f);

    const struct identity_offer_line *lines = identity_offers(f->set, &n, &generation);

    for (; comments[i] != NULL; i++) {
        assert_in_range(i, 0, n - 1);
        assert_string_equal(lines[i].comment, comments[i]);
    }
    assert_int_equal(i, n);
}

static void certificates_come_first(void **state)
{
    static const char *const both[] = {"web (certificate of vault/admin)", "web", "db", NULL};
    static const char *const cert[] = {"web (certificate of vault/admin)", "db", NULL};
    static const char *const key[] = {"web", "db", NULL};
    struct fixture *f = *state;

    fixture_start(f);
    fixture_give(f, 3600);
    expect(f, IDENTITY_OFFER_BOTH, both);
    expect(f, IDENTITY_OFFER_CERTIFICATE, cert);
    expect(f, IDENTITY_OFFER_KEY, key);
}

/* Held and offered are two facts: what is not shown may still be signed with. */
static void what_is_held_signs_though_not_offered(void **state)
{
    struct fixture *f = *state;
    struct identity_use use;

    f->conf[0].offer = IDENTITY_OFFER_CERTIFICATE;
    fixture_start(f);
    assert_true(fixture_lookup(f, ssh_key_blob(f->web->public), &use));
    assert_false(fixture_lookup(f, ssh_key_blob(f->ca->public), &use));
}

static void the_generation_follows_changes(void **state)
{
    struct fixture *f = *state;
    uint64_t a = 0, b = 0, c = 0;
    size_t n = 0;

    fixture_start(f);
    identity_offers(f->set, &n, &a);
    identity_offers(f->set, &n, &b);
    assert_true(a == b && a != 0);
    fixture_give(f, 60);
    identity_offers(f->set, &n, &b);
    assert_true(b != a);
    fake_step(60);
    identity_offers(f->set, &n, &c);
    assert_true(c != b);
    assert_int_equal(n, 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(certificates_come_first),
        TEST(what_is_held_signs_though_not_offered),
        TEST(the_generation_follows_changes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
