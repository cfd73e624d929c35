/*
 * The renewal clock on a fake clock: it renews without a gap, backs off, and whatever happens
 * around it, never asks in a hot loop.
 */
#include "renew/fixture.h"

static enum identity_cert_state state_of(struct setting *s)
{
    return identity_cert_state(fixture_cert(&s->f));
}

static void five_renewals_without_a_gap(void **state)
{
    struct setting *s = *state;

    setting_start(s);
    fake_pass(0);
    assert_int_equal(s->signer.calls, 1);
    for (int64_t t = 0; t < 5 * 2400 + 300; t++) {
        fake_pass(1000);
        assert_int_equal(fixture_offers(&s->f), 2);
    }
    assert_int_equal(s->signer.calls, 6);
    for (unsigned i = 1; i < 6; i++) {
        assert_in_range(s->signer.at[i].s - s->signer.at[i - 1].s, 2220, 2580);
    }
}

static void a_lifetime_of_six_seconds(void **state)
{
    struct setting *s = *state;

    s->f.wants[0].request.ttl_s = 6;
    s->signer.ttl_s = 6;
    setting_start(s);
    fake_pass(0);
    for (int t = 0; t < 1000; t++) {
        fake_pass(100);
        assert_int_equal(fixture_offers(&s->f), 2);
    }
    assert_in_range(s->signer.calls, 24, 27);
}

static void an_outage_is_survived_by_back_off(void **state)
{
    struct setting *s = *state;

    setting_start(s);
    fake_pass(0);
    s->signer.fails = ERR_GONE;
    fake_pass((int64_t)3580 * 1000);
    assert_int_equal(state_of(s), IDENTITY_CERT_ACTIVE);
    assert_in_range(s->signer.calls, 2, 3); /* nobody uses it: the next try is the last moment's */
    fake_pass(20 * 1000);
    assert_in_range(s->signer.calls, 3, 4);
    fake_pass((int64_t)86400 * 1000);
    assert_int_equal(state_of(s), IDENTITY_CERT_EXPIRED);
    assert_int_equal(fixture_offers(&s->f), 1);
    assert_in_range(setting_calls_in(s, 36000), 36000 / 2250, 36000 / 1350 + 1);
    s->signer.fails = 0;
    fake_pass(2251 * 1000);
    assert_int_equal(state_of(s), IDENTITY_CERT_ACTIVE);
    assert_int_equal(fixture_offers(&s->f), 2);
}

static void a_refusal_is_asked_again_after_a_minute(void **state)
{
    struct setting *s = *state;

    s->signer.fails = ERR_DENIED;
    setting_start(s);
    fake_pass(0);
    assert_int_equal(state_of(s), IDENTITY_CERT_REFUSED);
    fake_pass(59 * 1000);
    assert_int_equal(s->signer.calls, 1);
    fake_pass(20 * 1000);
    assert_int_equal(s->signer.calls, 2);
    fake_pass((int64_t)3600 * 1000);
    assert_in_range(s->signer.calls, 10, 62);
}

static void wrong_certificates_back_off_too(void **state)
{
    struct setting *s = *state;

    setting_start(s);
    fake_pass(0);
    s->signer.wrong_ca = true;
    fake_pass((int64_t)3500 * 1000);
    assert_int_equal(state_of(s), IDENTITY_CERT_ACTIVE);
    assert_non_null(strstr(err_text(identity_cert_error(fixture_cert(&s->f))), "comes from CA"));
    assert_in_range(s->signer.calls, 2, 3);
}

/* However often the rest of the agent says that something changed. */
static void reconsidering_never_storms(void **state)
{
    struct setting *s = *state;

    s->signer.fails = ERR_GONE;
    setting_start(s);
    for (int t = 0; t < 60 * 100; t++) {
        renew_reconsider(s->renew);
        identity_set_refresh(s->f.set);
        fake_pass(10);
    }
    assert_in_range(s->signer.calls, 5, 8); /* at 0, 1, 3, 7, 15, 31 s */
}

