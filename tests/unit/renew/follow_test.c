/* Identities come and go under the renewal clock. */
#include "renew/fixture.h"

static void one_that_comes_is_asked_for(void **state)
{
    struct setting *s = *state;

    s->f.conf_n = 0;
    setting_start(s);
    fake_pass(1000);
    assert_int_equal(s->signer.calls, 0);
    fake_ok(identity_set_put(s->f.set, &s->f.conf[0]));
    renew_reconsider(s->renew);
    fake_pass(0);
    assert_int_equal(s->signer.calls, 1);
    assert_non_null(identity_cert_current(fixture_cert(&s->f)));
}

static void one_that_just_came_can_be_renewed_by_hand(void **state)
{
    struct setting *s = *state;

    s->f.conf_n = 0;
    setting_start(s);
    fake_ok(identity_set_put(s->f.set, &s->f.conf[0]));
    renew_now(s->renew, identity_at(s->f.set, 0), setting_on_done, s);
    fake_pass(0);
    assert_int_equal(s->done, 1);
    assert_int_equal(s->done_code, 0);
}

static void one_that_goes_takes_its_request_with_it(void **state)
{
    struct setting *s = *state;

    s->signer.hold = true;
    setting_start(s);
    fake_pass(0);
    renew_now(s->renew, identity_at(s->f.set, 0), setting_on_done, s);
    identity_set_remove(s->f.set, "web");
    renew_reconsider(s->renew);
    assert_int_equal(s->signer.cancelled, 1);
    assert_int_equal(s->done, 1);
    assert_int_equal(s->done_code, ERR_GONE);
    s->f.signer.ops = NULL; /* the signer may be freed now */
    fake_pass(3600 * 1000);
    assert_int_equal(s->signer.calls, 1);
}

/* The clock notices by itself, and an answer that is faster than it finds nobody. */
static void an_answer_for_what_is_gone_changes_nothing(void **state)
{
    struct setting *s = *state;

    s->signer.hold = true;
    setting_start(s);
    fake_pass(0);
    s->f.wants[0].request.role = "other";
    fake_ok(identity_set_put(s->f.set, &s->f.conf[0]));
    signer_answer(&s->signer);
    assert_null(identity_cert_current(fixture_cert(&s->f)));
    s->signer.hold = false;
    fake_pass(1000);
    assert_int_equal(s->signer.calls, 2);
    assert_int_equal(s->signer.cancelled, 0);
    assert_non_null(identity_cert_current(fixture_cert(&s->f)));
}

static void a_change_elsewhere_leaves_a_request_alone(void **state)
{
    struct setting *s = *state;

    s->f.conf[0].wants_n = 2;
    s->signer.hold = true;
    setting_start(s);
    fake_pass(0);
    assert_int_equal(s->signer.waiting_n, 2);
    s->f.wants[1].request.role = "third";
    fake_ok(identity_set_put(s->f.set, &s->f.conf[0]));
    renew_reconsider(s->renew);
    assert_int_equal(s->signer.cancelled, 1);
    fake_pass(0);
    assert_int_equal(s->signer.waiting_n, 2);
    signer_answer(&s->signer);
    signer_answer(&s->signer);
    assert_non_null(identity_cert_current(fixture_cert(&s->f)));
    assert_non_null(identity_cert_current(identity_cert_at(identity_at(s->f.set, 0), 1)));
    assert_int_equal(s->signer.calls, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_that_comes_is_asked_for),
        TEST(one_that_just_came_can_be_renewed_by_hand),
        TEST(one_that_goes_takes_its_request_with_it),
        TEST(an_answer_for_what_is_gone_changes_nothing),
        TEST(a_change_elsewhere_leaves_a_request_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
