/*
 * Message 27: query, and session-bind with all its rules; and what a binding then does to logins.
 */
#include "protocol/fixture.h"

struct bind {
    const struct remote_key *host, *signer; /* signer NULL: the host itself */
    const char *session;
    bool forwarding;
};

static void put_bind(struct buf *b, const struct bind *bind)
{
    AUTO(buf_deinit) struct buf sig;
    uint8_t raw[2048];
    const struct remote_key *signer = bind->signer != NULL ? bind->signer : bind->host;

    buf_init(&sig, 0);
    fake_ok(ssh_sig_put(&sig, signer->public, SSH_ALG_ED25519,
                        fake_raw(signer, SSH_ALG_ED25519, view_cstr(bind->session), raw)));
    buf_put_u8(b, 27);
    buf_put_cstr(b, "session-bind@openssh.com");
    buf_put_string(b, ssh_key_blob(bind->host->public));
    buf_put_cstr(b, bind->session);
    buf_put_string(b, buf_view(&sig));
    buf_put_bool(b, bind->forwarding);
}

static void bind_is(struct fixture *f, const struct bind *bind, uint8_t answer)
{
    AUTO(buf_deinit) struct buf b;

    buf_init(&b, 0);
    put_bind(&b, bind);
    fixture_expect(f, buf_view(&b), answer);
}

static const struct protocol_conn *conn_of(struct fixture *f)
{
    return LIST_FIRST(&f->socket->conns);
}

/* Whether a login on @session, hostbound to @host unless that is NULL, is signed. */
static bool login_works(struct fixture *f, const char *session, const struct remote_key *host)
{
    AUTO(buf_deinit) struct buf data, request, reply;
    struct view blob = ssh_key_blob(f->key[SSH_KEY_ED25519]->public);
    struct fixture_login l = {.session = session, .alg = "ssh-ed25519", .blob = blob};

    if (host != NULL) {
        l.host_key = ssh_key_blob(host->public);
    }
    buf_init(&data, 0);
    buf_init(&request, 0);
    buf_init(&reply, 0);
    fixture_put_login(&data, &l);
    fixture_put_sign(&request, blob, buf_view(&data), 0);
    fixture_ask(f, buf_view(&request), &reply);
    return reply.data[0] == MSG_SIGN_RESPONSE;
}

/* Spec: RFC 9987, 5.7.1 */
static void query_on_the_wire(void **state)
{
    static const uint8_t request[] = {27, 0, 0, 0, 5, 'q', 'u', 'e', 'r', 'y'};
    static const char expected[] = "\x1d\0\0\0\x05query\0\0\0\x05query"
                                   "\0\0\0\x18session-bind@openssh.com";
    AUTO(buf_deinit) struct buf reply;

    buf_init(&reply, 0);
    fixture_ask(*state, view_of(request, sizeof request), &reply);
    assert_true(view_eq(buf_view(&reply), view_of(expected, sizeof expected - 1)));
}

static void query_takes_no_contents(void **state)
{
    static const uint8_t request[] = {27, 0, 0, 0, 5, 'q', 'u', 'e', 'r', 'y', 0};

    fixture_expect(*state, view_of(request, sizeof request), MSG_EXTENSION_FAILURE);
}

static void other_names_are_unknown_messages(void **state)
{
    static const char *const names[] = {
        "", "quer", "query2", "session-bind@openssh.co", "no-such@example.org", "a\x01\x02\xff"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        AUTO(buf_deinit) struct buf b;

        buf_init(&b, 0);
        buf_put_u8(&b, 27);
        buf_put_cstr(&b, names[i]);
        fixture_expect(*state, buf_view(&b), MSG_FAILURE);
    }
    fixture_expect(*state, view_of("\x1b", 1), MSG_FAILURE);
    fixture_expect(*state, view_of("\x1b\0\0\0\x09q", 6), MSG_FAILURE);
}

static void a_binding_that_is_true(void **state)
{
    struct fixture *f = *state;

    bind_is(f, &(struct bind){.host = f->host, .session = "one"}, MSG_SUCCESS);
    assert_int_equal(conn_of(f)->bindings_n, 1);
    assert_false(conn_of(f)->bindings[0].is_forwarding);
    assert_false(conn_of(f)->bind_failed);
    assert_true(login_works(f, "one", NULL));
    assert_true(login_works(f, "one", f->host));
    assert_false(login_works(f, "two", NULL));
    assert_false(login_works(f, "one", f->other_host));
}

