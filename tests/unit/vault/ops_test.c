#include "vault/ops.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "vault/break_it.h"

static bool parse_ask(struct view bytes)
{
    struct rd r = rd_of(bytes);
    struct vault_ask ask = {0};
    AUTO(err_free) struct err *e = vault_ask_get(&r, &ask);

    if (e == NULL) {
        assert_non_null(ask.public_key);
        assert_non_null(ask.mount);
        assert_non_null(ask.role);
        assert_true(ask.kind == SSH_CERT_USER || ask.kind == SSH_CERT_HOST);
        assert_true(ask.ttl_s >= 0);
    }
    vault_ask_deinit(&ask);
    return e == NULL;
}

static bool parse_answer(struct view bytes)
{
    struct rd r = rd_of(bytes);
    struct signer_answer answer = {0};
    AUTO(auto_free) char *request_id = NULL;
    AUTO(err_free) struct err *e = vault_answer_get(&r, &answer, &request_id);

    assert_true((e == NULL) == (request_id != NULL));
    return e == NULL;
}

static struct signer_request sample(void)
{
    static char *principals[] = {"alice", "deploy", NULL};
    static const struct ssh_cert_option critical[] = {{"force-command", "ls"}, {NULL, NULL}};
    static const struct ssh_cert_option none[] = {{NULL, NULL}};

    return (struct signer_request){.kind = SSH_CERT_HOST,
                                   .mount = "team/ssh",
                                   .role = "web",
                                   .principals = principals,
                                   .ttl_s = 900,
                                   .key_id = "me",
                                   .critical = critical,
                                   .extensions = none,
                                   .role_may_choose = true};
}

static void a_request_survives_the_way(void **state)
{
    AUTO(buf_deinit) struct buf b;
    AUTO(vault_ask_deinit) struct vault_ask ask = {0};
    struct signer_request request = sample();

    (void)state;
    buf_init(&b, 0);
    vault_ask_put(&b, 3, (struct mono){123456}, "ssh-ed25519 AAAA", &request);
    struct rd r = rd_of(buf_view(&b));
    AUTO(err_free) struct err *e = vault_ask_get(&r, &ask);

    assert_null(e);
    assert_int_equal(ask.server, 3);
    assert_int_equal(ask.deadline.ms, 123456);
    assert_int_equal(ask.kind, SSH_CERT_HOST);
    assert_int_equal(ask.ttl_s, 900);
    assert_string_equal(ask.public_key, "ssh-ed25519 AAAA");
    assert_string_equal(ask.mount, "team/ssh");
    assert_string_equal(ask.role, "web");
    assert_null(ask.issuer_ref);
    assert_string_equal(ask.key_id, "me");
    assert_int_equal(text_list_len(ask.principals), 2);
    assert_string_equal(ask.principals[1], "deploy");
    assert_string_equal(ask.critical[0].name, "force-command");
    assert_string_equal(ask.critical[0].value, "ls");
    assert_null(ask.critical[1].name);
    assert_non_null(ask.extensions); /* none asked for is not the same as nothing said */
    assert_null(ask.extensions[0].name);
    assert_true(ask.role_may_choose);
    break_it(buf_view(&b), parse_ask);
}

static void what_a_request_leaves_open_stays_open(void **state)
{
    AUTO(buf_deinit) struct buf b;
    AUTO(vault_ask_deinit) struct vault_ask ask = {0};
    struct signer_request request = {.kind = SSH_CERT_USER};

    (void)state;
    buf_init(&b, 0);
    vault_ask_put(&b, 0, (struct mono){1}, "k", &request);
    struct rd r = rd_of(buf_view(&b));
    AUTO(err_free) struct err *e = vault_ask_get(&r, &ask);

    assert_null(e);
    assert_null(ask.critical);
    assert_null(ask.extensions);
    assert_false(ask.role_may_choose);
    assert_null(ask.key_id);
    assert_null(ask.principals);
    assert_string_equal(ask.mount, "");
}

static void an_answer_survives_the_way(void **state)
{
    const struct signer_answer answer = {
        .cert_line = view_cstr("cert\n"),
        .request_id = "1-2",
        .skew_s = -7,
        .has_skew = true,
        .role_chose = true,
    };
    AUTO(buf_deinit) struct buf b;
    struct signer_answer got = {0};
    AUTO(auto_free) char *request_id = NULL;

    (void)state;
    buf_init(&b, 0);
    vault_answer_put(&b, &answer);
    struct rd r = rd_of(buf_view(&b));
    AUTO(err_free) struct err *e = vault_answer_get(&r, &got, &request_id);

    assert_null(e);
    assert_true(view_is(got.cert_line, "cert\n"));
    assert_string_equal(got.request_id, "1-2");
    assert_int_equal(got.skew_s, -7);
    assert_true(got.has_skew);
    assert_true(got.role_chose);
    break_it(buf_view(&b), parse_answer);
}

static void an_answer_without_a_certificate_is_none(void **state)
{
    const struct signer_answer answer = {.cert_line = view_cstr(""), .request_id = ""};
    AUTO(buf_deinit) struct buf b;

    (void)state;
    buf_init(&b, 0);
    vault_answer_put(&b, &answer);
    assert_false(parse_answer(buf_view(&b)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_survives_the_way),
        cmocka_unit_test(what_a_request_leaves_open_stays_open),
        cmocka_unit_test(an_answer_survives_the_way),
        cmocka_unit_test(an_answer_without_a_certificate_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