static void wall_clock_steps(void **state)
{
    struct setting *s = *state;

    setting_start(s);
    fake_pass(0);
    fake_step(3600); /* ahead, past the end: noticed within a minute */
    fake_pass(60 * 1000);
    assert_int_equal(s->signer.calls, 2);
    assert_int_equal(state_of(s), IDENTITY_CERT_ACTIVE);
    fake_step(-7 * 86400); /* back: one lifetime later at most */
    fake_pass((int64_t)2581 * 1000);
    assert_int_equal(s->signer.calls, 3);
    fake_pass((int64_t)2581 * 1000);
    assert_int_equal(s->signer.calls, 4);
}

/* A day ahead and a day back, again and again: no storm, and no stall after it. */
static void days_back_and_forth(void **state)
{
    struct setting *s = *state;

    setting_start(s);
    fake_pass(0);
    for (int n = 0; n < 10; n++) {
        unsigned before = s->signer.calls;

        fake_step(n % 2 == 0 ? 86400 : -86400);
        identity_set_look(s->f.set);
        renew_reconsider(s->renew);
        fake_pass(60 * 1000);
        assert_in_range(s->signer.calls - before, 0, 2);
        assert_int_equal(state_of(s), IDENTITY_CERT_ACTIVE);
        assert_int_equal(fixture_offers(&s->f), 2);
    }
    unsigned before = s->signer.calls;

    fake_pass((int64_t)2581 * 1000);
    assert_in_range(s->signer.calls - before, 1, 2);
}

/* What app.c does when io_step_new() tells of it. */
static void a_resume_renews_at_once(void **state)
{
    struct setting *s = *state;

    setting_start(s);
    fake_pass(0);
    fake_sleep(3000); /* past two thirds */
    identity_set_look(s->f.set);
    renew_reconsider(s->renew);
    fake_pass(0);
    assert_int_equal(s->signer.calls, 2);
    fake_sleep(7200); /* past the end */
    identity_set_look(s->f.set);
    renew_reconsider(s->renew);
    fake_pass(0);
    assert_int_equal(s->signer.calls, 3);
    assert_int_equal(fixture_offers(&s->f), 2);
}

static void a_step_back_during_back_off(void **state)
{
    struct setting *s = *state;

    s->signer.fails = ERR_GONE;
    setting_start(s);
    fake_pass(20 * 1000);
    fake_step(-86400);
    s->signer.fails = 0;
    fake_pass(80 * 1000);
    assert_int_equal(state_of(s), IDENTITY_CERT_ACTIVE);
}

static void a_signer_that_never_answers(void **state)
{
    struct setting *s = *state;

    s->signer.hold = true;
    setting_start(s);
    fake_pass(0);
    assert_int_equal(s->signer.waiting[0].deadline_ms, RENEW_DEADLINE_S * 1000);
    fake_pass(34 * 1000);
    assert_int_equal(s->signer.calls, 1);
    assert_int_equal(s->signer.cancelled, 0);
    fake_pass(1000);
    assert_int_equal(s->signer.cancelled, 1);
    assert_int_equal(err_code(identity_cert_error(fixture_cert(&s->f))), ERR_TIMEOUT);
    fake_pass(2000);
    assert_int_equal(s->signer.calls, 2);
    signer_answer(&s->signer);
    assert_int_equal(state_of(s), IDENTITY_CERT_ACTIVE);
}

static void waits_for_a_key_that_may_be_certified(void **state)
{
    struct setting *s = *state;

    s->f.remote.find_fails = ERR_PIN;
    setting_start(s);
    fake_pass(3600 * 1000);
    assert_int_equal(s->signer.calls, 0);
    assert_int_equal(renew_due(s->renew, fixture_cert(&s->f)).s, 0);
    s->f.remote.find_fails = 0;
    identity_set_refresh(s->f.set);
    renew_reconsider(s->renew);
    fake_pass(0);
    assert_int_equal(s->signer.calls, 1);
    assert_int_equal(fixture_offers(&s->f), 2);
}

