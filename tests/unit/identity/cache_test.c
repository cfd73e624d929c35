/*
 * A restart lists what was listed before, without token and Vault; nothing out of the file is
 * believed that does not prove itself, and a damaged file is set aside, not fatal.
 */
#include "identity/fixture.h"

static int set_up(void **state)
{
    static struct fixture f;

    fixture_init(&f);
    fixture_start(&f);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    fixture_deinit(*state);
    return 0;
}

static char *path_of(const struct fixture *f, const char *suffix)
{
    return text_fmt("%s/web.cache%s", f->dir, suffix);
}

static void read_cache(const struct fixture *f, struct buf *out)
{
    AUTO(auto_free) char *path = path_of(f, "");

    buf_init(out, 0);
    fake_ok(file_read(path, BUF_MAX_BYTES, out));
}

static void write_cache(const struct fixture *f, struct view v)
{
    AUTO(auto_free) char *path = path_of(f, "");

    fake_ok(file_replace(path, v, 0600));
}

static bool was_set_aside(const struct fixture *f)
{
    AUTO(auto_free) char *path = path_of(f, ".damaged");

    return unlink(path) == 0;
}

static void lists_without_token_and_vault(void **state)
{
    struct fixture *f = *state;
    struct wall received;
    struct identity_use use;

    fixture_give(f, 3600);
    received = wall_now();
    fake_pass(10 * 1000);
    f->remote.find_fails = ERR_GONE;
    fixture_restart(f);
    assert_int_equal(fixture_offers(f), 2);
    assert_int_equal(identity_cert_state(fixture_cert(f)), IDENTITY_CERT_ACTIVE);
    assert_int_equal(identity_cert_received(fixture_cert(f)).s, received.s);
    assert_null(identity_warning(identity_at(f->set, 0), 0));
    assert_true(fixture_lookup(f, ssh_key_blob(f->web->public), &use));
    assert_null(use.key);
    f->remote.find_fails = 0;
    identity_set_refresh(f->set);
    assert_int_equal(fixture_offers(f), 2);
    assert_true(fixture_lookup(f, ssh_key_blob(f->web->public), &use));
    assert_ptr_equal(use.key, f->web);
}

static void another_key_drops_what_was_cached(void **state)
{
    struct fixture *f = *state;

    fixture_give(f, 3600);
    fake_drop(&f->remote, f->web);
    f->web = fake_key(&f->remote, SSH_KEY_P256, WEB_URI);
    fixture_restart(f);
    assert_int_equal(identity_cert_state(fixture_cert(f)), IDENTITY_CERT_LOST);
    assert_int_equal(fixture_offers(f), 1);
}

static void an_expired_one_is_dropped_quietly(void **state)
{
    struct fixture *f = *state;

    fixture_give(f, 60);
    fake_step(60);
    fixture_restart(f);
    assert_int_equal(fixture_offers(f), 1);
    assert_null(identity_cert_error(fixture_cert(f)));
    assert_int_equal(identity_cert_state(fixture_cert(f)), IDENTITY_CERT_WANTED);
}

static void other_principals_are_asked_for_anew(void **state)
{
    struct fixture *f = *state;

    fixture_give(f, 3600);
    f->principals[1] = NULL;
    fixture_restart(f);
    assert_int_equal(fixture_offers(f), 1);
    assert_non_null(strstr(err_text(identity_cert_error(fixture_cert(f))), "principals"));
}

static void another_configuration_forgets_the_pin(void **state)
{
    struct fixture *f = *state;
    struct fake_cert c;

    fixture_give(f, 3600);
    f->wants[0].request.role = "other";
    fixture_restart(f);
    assert_int_equal(fixture_offers(f), 1);
    c = fixture_issue(f, 3600);
    c.ca = f->other_ca;
    fake_ok(fixture_answer(f, &c));
}

static void a_configured_ca_overrides_the_cache(void **state)
{
    struct fixture *f = *state;

    fixture_give(f, 3600);
    f->wants[0].ca = f->other_ca->public;
    fixture_restart(f);
    assert_int_equal(fixture_offers(f), 1);
    assert_non_null(strstr(err_text(identity_cert_error(fixture_cert(f))), "comes from CA"));
}

static void two_wants_keep_their_own(void **state)
{
    struct fixture *f = *state;
    struct fake_cert c;
    AUTO(auto_free) char *line = NULL;

    f->conf[0].wants_n = 2;
    fixture_restart(f);
    fixture_give(f, 3600);
    c = fixture_issue(f, 3600);
    c.ca = f->other_ca;
    line = fake_cert_line(&c);
    fake_ok(
        identity_cert_answer(identity_cert_at(identity_at(f->set, 0), 1), view_cstr(line), false));
    fixture_restart(f);
    assert_int_equal(fixture_offers(f), 3);
    assert_true(ssh_key_eq(ssh_cert_ca(identity_cert_current(fixture_cert(f))), f->ca->public));
}

static void another_key_uri_makes_the_file_void(void **state)
{
    struct fixture *f = *state;

    fixture_give(f, 3600);
    f->conf[0].key_uri = "pkcs11:object=elsewhere";
    fixture_restart(f);
    assert_int_equal(fixture_offers(f), 0);
    assert_false(was_set_aside(f));
}

static void expect_damaged(struct fixture *f, struct view v, size_t at)
{
    identity_set_free(&f->set);
    write_cache(f, v);
    f->remote.find_fails = ERR_GONE; /* so that nothing writes the file anew */
    fixture_start(f);
    if (fixture_offers(f) != 0 || !was_set_aside(f)) {
        print_error("the change at byte %zu was not noticed\n", at);
        fail();
    }
    assert_non_null(strstr(err_text(identity_warning(identity_at(f->set, 0), 0)), "damaged"));
}

static void each_flipped_bit_and_each_cut_is_noticed(void **state)
{
    struct fixture *f = *state;
    AUTO(buf_deinit) struct buf good;

    fixture_give(f, 3600);
    identity_set_free(&f->set);
    read_cache(f, &good);
    for (size_t i = 0; i < good.len; i++) {
        good.data[i] = (uint8_t)(good.data[i] ^ 1U << i % 8);
        expect_damaged(f, buf_view(&good), i);
        good.data[i] = (uint8_t)(good.data[i] ^ 1U << i % 8);
        expect_damaged(f, view_of(good.data, i), i);
    }
    buf_put_u8(&good, 0);
    expect_damaged(f, buf_view(&good), good.len);
}

static void an_unwritable_folder_is_a_warning(void **state)
{
    struct fixture *f = *state;
    AUTO(auto_free) char *path = path_of(f, "");

    unlink(path);
    fake_pass(61 * 1000);
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0); /* rename() onto a folder fails, also for root */
    fixture_give(f, 3600);
    fake_pass(0);
    assert_non_null(identity_warning(identity_at(f->set, 0), 0));
    assert_int_equal(rmdir(path), 0);
    fixture_give(f, 3600); /* and it goes with the next write */
    fake_pass(0);
    assert_null(identity_warning(identity_at(f->set, 0), 0));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lists_without_token_and_vault),
        TEST(another_key_drops_what_was_cached),
        TEST(an_expired_one_is_dropped_quietly),
        TEST(other_principals_are_asked_for_anew),
        TEST(another_configuration_forgets_the_pin),
        TEST(a_configured_ca_overrides_the_cache),
        TEST(two_wants_keep_their_own),
        TEST(another_key_uri_makes_the_file_void),
        TEST(each_flipped_bit_and_each_cut_is_noticed),
        TEST(an_unwritable_folder_is_a_warning),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
