/*
 * How often a role is asked, and for what: Vault and the issuers' keys are played here, so that no other
 * part of the folder is in this program but sign.c, issuer.c and memo.c.
 */
#include "vault/sign.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "identity/fake_cert.h"
#include "vault/issuer.h"
#include "vault/memo.h"

static struct remote remote;
static struct remote_key *user, *ca, *other_ca;
static char *principals[] = {(char *)"deploy", NULL};
static struct ssh_cert_option pty[] = {{(char *)"permit-pty", (char *)""}, {NULL, NULL}};
static struct vault_link shared;
static struct vault_ask ask;
static struct vault_signed got;
static const char *refuses; /* in Vault's words: a request that names extensions */
static unsigned status;
static int64_t passed_ms;
static unsigned asked, asked_for_extensions, asked_for_keys;
static struct remote_key *signs;  /* the CA of the role */
static struct remote_key *issuer; /* what Vault shows as the issuer's; NULL: there is none */

struct err *vault_auth_do(struct vault_auth *a, const struct vault_api *api,
                          const struct vault_api_call *call, const char *const parts[],
                          struct vault_api_answer *ret)
{
    const json_t *extensions = json_object_get(call->body, "extensions");
    struct fake_cert c = {.key = user->public,
                          .ca = signs,
                          .principals = {"deploy"},
                          .valid_before = wall_now().s + 600};
    AUTO(auto_free) char *line = fake_cert_line(&c);

    (void)a, (void)api, (void)parts;
    assert_string_equal(call->path, "/ssh/sign/web");
    assert_null(json_object_get(call->body, "issuer_ref"));
    asked++;
    asked_for_extensions += extensions != NULL;
    if (extensions != NULL && refuses != NULL) {
        return err_native(ERR_DENIED, ERR_DOMAIN_HTTP, status, "400", "Vault says: %s", refuses);
    }
    *ret = (struct vault_api_answer){
        .root = json_pack("{s:s, s:{s:s}}", "request_id", "1", "data", "signed_key", line)};
    return NULL;
}

struct err *vault_ca_key_get(const struct vault_api *api, const char *mount, const char *name,
                             struct buf *line)
{
    AUTO(auto_free) char *text = issuer != NULL ? ssh_key_line(issuer->public, NULL) : NULL;

    (void)api;
    assert_string_equal(mount, "ssh");
    assert_string_equal(name, "second");
    asked_for_keys++;
    if (text == NULL) {
        return err_new(ERR_DENIED, "unable to find issuer for reference: second");
    }
    buf_put(line, text, strlen(text));
    return NULL;
}

static struct mono clock_now(void)
{
    return (struct mono){1000 + passed_ms};
}

static int set_up(void **state)
{
    (void)state;
    clock_set_for_test(clock_now, NULL);
    passed_ms = 0;
    user = fake_key(&remote, SSH_KEY_P256, "user");
    ca = fake_key(&remote, SSH_KEY_ED25519, "ca");
    other_ca = fake_key(&remote, SSH_KEY_ED25519, "other");
    signs = issuer = ca;
    refuses = NULL;
    status = 400;
    asked = asked_for_extensions = asked_for_keys = 0;
    assert_null(vault_memo_new(&shared.memo));
    ask = (struct vault_ask){.kind = SSH_CERT_USER,
                             .public_key = (char *)"k",
                             .mount = (char *)"ssh",
                             .role = (char *)"web",
                             .principals = principals,
                             .extensions = pty,
                             .role_may_choose = true};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    vault_memo_free(&shared.memo);
    vault_signed_deinit(&got);
    fake_remote_deinit(&remote);
    clock_set_for_test(NULL, NULL);
    return 0;
}

static struct err *sign(void)
{
    struct vault_api api = {.link = &shared};

    vault_signed_deinit(&got);
    return vault_sign(NULL, &api, &ask, &got);
}

static void expect(unsigned requests, unsigned with_extensions)
{
    assert_int_equal(asked, requests);
    assert_int_equal(asked_for_extensions, with_extensions);
}

static void a_wish_that_is_granted_is_one_request(void **state)
{
    (void)state;
    fake_ok(sign());
    assert_false(got.role_chose);
    expect(1, 1);
}

static void a_role_that_lets_nobody_choose_is_asked_twice_once(void **state)
{
    (void)state;
    refuses = "extensions [permit-pty] are not on allowed list";
    for (unsigned i = 0; i < 50; i++) {
        fake_ok(sign());
        assert_true(got.role_chose);
    }
    expect(51, 1);
    passed_ms += VAULT_SIGN_CHOICE_MS - 1;
    fake_ok(sign());
    expect(52, 1);
    passed_ms++; /* perhaps the role was changed */
    refuses = NULL;
    fake_ok(sign());
    assert_false(got.role_chose);
    expect(53, 2);
}

static void an_exact_list_is_asked_for_and_nothing_else(void **state)
{
    (void)state;
    refuses = "extensions [permit-pty] are not on allowed list";
    fake_ok(sign());
    ask.role_may_choose = false; /* what was learnt of the role is no matter */
    fake_fails(sign(), ERR_DENIED, "extensions [permit-pty] are not on allowed list");
    expect(3, 2);
}

static void what_else_is_refused_is_refused(void **state)
{
    (void)state;
    refuses = "deploy is not a valid value for valid_principals";
    fake_fails(sign(), ERR_DENIED, "valid_principals");
    refuses = "extensions [permit-pty] are not on allowed list";
    status = 500;
    fake_fails(sign(), ERR_DENIED, "not on allowed list");
    status = 403;
    fake_fails(sign(), ERR_DENIED, "with the parameter \"extensions\"");
    expect(3, 3);
}

static void an_issuer_that_is_named_has_to_sign(void **state)
{
    (void)state;
    ask.issuer_ref = (char *)"second";
    for (unsigned i = 0; i < 5; i++) {
        fake_ok(sign());
    }
    assert_int_equal(asked_for_keys, 1);
    passed_ms += VAULT_ISSUER_MS;
    fake_ok(sign());
    assert_int_equal(asked_for_keys, 2);
    signs = other_ca;
    fake_fails(sign(), ERR_INPUT, "the role \"web\" signs with the CA SHA256:");
    assert_int_equal(asked_for_keys, 3); /* before it is told */
    fake_fails(sign(), ERR_INPUT, "and not with the issuer \"second\", which is SHA256:");
    assert_null(got.cert_line);
}

static void an_issuer_that_was_replaced_is_looked_up_anew(void **state)
{
    (void)state;
    ask.issuer_ref = (char *)"second";
    fake_ok(sign());
    signs = issuer = other_ca;
    fake_ok(sign());
    fake_ok(sign());
    assert_int_equal(asked_for_keys, 2);
}

static void without_the_issuers_key_nothing_is_signed(void **state)
{
    (void)state;
    ask.issuer_ref = (char *)"second";
    issuer = NULL;
    fake_fails(sign(), ERR_DENIED, "the public key of the issuer \"second\"");
    expect(0, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_wish_that_is_granted_is_one_request),
        TEST(a_role_that_lets_nobody_choose_is_asked_twice_once),
        TEST(an_exact_list_is_asked_for_and_nothing_else),
        TEST(what_else_is_refused_is_refused),
        TEST(an_issuer_that_is_named_has_to_sign),
        TEST(an_issuer_that_was_replaced_is_looked_up_anew),
        TEST(without_the_issuers_key_nothing_is_signed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