static void an_extractable_key_is_never_sent(void **state)
{
    struct setting *s = *state;

    s->f.web->info.extractable = true;
    setting_start(s);
    fake_pass(3600 * 1000);
    assert_int_equal(s->signer.calls, 0);
}

static void a_cached_certificate_is_renewed_in_its_time(void **state)
{
    struct setting *s = *state;

    setting_start(s);
    fake_pass(0);
    fake_pass(1000 * 1000);
    renew_free(&s->renew);
    fixture_restart(&s->f);
    fake_ok(renew_new(NULL, s->f.set, 42, NULL, &s->renew));
    fake_pass(1000 * 1000);
    assert_int_equal(s->signer.calls, 1);
    fake_pass(700 * 1000);
    assert_int_equal(s->signer.calls, 2);
}

static void tells_when_it_is_due(void **state)
{
    struct setting *s = *state;

    s->signer.hold = true;
    setting_start(s);
    assert_int_equal(renew_due(s->renew, fixture_cert(&s->f)).s, wall_now().s);
    fake_pass(0);
    assert_int_equal(renew_due(s->renew, fixture_cert(&s->f)).s, 0); /* under way */
    signer_answer(&s->signer);
    assert_in_range(renew_due(s->renew, fixture_cert(&s->f)).s, wall_now().s + 2220,
                    wall_now().s + 2580);
}

static void clocks_that_disagree_are_named(void **state)
{
    struct setting *s = *state;

    s->signer.skew_s = 7200;
    s->signer.wrong_ca = true;
    s->f.wants[0].ca = s->f.ca->public;
    setting_start(s);
    fake_pass(0);
    assert_non_null(strstr(err_text(identity_cert_error(fixture_cert(&s->f))), "7200 s ahead of"));
}

/* Many certificates at once: bounded, spread a little, all served. */
static void many_certificates_share_the_signer(void **state)
{
    enum { MANY = 100 };
    static struct identity_want_conf wants[MANY];
    struct setting *s = *state;

    for (size_t i = 0; i < MANY; i++) {
        wants[i] = s->f.wants[0];
    }
    s->f.conf[0].wants = wants;
    s->f.conf[0].wants_n = MANY;
    s->signer.hold = true;
    setting_start(s);
    fake_pass(0);
    assert_in_range(s->signer.calls, 0, MANY / 10);
    fake_pass(1000);
    assert_int_equal(s->signer.calls, RENEW_IN_FLIGHT_MAX);
    for (size_t i = 0; i < MANY; i++) {
        signer_answer(&s->signer);
        fake_pass(0);
        assert_in_range(s->signer.waiting_n, 0, RENEW_IN_FLIGHT_MAX);
    }
    assert_int_equal(s->signer.calls, MANY);
    assert_int_equal(fixture_offers(&s->f), MANY + 1);
}

/* The one of which the least is left; SIZE_MAX: all have been asked for. */
static size_t least_left(const struct identity *i)
{
    uint64_t least = UINT64_MAX;
    size_t best = SIZE_MAX;

    for (size_t k = 0; k < identity_certs(i); k++) {
        const struct identity_cert *c = identity_cert_at(i, k);
        uint64_t until = ssh_cert_fields(identity_cert_current(c))->valid_before;

        if (identity_cert_state(c) == IDENTITY_CERT_ACTIVE && until < least) {
            least = until;
            best = k;
        }
    }
    return least < (uint64_t)wall_now().s + 1000 ? best : SIZE_MAX;
}

