/* Message 11: byte for byte, and kept only as long as nothing changed. */
#include "protocol/fixture.h"

static const uint8_t list_request[] = {11};

static struct rd ask(struct fixture *f, struct buf *reply)
{
    fixture_ask(f, view_of(list_request, 1), reply);
    return rd_of(buf_view(reply));
}

/* Spec: RFC 9987, 5.4 */
static void lists_keys_on_the_wire(void **state)
{
    static const char *const names[] = {"rsa", "p256", "p384", "p521", "ed25519"};
    AUTO(buf_deinit) struct buf reply;
    struct fixture *f = *state;

    buf_init(&reply, 0);
    for (int again = 0; again < 2; again++) {
        struct rd r = ask(f, &reply);

        assert_int_equal(rd_u8(&r), 12);
        assert_int_equal(rd_u32(&r), FIXTURE_KEYS);
        for (size_t i = 0; i < FIXTURE_KEYS; i++) {
            assert_true(view_eq(rd_string(&r), ssh_key_blob(f->key[i]->public)));
            assert_true(view_is(rd_string(&r), names[i]));
        }
        fake_ok(rd_end(&r, "the list"));
    }
    assert_int_equal(fixture_stats(f).lists, 2);
}

static void a_new_certificate_is_listed_first(void **state)
{
    AUTO(buf_deinit) struct buf reply;
    struct fixture *f = *state;

    buf_init(&reply, 0);
    ask(f, &reply);
    fixture_give(f, SSH_KEY_ED25519, 3600);
    struct rd r = ask(f, &reply);

    rd_u8(&r);
    assert_int_equal(rd_u32(&r), FIXTURE_KEYS + 1);
    assert_true(view_eq(rd_string(&r), fixture_cert_blob(f, SSH_KEY_ED25519)));
    assert_true(view_is(rd_string(&r), "ed25519 (certificate of vault/admin)"));
}

static void lists_without_any_token(void **state)
{
    AUTO(buf_deinit) struct buf reply;
    struct fixture *f = *state;

    buf_init(&reply, 0);
    f->remote.find_fails = ERR_GONE;
    identity_set_refresh(f->set);
    struct rd r = ask(f, &reply);

    rd_u8(&r);
    assert_int_equal(rd_u32(&r), FIXTURE_KEYS);
}

static void bytes_left_over_fail(void **state)
{
    static const uint8_t longer[] = {11, 0};

    fixture_expect(*state, view_of(longer, 2), MSG_FAILURE);
}

/* More than a frame holds: whole lines from the front, and a count that is true. */
static void a_list_that_is_too_long_is_cut(void **state)
{
    static char principal[60001];
    AUTO(buf_deinit) struct buf reply;
    struct fixture *f = *state;

    memset(principal, 'x', sizeof principal - 1);
    f->principals[0] = principal;
    fixture_deinit_agent(f);
    fixture_init_agent(f);
    fixture_reconnect(f);
    buf_init(&reply, PROTOCOL_FRAME_MAX_BYTES);
    for (size_t i = 0; i < FIXTURE_KEYS; i++) {
        fixture_give(f, (enum ssh_key_type)i, 3600);
    }
    struct rd r = ask(f, &reply);

    rd_u8(&r);
    assert_int_equal(rd_u32(&r), 4); /* 5 x 60 kB do not fit */
    for (size_t i = 0; i < 4; i++) {
        assert_true(view_eq(rd_string(&r), fixture_cert_blob(f, (enum ssh_key_type)i)));
        rd_string(&r);
    }
    fake_ok(rd_end(&r, "the list"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lists_keys_on_the_wire),         TEST(a_new_certificate_is_listed_first),
        TEST(lists_without_any_token),        TEST(bytes_left_over_fail),
        TEST(a_list_that_is_too_long_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
