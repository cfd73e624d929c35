/*
 * A working certificate leaves only after its successor is proven: every way in which an answer can
 * be wrong leaves the old one listed and signable, and time alone takes it away.
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

static enum identity_cert_state state_of(struct fixture *f)
{
    return identity_cert_state(fixture_cert(f));
}

static bool holds(struct fixture *f, struct view blob)
{
    struct identity_use use;

    return fixture_lookup(f, blob, &use);
}

static struct ssh_cert *current_copy(struct fixture *f)
{
    struct ssh_cert *copy = NULL;

    fake_ok(ssh_cert_from_blob(ssh_cert_blob(identity_cert_current(fixture_cert(f))), &copy));
    return copy;
}

static void first_certificate(void **state)
{
    struct fixture *f = *state;
    struct identity_use use;
    size_t n = 0;
    uint64_t generation = 0;

    assert_int_equal(state_of(f), IDENTITY_CERT_WANTED);
    identity_cert_requested(fixture_cert(f));
    assert_int_equal(state_of(f), IDENTITY_CERT_REQUESTED);
    assert_int_equal(fixture_offers(f), 1);
    fixture_give(f, 3600);
    assert_int_equal(state_of(f), IDENTITY_CERT_ACTIVE);
    assert_int_equal(identity_cert_received(fixture_cert(f)).s, wall_now().s);

    const struct identity_offer_line *lines = identity_offers(f->set, &n, &generation);

    assert_int_equal(n, 2);
    assert_string_equal(lines[0].comment, "web (certificate of vault/admin)");
    assert_string_equal(lines[1].comment, "web");
    assert_true(fixture_lookup(f, lines[0].blob, &use));
    assert_ptr_equal(use.cert, identity_cert_current(fixture_cert(f)));
    assert_ptr_equal(use.key, f->web);
    assert_true(fixture_lookup(f, lines[1].blob, &use));
    assert_null(use.cert);
}

/* Each spoils one thing of a good certificate. */
struct wrong {
    const char *text;
    enum err_code code;
    void (*spoil)(struct fixture *f, struct fake_cert *c);
};

static void other_key(struct fixture *f, struct fake_cert *c)
{
    c->key = f->other_ca->public;
}

static void other_ca(struct fixture *f, struct fake_cert *c)
{
    c->ca = f->other_ca;
}

static void fewer_principals(struct fixture *f, struct fake_cert *c)
{
    (void)f;
    c->principals[1] = NULL;
}

static void more_principals(struct fixture *f, struct fake_cert *c)
{
    (void)f;
    c->principals[2] = "admin";
}

static void host_kind(struct fixture *f, struct fake_cert *c)
{
    (void)f;
    c->kind = SSH_CERT_HOST;
}

static void bad_signature(struct fixture *f, struct fake_cert *c)
{
    (void)f;
    c->spoil = true;
}

static void in_the_future(struct fixture *f, struct fake_cert *c)
{
    (void)f;
    c->valid_after = wall_now().s + 31;
}

static void too_long(struct fixture *f, struct fake_cert *c)
{
    (void)f;
    c->valid_before = wall_now().s + 3661;
}

static void nearly_over(struct fixture *f, struct fake_cert *c)
{
    (void)f;
    c->valid_before = wall_now().s + 4;
}

static void wrong_answers_change_nothing(void **state)
{
    static const struct wrong wrongs[] = {
        {"certifies key", ERR_CERT, other_key},     {"comes from CA", ERR_CERT, other_ca},
        {"principals", ERR_CERT, fewer_principals}, {"principals", ERR_CERT, more_principals},
        {"host certificate", ERR_CERT, host_kind},  {"signature", ERR_CERT, bad_signature},
        {"valid from", ERR_CERT, in_the_future},    {"at most until", ERR_CERT, too_long},
        {"valid until", ERR_CERT, nearly_over},
    };
    struct fixture *f = *state;

    fixture_give(f, 3600);
    for (size_t i = 0; i < ARRAY_LEN(wrongs); i++) {
        AUTO(ssh_cert_free) struct ssh_cert *before = current_copy(f);
        struct fake_cert c = fixture_issue(f, 3600);

        identity_cert_requested(fixture_cert(f));
        assert_int_equal(state_of(f), IDENTITY_CERT_RENEWING);
        wrongs[i].spoil(f, &c);
        fake_fails(fixture_answer(f, &c), wrongs[i].code, wrongs[i].text);
        assert_int_equal(state_of(f), IDENTITY_CERT_ACTIVE);
        assert_non_null(strstr(err_text(identity_cert_error(fixture_cert(f))), wrongs[i].text));
        assert_true(holds(f, ssh_cert_blob(before)));
        assert_int_equal(fixture_offers(f), 2);
    }
    fixture_give(f, 3600);
    assert_null(identity_cert_error(fixture_cert(f)));
}