static void what_ends_soonest_is_asked_for_first(void **state)
{
    enum { MANY = 100 };
    static struct identity_want_conf wants[MANY];
    struct setting *s = *state;
    unsigned checked = 0;

    for (size_t i = 0; i < MANY; i++) {
        wants[i] = s->f.wants[0];
    }
    s->f.conf[0].wants = wants;
    s->f.conf[0].wants_n = MANY;
    s->signer.hold = true;
    fixture_start(&s->f);
    struct identity *i = identity_at(s->f.set, 0);

    for (size_t k = 0; k < MANY; k++) {
        struct fake_cert c = fixture_issue(&s->f, 300 + (int64_t)(k * 37 % MANY));
        AUTO(auto_free) char *line = fake_cert_line(&c);

        fake_ok(identity_cert_answer(identity_cert_at(i, k), view_cstr(line), false));
    }
    fake_pass(280 * 1000);
    fake_ok(renew_new(NULL, s->f.set, 42, NULL, &s->renew));
    fake_pass(1000);
    assert_int_equal(s->signer.calls, RENEW_IN_FLIGHT_MAX);
    for (size_t k = least_left(i); k < MANY; k = least_left(i)) {
        signer_answer(&s->signer);
        fake_pass(0);
        assert_int_equal(identity_cert_state(identity_cert_at(i, k)), IDENTITY_CERT_RENEWING);
        checked++;
    }
    assert_int_equal(checked, MANY - RENEW_IN_FLIGHT_MAX);
}

/* What agent/daemon does when an identity calls. */
static void miss(struct setting *s)
{
    identity_needed(identity_cert_owner(fixture_cert(&s->f)));
    renew_reconsider(s->renew);
    fake_pass(0);
}

static void whoever_misses_it_does_not_wait_for_the_back_off(void **state)
{
    struct setting *s = *state;

    s->signer.fails = ERR_GONE;
    setting_start(s);
    fake_pass((int64_t)20000 * 1000);
    fake_pass(30 * 1000);
    unsigned before = s->signer.calls;

    miss(s);
    assert_int_equal(s->signer.calls, before + 1);
    for (int t = 0; t < 60; t++) {
        fake_pass(1000);
        miss(s);
    }
    assert_int_equal(s->signer.calls, before + 1 + 60 / 15);
    fake_pass(300 * 1000); /* nobody any more */
    assert_in_range(s->signer.calls, before + 5, before + 6);
    s->signer.fails = 0;
    miss(s);
    assert_int_equal(state_of(s), IDENTITY_CERT_ACTIVE);
    before = s->signer.calls;
    miss(s);
    assert_int_equal(s->signer.calls, before);
}

static void a_signer_that_names_a_time_gets_it(void **state)
{
    struct setting *s = *state;

    s->signer.fails = ERR_BUSY;
    s->signer.patience_s = 1800;
    setting_start(s);
    fake_pass(0);
    for (int t = 0; t < 1799; t++) {
        fake_pass(1000);
        miss(s);
    }
    assert_int_equal(s->signer.calls, 1);
    fake_pass(451 * 1000);
    assert_int_equal(s->signer.calls, 2);
}

static void the_end_cancels_what_is_under_way(void **state)
{
    struct setting *s = *state;

    s->signer.hold = true;
    setting_start(s);
    fake_pass(0);
    renew_free(&s->renew);
    assert_null(s->renew);
    assert_int_equal(s->signer.cancelled, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(five_renewals_without_a_gap),
        TEST(what_ends_soonest_is_asked_for_first),
        TEST(whoever_misses_it_does_not_wait_for_the_back_off),
        TEST(a_signer_that_names_a_time_gets_it),
        TEST(a_lifetime_of_six_seconds),
        TEST(an_outage_is_survived_by_back_off),
        TEST(a_refusal_is_asked_again_after_a_minute),
        TEST(wrong_certificates_back_off_too),
        TEST(reconsidering_never_storms),
        TEST(wall_clock_steps),
        TEST(days_back_and_forth),
        TEST(a_resume_renews_at_once),
        TEST(a_step_back_during_back_off),
        TEST(a_signer_that_never_answers),
        TEST(waits_for_a_key_that_may_be_certified),
        TEST(an_extractable_key_is_never_sent),
        TEST(a_cached_certificate_is_renewed_in_its_time),
        TEST(tells_when_it_is_due),
        TEST(clocks_that_disagree_are_named),
        TEST(many_certificates_share_the_signer),
        TEST(the_end_cancels_what_is_under_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
