/* Each rule with its one exception and both sides of its border. */
#include "policy/policy.h"

#include "identity/fixture.h"

struct asks {
    struct fixture f;
    struct identity_use use;
    struct ssh_payload payload;
    struct policy_request request;
    struct policy_binding bindings[2];
};

static int set_up(void **state)
{
    static struct asks a;

    memset(&a, 0, sizeof a);
    fixture_init(&a.f);
    fixture_start(&a.f);
    fixture_give(&a.f, 3600);
    assert_true(fixture_lookup(&a.f, ssh_key_blob(a.f.web->public), &a.use));
    a.payload = (struct ssh_payload){.kind = SSH_PAYLOAD_USERAUTH,
                                     .session_id = view_cstr("session"),
                                     .user = view_cstr("root"),
                                     .key_blob = ssh_key_blob(a.f.web->public)};
    a.request = (struct policy_request){.payload = &a.payload, .bindings = a.bindings};
    for (size_t i = 0; i < 2; i++) {
        a.bindings[i] =
            (struct policy_binding){.host_key = (uint8_t *)(i == 0 ? "jump" : "host"),
                                    .host_key_len = 4,
                                    .session_id = (uint8_t *)(i == 0 ? "first" : "session"),
                                    .session_id_len = i == 0 ? 5 : 7,
                                    .is_forwarding = i == 0};
    }
    *state = &a;
    return 0;
}

static int tear_down(void **state)
{
    struct asks *a = *state;

    fixture_deinit(&a->f);
    return 0;
}

static void allowed(struct asks *a)
{
    const char *why = NULL;

    assert_int_equal(policy_sign(&a->request, &a->use, &why), POLICY_ALLOW);
    assert_null(why);
}

static void denied(struct asks *a, const char *text)
{
    const char *why = NULL;

    assert_int_equal(policy_sign(&a->request, &a->use, &why), POLICY_DENY);
    assert_non_null(strstr(why, text));
}

static struct view cert_blob(struct asks *a)
{
    return ssh_cert_blob(identity_cert_current(fixture_cert(&a->f)));
}

static void a_login_names_the_key_in_any_of_its_forms(void **state)
{
    struct asks *a = *state;

    allowed(a);
    a->payload.key_blob = cert_blob(a);
    allowed(a); /* plain key signs, the login names the certificate */
    assert_true(fixture_lookup(&a->f, cert_blob(a), &a->use));
    allowed(a);
    a->payload.key_blob = ssh_key_blob(a->f.web->public);
    allowed(a);
}

static void a_login_with_another_key_is_refused(void **state)
{
    AUTO(buf_deinit) struct buf blob;
    struct asks *a = *state;
    struct fake_cert c = fixture_issue(&a->f, 3600);

    a->payload.key_blob = ssh_key_blob(a->f.ca->public);
    denied(a, "another key");
    c.key = a->f.ca->public;
    buf_init(&blob, 0);
    fake_cert_blob(&c, &blob);
    a->payload.key_blob = buf_view(&blob);
    denied(a, "another key");
    blob.len--;
    a->payload.key_blob = buf_view(&blob);
    denied(a, "another key");
    a->payload.key_blob = view_of("", 0);
    denied(a, "another key");
}

static void a_bound_connection_signs_for_its_last_session(void **state)
{
    struct asks *a = *state;

    a->request.bindings_n = 2;
    allowed(a);
    a->payload.host_key = view_cstr("host");
    allowed(a);
    a->payload.host_key = view_cstr("jump");
    denied(a, "another host key");
    a->payload.host_key = view_of("", 0);
    a->payload.session_id = view_cstr("first");
    denied(a, "another session");
    a->bindings[1] = (struct policy_binding){0};
    a->request.bindings_n = 1;
    a->bindings[0].is_forwarding = false;
    allowed(a);
    a->payload.session_id = view_cstr("firs");
    denied(a, "another session");
}

/* A client beyond the hop that does not speak session-bind. */
static void a_forwarded_connection_signs_for_sessions_beyond(void **state)
{
    struct asks *a = *state;

    a->request.bindings_n = 1; /* to "jump", forwarding */
    a->payload.session_id = view_cstr("beyond");
    allowed(a);
    a->payload.host_key = view_cstr("host");
    allowed(a);
    a->payload.session_id = view_cstr("first");
    denied(a, "another host key");
    a->payload.host_key = view_cstr("jump");
    allowed(a);
    a->request.bindings_n = 2; /* the last one is for authentication */
    a->payload.session_id = view_cstr("beyond");
    denied(a, "another session");
}

static void a_failed_binding_alone_refuses_nothing(void **state)
{
    struct asks *a = *state;

    a->request.bind_failed = true;
    allowed(a);
}

static void sshsig_is_allowed_and_the_unknown_refused(void **state)
{
    struct asks *a = *state;

    a->payload = (struct ssh_payload){.kind = SSH_PAYLOAD_SSHSIG};
    a->request.bindings_n = 2;
    allowed(a);
    a->payload = (struct ssh_payload){.kind = SSH_PAYLOAD_UNKNOWN};
    denied(a, "neither");
}

static void an_exchange_hash_is_for_host_keys_alone(void **state)
{
    struct asks *a = *state;

    for (size_t len = 0; len <= 128; len++) {
        a->payload = (struct ssh_payload){.kind = SSH_PAYLOAD_UNKNOWN, .len = len};
        denied(a, "neither");
    }
    a->f.wants[0].request.kind = SSH_CERT_HOST;
    fake_ok(identity_set_put(a->f.set, &a->f.conf[0]));
    assert_true(fixture_lookup(&a->f, ssh_key_blob(a->f.web->public), &a->use));
    for (size_t len = 0; len <= 128; len++) {
        a->payload.len = len;
        if (len == 32 || len == 48 || len == 64) {
            allowed(a);
        } else {
            denied(a, "neither");
        }
    }
}

static void lists_are_the_same_for_everybody_on_a_socket(void **state)
{
    struct asks *a = *state;
    size_t n = 0;
    uint64_t generation = 0;
    const struct identity_offer_line *lines = identity_offers(a->f.set, &n, &generation);

    a->request.payload = NULL;
    assert_false(policy_list_varies(&a->request));
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(policy_list(&a->request, &lines[i]), POLICY_ALLOW);
    }
}

static void outside_the_view_nothing_is_listed_or_signed(void **state)
{
    struct asks *a = *state;
    const struct policy_view view = {.scope = "org/acme"};
    const struct identity_offer_line line = {.identity = a->use.identity};

    allowed(a);
    a->request.view = &view;
    denied(a, "another socket");
    assert_int_equal(policy_list(&a->request, &line), POLICY_DENY);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_login_names_the_key_in_any_of_its_forms),
        TEST(a_login_with_another_key_is_refused),
        TEST(a_bound_connection_signs_for_its_last_session),
        TEST(a_failed_binding_alone_refuses_nothing),
        TEST(sshsig_is_allowed_and_the_unknown_refused),
        TEST(an_exchange_hash_is_for_host_keys_alone),
        TEST(a_forwarded_connection_signs_for_sessions_beyond),
        TEST(lists_are_the_same_for_everybody_on_a_socket),
        TEST(outside_the_view_nothing_is_listed_or_signed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