static void garbage_is_a_protocol_error(void **state)
{
    struct fixture *f = *state;
    static const char *const lines[] = {"", "\n", "ssh-ed25519 AAAA", "x", "a b c d"};
    AUTO(ssh_cert_free) struct ssh_cert *before = NULL;

    fixture_give(f, 3600);
    before = current_copy(f);
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        fake_fails(identity_cert_answer(fixture_cert(f), view_cstr(lines[i]), false), ERR_PROTOCOL,
                   "");
    }
    fake_fails(identity_cert_answer(fixture_cert(f), view_of("a\0b", 3), false), ERR_PROTOCOL, "");
    assert_true(holds(f, ssh_cert_blob(before)));
}

static void two_previous_ones_stay_signable(void **state)
{
    struct fixture *f = *state;
    struct ssh_cert *all[4];

    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        fixture_give(f, 600 + (int64_t)i);
        all[i] = current_copy(f);
    }
    assert_false(holds(f, ssh_cert_blob(all[0])));
    assert_true(holds(f, ssh_cert_blob(all[1])));
    assert_true(holds(f, ssh_cert_blob(all[2])));
    assert_true(holds(f, ssh_cert_blob(all[3])));
    assert_int_equal(fixture_offers(f), 2);
    fake_pass(601 * 1000);
    assert_false(holds(f, ssh_cert_blob(all[1])));
    assert_true(holds(f, ssh_cert_blob(all[2])));
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        ssh_cert_free(&all[i]);
    }
}

static void expires_to_the_second(void **state)
{
    struct fixture *f = *state;
    AUTO(ssh_cert_free) struct ssh_cert *c = NULL;

    fixture_give(f, 60);
    c = current_copy(f);
    fake_pass(0);
    f->changes = 0;
    fake_pass(59400); /* the fake clock stands at half a second */
    assert_int_equal(fixture_offers(f), 2);
    assert_true(holds(f, ssh_cert_blob(c)));
    fake_step(1); /* no timer has fired yet, the views know all the same */
    assert_int_equal(fixture_offers(f), 1);
    assert_false(holds(f, ssh_cert_blob(c)));
    fake_pass(1000);
    assert_int_equal(state_of(f), IDENTITY_CERT_EXPIRED);
    assert_int_equal(f->changes, 1);
    identity_cert_requested(fixture_cert(f));
    assert_int_equal(state_of(f), IDENTITY_CERT_EXPIRED);
    fixture_give(f, 60);
    assert_int_equal(state_of(f), IDENTITY_CERT_ACTIVE);
}

static void a_clock_that_steps_back_gives_it_back(void **state)
{
    struct fixture *f = *state;

    fixture_give(f, 3600);
    fake_step(100000);
    fake_pass(61 * 1000);
    assert_int_equal(state_of(f), IDENTITY_CERT_EXPIRED);
    assert_int_equal(fixture_offers(f), 1);
    fake_step(-100000);
    fake_pass(61 * 1000);
    assert_int_equal(state_of(f), IDENTITY_CERT_ACTIVE);
    assert_int_equal(fixture_offers(f), 2);
}

/* A role whose lifetime was shortened; and what our own clock has disowned. */
static void the_newest_wins_also_where_it_expires_earlier(void **state)
{
    struct fixture *f = *state;
    AUTO(ssh_cert_free) struct ssh_cert *before = NULL;

    fixture_give(f, 3600);
    before = current_copy(f);
    fixture_give(f, 60);
    assert_int_equal(state_of(f), IDENTITY_CERT_ACTIVE);
    assert_int_equal(ssh_cert_fields(identity_cert_current(fixture_cert(f)))->valid_before,
                     wall_now().s + 60);
    assert_true(holds(f, ssh_cert_blob(before)));
    fake_step(-86400);
    fixture_give(f, 1800);
    assert_int_equal(state_of(f), IDENTITY_CERT_ACTIVE);
}

static void failures_show_and_refusals_stick(void **state)
{
    struct fixture *f = *state;
    struct identity_cert *c = fixture_cert(f);

    identity_cert_requested(c);
    identity_cert_failed(c, err_new(ERR_GONE, "no route"));
    assert_int_equal(state_of(f), IDENTITY_CERT_WANTED);
    identity_cert_requested(c);
    identity_cert_failed(c, err_new(ERR_DENIED, "permission denied"));
    assert_int_equal(state_of(f), IDENTITY_CERT_REFUSED);
    assert_string_equal(err_text(identity_cert_error(c)), "permission denied");
    fixture_give(f, 3600);
    identity_cert_requested(c);
    identity_cert_failed(c, err_new(ERR_DENIED, "permission denied"));
    assert_int_equal(state_of(f), IDENTITY_CERT_ACTIVE);
    assert_int_equal(fixture_offers(f), 2);
}

static void the_first_ca_is_pinned(void **state)
{
    struct fixture *f = *state;
    struct fake_cert c = fixture_issue(f, 3600);

    c.ca = f->other_ca;
    fake_ok(fixture_answer(f, &c));
    c = fixture_issue(f, 3600);
    fake_fails(fixture_answer(f, &c), ERR_CERT, "comes from CA");
    fixture_restart(f); /* the pin survives */
    fake_fails(fixture_answer(f, &c), ERR_CERT, "comes from CA");
}

