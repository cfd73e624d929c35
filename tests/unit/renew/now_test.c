/* Renewing at somebody's word: everybody who asks is answered once, and nothing is asked twice. */
#include "renew/fixture.h"

static void renews_whatever_the_schedule(void **state)
{
    struct setting *s = *state;

    setting_start(s);
    fake_pass(0);
    renew_now(s->renew, identity_at(s->f.set, 0), setting_on_done, s);
    assert_int_equal(s->done, 0);
    fake_pass(0);
    assert_int_equal(s->done, 1);
    assert_int_equal(s->done_code, 0);
    assert_int_equal(s->signer.calls, 2);
}

static void joins_what_is_under_way(void **state)
{
    struct setting *s = *state;

    s->signer.hold = true;
    setting_start(s);
    fake_pass(0);
    for (int i = 0; i < 3; i++) {
        renew_now(s->renew, identity_at(s->f.set, 0), setting_on_done, s);
        fake_pass(100);
    }
    assert_int_equal(s->signer.calls, 1);
    signer_answer(&s->signer);
    assert_int_equal(s->done, 3);
    fake_pass(1000);
    assert_int_equal(s->signer.calls, 1);
}

static void waits_for_all_certificates(void **state)
{
    struct setting *s = *state;

    s->f.conf[0].wants_n = 2;
    s->signer.hold = true;
    setting_start(s);
    renew_now(s->renew, identity_at(s->f.set, 0), setting_on_done, s);
    fake_pass(0);
    s->signer.fails = ERR_DENIED;
    signer_answer(&s->signer);
    assert_int_equal(s->done, 0);
    s->signer.fails = 0;
    signer_answer(&s->signer);
    assert_int_equal(s->done, 1);
    assert_int_equal(s->done_code, ERR_DENIED);
}

static void says_why_it_cannot(void **state)
{
    struct setting *s = *state;

    s->f.web->info.extractable = true;
    setting_start(s);
    renew_now(s->renew, identity_at(s->f.set, 0), setting_on_done, s);
    assert_int_equal(s->done, 1);
    assert_int_equal(s->done_code, ERR_DENIED);
}

static void an_identity_without_certificates(void **state)
{
    struct setting *s = *state;

    s->f.conf[0].wants_n = 0;
    setting_start(s);
    renew_now(s->renew, identity_at(s->f.set, 0), setting_on_done, s);
    assert_int_equal(s->done, 1);
    assert_int_equal(s->done_code, ERR_INPUT);
}

static void overrides_the_back_off_but_does_not_end_it(void **state)
{
    struct setting *s = *state;

    s->signer.fails = ERR_DENIED;
    setting_start(s);
    fake_pass(0);
    renew_now(s->renew, identity_at(s->f.set, 0), setting_on_done, s);
    fake_pass(0);
    assert_int_equal(s->signer.calls, 2);
    assert_int_equal(s->done_code, ERR_DENIED);
    fake_pass(59 * 1000);
    assert_int_equal(s->signer.calls, 2);
}

static void the_end_answers_those_who_wait(void **state)
{
    struct setting *s = *state;

    s->f.conf[0].wants_n = 2;
    s->signer.hold = true;
    setting_start(s);
    fake_pass(0);
    renew_now(s->renew, identity_at(s->f.set, 0), setting_on_done, s);
    renew_free(&s->renew);
    assert_int_equal(s->done, 1);
    assert_int_equal(s->done_code, ERR_GONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(renews_whatever_the_schedule),     TEST(joins_what_is_under_way),
        TEST(waits_for_all_certificates),       TEST(says_why_it_cannot),
        TEST(an_identity_without_certificates), TEST(overrides_the_back_off_but_does_not_end_it),
        TEST(the_end_answers_those_who_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