static void a_binding_that_is_false(void **state)
{
    struct fixture *f = *state;

    bind_is(f, &(struct bind){.host = f->host, .signer = f->other_host, .session = "one"},
            MSG_EXTENSION_FAILURE);
    assert_int_equal(conn_of(f)->bindings_n, 0);
    assert_true(conn_of(f)->bind_failed);
}

static void each_cut_and_flipped_bit_is_refused(void **state)
{
    AUTO(buf_deinit) struct buf good;
    struct fixture *f = *state;
    size_t body = 1 + 4 + strlen("session-bind@openssh.com");

    buf_init(&good, 0);
    put_bind(&good, &(struct bind){.host = f->host, .session = "one"});
    for (size_t i = body; i < good.len; i++) {
        fixture_expect(f, view_of(good.data, i), MSG_EXTENSION_FAILURE);
    }
    for (size_t i = body; i < good.len - 1; i++) { /* any last byte is a boolean */
        good.data[i] = (uint8_t)(good.data[i] ^ 1U << i % 8);
        fixture_expect(f, buf_view(&good), MSG_EXTENSION_FAILURE);
        good.data[i] = (uint8_t)(good.data[i] ^ 1U << i % 8);
    }
    assert_int_equal(conn_of(f)->bindings_n, 0);
    fixture_expect(f, buf_view(&good), MSG_SUCCESS);
}

static void nothing_after_a_binding_for_authentication(void **state)
{
    struct fixture *f = *state;

    bind_is(f, &(struct bind){.host = f->host, .session = "one"}, MSG_SUCCESS);
    bind_is(f, &(struct bind){.host = f->host, .session = "two"}, MSG_EXTENSION_FAILURE);
    bind_is(f, &(struct bind){.host = f->host, .session = "one"}, MSG_EXTENSION_FAILURE);
    assert_int_equal(conn_of(f)->bindings_n, 1);
}

static void a_forwarded_agent_is_bound_hop_by_hop(void **state)
{
    struct fixture *f = *state;

    bind_is(f, &(struct bind){.host = f->host, .session = "one", .forwarding = true}, MSG_SUCCESS);
    bind_is(f, &(struct bind){.host = f->host, .session = "one", .forwarding = true}, MSG_SUCCESS);
    assert_int_equal(conn_of(f)->bindings_n, 1);
    bind_is(f, &(struct bind){.host = f->other_host, .session = "one", .forwarding = true},
            MSG_EXTENSION_FAILURE);
    bind_is(f, &(struct bind){.host = f->other_host, .session = "two"}, MSG_SUCCESS);
    assert_int_equal(conn_of(f)->bindings_n, 2);
    assert_true(conn_of(f)->bindings[0].is_forwarding);
    assert_false(login_works(f, "one", NULL));
    assert_true(login_works(f, "two", f->other_host));
}

static void the_seventeenth_is_refused(void **state)
{
    struct fixture *f = *state;
    char session[] = "session a";

    for (size_t i = 0; i <= POLICY_BINDINGS_MAX; i++) {
        session[8] = (char)('a' + i);
        bind_is(f, &(struct bind){.host = f->host, .session = session, .forwarding = true},
                i < POLICY_BINDINGS_MAX ? MSG_SUCCESS : MSG_EXTENSION_FAILURE);
    }
    assert_int_equal(conn_of(f)->bindings_n, POLICY_BINDINGS_MAX);
}

static void bindings_belong_to_one_connection(void **state)
{
    struct fixture *f = *state;

    bind_is(f, &(struct bind){.host = f->host, .session = "one"}, MSG_SUCCESS);
    fixture_reconnect(f);
    assert_true(login_works(f, "two", NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(query_on_the_wire),
        TEST(query_takes_no_contents),
        TEST(other_names_are_unknown_messages),
        TEST(a_binding_that_is_true),
        TEST(a_binding_that_is_false),
        TEST(each_cut_and_flipped_bit_is_refused),
        TEST(nothing_after_a_binding_for_authentication),
        TEST(a_forwarded_agent_is_bound_hop_by_hop),
        TEST(the_seventeenth_is_refused),
        TEST(bindings_belong_to_one_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