static void a_new_key_loses_the_certificates(void **state)
{
    struct fixture *f = *state;
    AUTO(ssh_cert_free) struct ssh_cert *c = NULL;

    fixture_give(f, 3600);
    c = current_copy(f);
    fake_drop(&f->remote, f->web);
    identity_set_refresh(f->set); /* away: still listed */
    assert_int_equal(fixture_offers(f), 2);
    assert_non_null(identity_problem(identity_at(f->set, 0)));
    f->web = fake_key(&f->remote, SSH_KEY_P256, WEB_URI);
    identity_set_refresh(f->set);
    assert_int_equal(state_of(f), IDENTITY_CERT_LOST);
    assert_non_null(strstr(err_text(identity_cert_error(fixture_cert(f))), "now names the key"));
    assert_false(holds(f, ssh_cert_blob(c)));
    assert_int_equal(fixture_offers(f), 1);
    assert_true(holds(f, ssh_key_blob(f->web->public)));
    identity_cert_requested(fixture_cert(f));
    fixture_give(f, 3600);
    assert_int_equal(state_of(f), IDENTITY_CERT_ACTIVE);
}

static void weak_keys_get_no_certificate(void **state)
{
    struct fixture *f = *state;

    fake_ok(identity_cert_may_request(fixture_cert(f)));
    f->web->info.extractable = true;
    fake_fails(identity_cert_may_request(fixture_cert(f)), ERR_DENIED, "may be extracted");
    f->web->info.extractable = false;
    f->web->info.sensitive = false;
    fake_fails(identity_cert_may_request(fixture_cert(f)), ERR_DENIED, "not sensitive");
    f->conf[0].allow_extractable = true;
    fixture_restart(f);
    fake_ok(identity_cert_may_request(fixture_cert(f)));
    f->web->info.proven = false;
    f->web->info.why_not = "the halves do not fit";
    fake_fails(identity_cert_may_request(fixture_cert(f)), ERR_DENIED, "halves do not fit");
    f->web->info.why_not = NULL;
    fake_drop(&f->remote, f->web);
    fixture_restart(f);
    fake_fails(identity_cert_may_request(fixture_cert(f)), ERR_NOT_FOUND, WEB_URI);
    f->remote.find_fails = ERR_PIN;
    identity_set_refresh(f->set);
    fake_fails(identity_cert_may_request(fixture_cert(f)), ERR_PIN, "");
}

static void a_lifetime_of_seconds_is_accepted(void **state)
{
    struct fixture *f = *state;

    f->wants[0].request.ttl_s = 3;
    fixture_restart(f);
    fixture_give(f, 3);
    assert_int_equal(state_of(f), IDENTITY_CERT_ACTIVE);
    fake_pass(3000);
    assert_int_equal(fixture_offers(f), 1);
}

static void valid_forever_stays(void **state)
{
    struct fixture *f = *state;
    struct fake_cert c = fixture_issue(f, 0);

    f->wants[0].request.ttl_s = 0;
    fixture_restart(f);
    c.valid_before = -1; /* 2^64 - 1 on the wire */
    fake_ok(fixture_answer(f, &c));
    fake_pass((int64_t)86400 * 1000);
    assert_int_equal(fixture_offers(f), 2);
    fixture_restart(f);
    assert_int_equal(fixture_offers(f), 2);
}

static void the_current_one_is_kept_in_a_file(void **state)
{
    struct fixture *f = *state;
    AUTO(auto_free) char *path = text_fmt("%s/host-cert.pub", f->dir);
    AUTO(buf_deinit) struct buf first, second;
    struct stat st;

    buf_init(&first, 0);
    buf_init(&second, 0);
    f->wants[0].file = path;
    fixture_restart(f);
    fixture_give(f, 3600);
    fake_pass(1000);
    fake_ok(file_read(path, BUF_MAX_BYTES, &first));
    assert_memory_equal(first.data, "ecdsa-sha2-nistp256-cert-v01@openssh.com AAAA", 45);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0644);
    fixture_give(f, 1800);
    fake_pass(1000);
    fake_ok(file_read(path, BUF_MAX_BYTES, &second));
    assert_false(view_eq(buf_view(&first), buf_view(&second)));
    unlink(path);
}

static void states_have_names(void **state)
{
    (void)state;
    assert_string_equal(identity_cert_state_name(IDENTITY_CERT_WANTED), "wanted");
    assert_string_equal(identity_cert_state_name(IDENTITY_CERT_LOST), "lost");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(first_certificate),
        TEST(wrong_answers_change_nothing),
        TEST(garbage_is_a_protocol_error),
        TEST(two_previous_ones_stay_signable),
        TEST(expires_to_the_second),
        TEST(a_clock_that_steps_back_gives_it_back),
        TEST(the_newest_wins_also_where_it_expires_earlier),
        TEST(failures_show_and_refusals_stick),
        TEST(the_first_ca_is_pinned),
        TEST(a_new_key_loses_the_certificates),
        TEST(weak_keys_get_no_certificate),
        TEST(a_lifetime_of_seconds_is_accepted),
        TEST(valid_forever_stays),
        TEST(the_current_one_is_kept_in_a_file),
        TEST(states_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
