/* What an identity may be configured to be, and that nothing of the configuration is kept. */
#include "identity/fixture.h"

static void refused(const char *text, void (*change)(struct fixture *f))
{
    struct fixture f;

    fixture_init(&f);
    f.conf[1] = f.conf[0];
    f.conf[1].name = "db";
    f.conf_n = 2;
    change(&f);
    fake_fails(identity_set_new(NULL, &f.remote, f.conf, f.conf_n, f.dir, NULL, NULL, &f.set),
               ERR_INPUT, text);
    assert_null(f.set);
    fixture_deinit(&f);
}

static void same_name(struct fixture *f)
{
    f->conf[1].name = "web";
}

static void bad_name(struct fixture *f)
{
    f->conf[1].name = "../web";
}

static void no_principals(struct fixture *f)
{
    f->principals[0] = NULL;
}

static void null_principals(struct fixture *f)
{
    f->wants[0].request.principals = NULL;
}

static void empty_principal(struct fixture *f)
{
    f->principals[1] = (char *)"";
}

static void no_signer(struct fixture *f)
{
    f->wants[0].signer = NULL;
}

static void negative_ttl(struct fixture *f)
{
    f->wants[0].request.ttl_s = -1;
}

static void refuses_and_says_why(void **state)
{
    (void)state;
    refused("two identities are named 'web'", same_name);
    refused("'../web' is no name", bad_name);
    refused("identity 'web': the certificate of 'vault' names no principals", no_principals);
    refused("names no principals", null_principals);
    refused("empty principal", empty_principal);
    refused("without a signer", no_signer);
    refused("negative lifetime", negative_ttl);
}

static void keeps_a_deep_copy(void **state)
{
    struct fixture f;
    char principal[] = "root", role[] = "admin", mount[] = "ssh", key_id[] = "id";
    struct ssh_cert_option options[] = {{(char *)"force-command", (char *)"true"}, {NULL, NULL}};

    (void)state;
    fixture_init(&f);
    f.principals[0] = principal;
    f.wants[0].request.role = role;
    f.wants[0].request.mount = mount;
    f.wants[0].request.key_id = key_id;
    f.wants[0].request.critical = options;
    f.wants[0].request.extensions = options;
    f.wants[0].request.role_may_choose = true;
    fixture_start(&f);
    memset(principal, 'x', 4);
    memset(role, 'x', 5);
    memset(mount, 'x', 3);
    memset(key_id, 'x', 2);
    options[0].value = NULL;

    const struct signer_request *r = &identity_cert_want(fixture_cert(&f))->request;

    assert_string_equal(r->principals[0], "root");
    assert_string_equal(r->role, "admin");
    assert_string_equal(r->mount, "ssh");
    assert_string_equal(r->key_id, "id");
    assert_string_equal(r->critical[0].value, "true");
    assert_string_equal(r->extensions[0].name, "force-command");
    assert_true(r->role_may_choose);
    assert_null(r->issuer_ref);
    assert_null(r->key);
    fixture_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_and_says_why),
        cmocka_unit_test(keeps_a_deep_copy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
