/* Lists that wait for a certificate: not longer than the identity says, and nobody else waits. */
#include "protocol/fixture.h"

static const uint8_t list_request[] = {11};

/* The ed25519 identity is renewed when used; its lists wait @wait_ms. */
static void restart(struct fixture *f, int64_t wait_ms)
{
    fixture_deinit_agent(f);
    f->conf[SSH_KEY_ED25519].renewal = IDENTITY_RENEWAL_WHEN_USED;
    f->conf[SSH_KEY_ED25519].wait_ms = wait_ms;
    fixture_init_agent(f);
    fixture_reconnect(f);
}

static struct identity *sleeper(struct fixture *f)
{
    return identity_at(f->set, SSH_KEY_ED25519);
}

static struct identity_cert *cert(struct fixture *f)
{
    return identity_cert_at(sleeper(f), 0);
}

static bool is_parked(struct fixture *f)
{
    return !TAILQ_EMPTY(&f->socket->parked);
}

static uint32_t count(struct fixture *f)
{
    AUTO(buf_deinit) struct buf reply;

    buf_init(&reply, 0);
    fixture_take(f, &reply);
    struct rd r = rd_of(buf_view(&reply));

    assert_int_equal(rd_u8(&r), 12);
    return rd_u32(&r);
}

static void park(struct fixture *f)
{
    fixture_frame(f, view_of(list_request, 1));
    fixture_run(f, is_parked);
}

static void a_list_waits_for_the_certificate_that_it_woke(void **state)
{
    struct fixture *f = *state;

    restart(f, 60 * 1000);
    assert_true(identity_is_asleep(sleeper(f)));
    park(f);
    assert_false(identity_is_asleep(sleeper(f)));
    identity_cert_requested(cert(f)); /* what renew/ does */
    fixture_give(f, SSH_KEY_ED25519, 3600);
    assert_int_equal(count(f), FIXTURE_KEYS + 1);
    assert_false(is_parked(f));
}

static void a_list_that_does_not_wait_has_it_asked_for(void **state)
{
    struct fixture *f = *state;
    struct identity *i = identity_at(f->set, SSH_KEY_ED25519);

    assert_int_equal(identity_renewal_of(i), IDENTITY_RENEWAL_EAGER);
    assert_true(identity_is_missed(i));
    assert_false(identity_cert_is_needed(identity_cert_at(i, 0)));
    fixture_frame(f, view_of(list_request, 1));
    count(f);
    assert_false(identity_is_missed(i));
    assert_true(identity_cert_is_needed(identity_cert_at(i, 0)));
    identity_cert_requested(identity_cert_at(i, 0));
    assert_false(identity_cert_is_needed(identity_cert_at(i, 0)));
    assert_false(identity_is_missed(i)); /* it is being asked for */
    fixture_give(f, SSH_KEY_ED25519, 3600);
    assert_false(identity_is_missed(i));
}

static void a_failure_ends_the_wait(void **state)
{
    struct fixture *f = *state;

    restart(f, 60 * 1000);
    park(f);
    identity_cert_requested(cert(f));
    identity_cert_failed(cert(f), err_new(ERR_GONE, "no Vault"));
    assert_int_equal(count(f), FIXTURE_KEYS);
}

/* It backs off: there is nothing to wait for. */
static void so_does_a_clock_that_does_not_ask_now(void **state)
{
    struct fixture *f = *state;

    restart(f, 60 * 1000);
    park(f);
    identity_cert_rests(cert(f));
    assert_int_equal(count(f), FIXTURE_KEYS);
}

static void at_the_deadline_the_answer_is_what_is_there(void **state)
{
    struct fixture *f = *state;

    restart(f, 50);
    struct mono begun = mono_now();

    park(f);
    assert_int_equal(count(f), FIXTURE_KEYS);
    assert_true(mono_now().ms - begun.ms >= 50);
}

static void nobody_else_waits(void **state)
{
    AUTO(buf_deinit) struct buf reply, request;
    struct fixture *f = *state;

    buf_init(&reply, 0);
    buf_init(&request, 0);
    restart(f, 60 * 1000);
    park(f);
    AUTO(auto_close) int parked = f->fd;

    f->fd = fixture_connect(f);
    f->remote.hold = true;
    fixture_put_p256(f, &request, NULL);
    fixture_frame(f, buf_view(&request));
    f->waiting = 1;
    fixture_run(f, fixture_is_waiting); /* the signature is with the token */
    assert_true(is_parked(f));
    fake_release(&f->remote, 0);
    fixture_take(f, &reply);
    assert_int_equal(reply.data[0], MSG_SIGN_RESPONSE);
    assert_true(is_parked(f));
}

static void with_a_valid_certificate_no_list_waits(void **state)
{
    struct fixture *f = *state;

    restart(f, 60 * 1000);
    fixture_give(f, SSH_KEY_ED25519, 3600);
    fixture_frame(f, view_of(list_request, 1));
    assert_int_equal(count(f), FIXTURE_KEYS + 1);
    assert_false(identity_is_asleep(sleeper(f)));
}

static void no_wait_means_none(void **state)
{
    struct fixture *f = *state;

    restart(f, -1);
    fixture_frame(f, view_of(list_request, 1));
    assert_int_equal(count(f), FIXTURE_KEYS);
    assert_true(identity_is_coming(sleeper(f)));
}

static bool has_no_conns(struct fixture *f)
{
    return LIST_EMPTY(&f->socket->conns);
}

static void who_leaves_is_forgotten(void **state)
{
    struct fixture *f = *state;

    restart(f, 60 * 1000);
    park(f);
    auto_close(&f->fd);
    fixture_run(f, has_no_conns);
    assert_false(is_parked(f));
    fixture_give(f, SSH_KEY_ED25519, 3600);
    fixture_reconnect(f);
    fixture_frame(f, view_of(list_request, 1));
    assert_int_equal(count(f), FIXTURE_KEYS + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_list_waits_for_the_certificate_that_it_woke),
        TEST(a_list_that_does_not_wait_has_it_asked_for),
        TEST(a_failure_ends_the_wait),
        TEST(so_does_a_clock_that_does_not_ask_now),
        TEST(at_the_deadline_the_answer_is_what_is_there),
        TEST(nobody_else_waits),
        TEST(with_a_valid_certificate_no_list_waits),
        TEST(no_wait_means_none),
        TEST(who_leaves_is_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
