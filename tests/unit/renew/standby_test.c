/* Two signers for one certificate: when the second one's turn is, and how the first gets its own back. */
#include "renew/fixture.h"

struct two {
    struct setting *s;
    struct fake_signer second;
    struct signer signer;
};

static struct two *two_start(void **state, bool by_itself)
{
    static struct two t;
    struct setting *s = *state;

    t = (struct two){.s = s, .second = {.f = &s->f, .ttl_s = 3600, .wrong_ca = true}};
    t.signer = (struct signer){.name = "lab", .kind = "ca", .ops = s->f.signer.ops};
    t.signer.self = &t.second;
    s->f.wants[0].ca = s->f.ca->public;
    s->f.wants[0].standby = (struct identity_standby_conf){.signer = &t.signer,
                                                           .role = "ops",
                                                           .ca = s->f.other_ca->public,
                                                           .by_itself = by_itself,
                                                           .after_s = 60};
    setting_start(s);
    fake_pass(0);
    assert_int_equal(s->signer.calls, 1);
    return &t;
}

static bool is_of_standby(const struct two *t)
{
    return identity_cert_is_of_standby(fixture_cert(&t->s->f));
}

static void only_when_told(void **state)
{
    struct two *t = two_start(state, false);

    t->s->signer.fails = ERR_GONE;
    fake_pass((int64_t)7200 * 1000);
    assert_int_equal(t->second.calls, 0);
    renew_standby(t->s->renew, identity_at(t->s->f.set, 0), setting_on_done, t->s);
    fake_pass(0);
    assert_int_equal(t->s->done, 1);
    assert_int_equal(t->s->done_code, 0);
    assert_true(is_of_standby(t));
    assert_int_equal(fixture_offers(&t->s->f), 2);
}

static void by_itself_after_its_time_and_back(void **state)
{
    struct two *t = two_start(state, true);

    t->s->signer.fails = ERR_GONE;
    fake_pass((int64_t)2580 * 1000); /* the first one fails by now */
    fake_pass(61 * 1000);
    assert_int_equal(t->second.calls, 1);
    assert_true(is_of_standby(t));
    unsigned tries = t->s->signer.calls;

    fake_pass((int64_t)2000 * 1000);
    assert_int_equal(t->second.calls, 1); /* its certificate is good for longer */
    assert_in_range(t->s->signer.calls, tries + 1, tries + 12); /* the first is asked on */
    t->s->signer.fails = 0;
    fake_pass((int64_t)2251 * 1000);
    assert_false(is_of_standby(t));
    assert_null(identity_cert_error(fixture_cert(&t->s->f)));
}

static void a_refusal_is_no_reason(void **state)
{
    struct two *t = two_start(state, true);

    t->s->signer.fails = ERR_DENIED;
    fake_pass((int64_t)7200 * 1000);
    assert_int_equal(t->second.calls, 0);
}

static void both_away_is_no_hot_loop(void **state)
{
    struct two *t = two_start(state, true);

    t->s->signer.fails = ERR_GONE;
    t->second.fails = ERR_TIMEOUT;
    for (int minute = 0; minute < 180; minute++) {
        unsigned before = t->s->signer.calls + t->second.calls;

        fake_pass(60 * 1000);
        assert_in_range(t->s->signer.calls + t->second.calls - before, 0,
                        2 * SCHEDULE_PER_MINUTE_MAX);
    }
    assert_in_range(t->second.calls, 3, 60);
}

/* The first one hangs: whoever tells to ask the standby does not wait for it. */
static void told_while_the_first_hangs(void **state)
{
    struct two *t = two_start(state, false);

    t->s->signer.hold = true;
    renew_now(t->s->renew, identity_at(t->s->f.set, 0), setting_on_done, t->s);
    fake_pass(0);
    assert_int_equal(t->s->signer.waiting_n, 1);
    renew_standby(t->s->renew, identity_at(t->s->f.set, 0), setting_on_done, t->s);
    assert_int_equal(t->s->signer.cancelled, 1);
    fake_pass(0);
    assert_int_equal(t->s->done, 2);
    assert_true(is_of_standby(t));
}

/* Its answer is proven by its own CA, not by the first one's. */
static void each_has_its_own_ca(void **state)
{
    struct two *t = two_start(state, false);

    t->second.wrong_ca = false; /* it now signs with the first one's CA */
    renew_standby(t->s->renew, identity_at(t->s->f.set, 0), setting_on_done, t->s);
    fake_pass(0);
    assert_int_equal(t->s->done_code, ERR_CERT);
    assert_false(is_of_standby(t));
}

static void a_restart_knows_whose_it_is(void **state)
{
    struct two *t = two_start(state, false);

    renew_standby(t->s->renew, identity_at(t->s->f.set, 0), setting_on_done, t->s);
    fake_pass(0);
    renew_free(&t->s->renew);
    fixture_restart(&t->s->f);
    assert_true(is_of_standby(t));
}

static void nobody_stands_by(void **state)
{
    struct setting *s = *state;

    setting_start(s);
    renew_standby(s->renew, identity_at(s->f.set, 0), setting_on_done, s);
    assert_int_equal(s->done_code, ERR_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_when_told),
        TEST(by_itself_after_its_time_and_back),
        TEST(a_refusal_is_no_reason),
        TEST(both_away_is_no_hot_loop),
        TEST(told_while_the_first_hangs),
        TEST(each_has_its_own_ca),
        TEST(a_restart_knows_whose_it_is),
        TEST(nobody_stands_by),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
