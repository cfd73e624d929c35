/*
 * The built-in signer: what it certifies proves itself, what its role does not allow is refused in
 * words, and no serial number is ever given twice.
 */
#include "ca/fixture.h"

static void its_certificates_prove_themselves(void **state)
{
    struct setting *s = *state;
    const struct ssh_cert_fields *f = issued(s);

    fake_ok(ssh_cert_prove(s->cert,
                           &(struct ssh_cert_wanted){.key = s->user->public,
                                                     .kind = SSH_CERT_USER,
                                                     .principals = s->asked,
                                                     .ca = s->ca->public,
                                                     .min_left_s = 600,
                                                     .max_ttl_s = 600},
                           wall_now()));
    assert_int_equal(f->valid_after, wall_now().s - 30);
    assert_int_equal(f->valid_before, wall_now().s + 600);
    assert_non_null(strstr(f->key_id, "own/admin:SHA256:"));
    assert_int_equal(ssh_cert_options_len(f->extensions), 5);
    assert_int_equal(ssh_cert_options_len(f->critical), 0);
    assert_string_equal(s->signer.name, "own");
    assert_string_equal(s->signer.kind, "ca");
    assert_non_null(strstr(noted, "certificate-issued ca=own role=admin type=user serial="));
    assert_non_null(strstr(noted, " principals=deploy valid_before=2027-"));
}

static void every_key_type_may_be_a_ca(void **state)
{
    struct setting *s = *state;

    for (int type = SSH_KEY_RSA; type <= SSH_KEY_ED25519; type++) {
        fake_drop(&s->remote, s->ca);
        s->ca = fake_key(&s->remote, (enum ssh_key_type)type, "ca");
        issued(s);
        fake_ok(ssh_cert_verify(s->cert));
        assert_true(ssh_key_eq(ssh_cert_ca(s->cert), s->ca->public));
    }
}

static void takes_what_was_asked_within_the_role(void **state)
{
    struct ssh_cert_option critical[] = {{(char *)"force-command", (char *)"true"}, {NULL, NULL}};
    struct ssh_cert_option extensions[] = {{(char *)"permit-pty", (char *)""}, {NULL, NULL}};
    struct setting *s = *state;

    s->asked[1] = (char *)"root";
    s->request.role = "admin";
    s->request.ttl_s = 1200;
    s->request.key_id = "mine";
    s->request.critical = critical;
    s->request.extensions = extensions;
    const struct ssh_cert_fields *f = issued(s);

    assert_int_equal(text_list_len(f->principals), 2);
    assert_int_equal(f->valid_before, wall_now().s + 1200);
    assert_string_equal(f->key_id, "mine");
    assert_string_equal(f->critical[0].value, "true");
    assert_int_equal(ssh_cert_options_len(f->extensions), 1);
}

static void refuses_what_the_role_does_not_allow(void **state)
{
    struct ssh_cert_option odd[] = {{(char *)"no-such@example.org", (char *)""}, {NULL, NULL}};
    struct setting *s = *state;

    s->asked[1] = (char *)"admin";
    refused(s, ERR_DENIED, "role 'admin' does not certify the principal 'admin'");
    s->asked[1] = (char *)"*"; /* a principal like others, unless the role says so */
    refused(s, ERR_DENIED, "principal '*'");
    s->asked[1] = (char *)"";
    refused(s, ERR_DENIED, "principal ''");
    s->asked[0] = NULL;
    refused(s, ERR_DENIED, "no principals");
    s->asked[0] = (char *)"root";
    s->asked[1] = NULL;
    s->request.ttl_s = 1201;
    refused(s, ERR_DENIED, "for 20m at most, 20m 1s was asked for");
    s->request.ttl_s = -1;
    refused(s, ERR_DENIED, "at most");
    s->request.ttl_s = 0;
    s->request.extensions = odd;
    refused(s, ERR_DENIED, "does not give the extension 'no-such@example.org'");
    s->request.extensions = NULL;
    s->request.role = "no-such";
    refused(s, ERR_INPUT, "signer own: there is no role 'no-such'");
    s->request.role = NULL;
    s->request.key = s->ca->public;
    refused(s, ERR_DENIED, "CA's own key");
}

static void roles_may_allow_anyone_and_limit_extensions(void **state)
{
    struct ssh_cert_option only[] = {{(char *)"permit-pty", (char *)""}, {NULL, NULL}};
    struct setting *s = *state;

    stop(s);
    s->allowed[0] = (char *)"*";
    s->roles[0].extensions = only;
    s->roles[0].ttl_s = s->roles[0].max_ttl_s = 0;
    start(s);
    s->asked[0] = (char *)"anybody";
    const struct ssh_cert_fields *f = issued(s);

    assert_int_equal(ssh_cert_options_len(f->extensions), 1);
    assert_int_equal(f->valid_before, wall_now().s + CA_TTL_S);
    s->request.ttl_s = CA_TTL_MAX_S + 1;
    refused(s, ERR_DENIED, "at most");
}

static void a_wish_is_granted_or_nothing_given(void **state)
{
    struct ssh_cert_option pty[] = {{(char *)"permit-pty", (char *)""}, {NULL, NULL}};
    struct ssh_cert_option only[] = {{(char *)"permit-user-rc", (char *)""}, {NULL, NULL}};
    struct setting *s = *state;

    s->request.extensions = pty;
    s->request.role_may_choose = true;
    const struct ssh_cert_fields *f = issued(s);

    assert_int_equal(ssh_cert_options_len(f->extensions), 1);
    assert_string_equal(f->extensions[0].name, "permit-pty");
    stop(s);
    s->roles[0].extensions = only;
    start(s);
    assert_int_equal(ssh_cert_options_len(issued(s)->extensions), 0);
    s->request.role_may_choose = false;
    refused(s, ERR_DENIED, "does not give the extension 'permit-pty'");
    s->request.extensions = NULL; /* as the role gives */
    assert_int_equal(ssh_cert_options_len(issued(s)->extensions), 1);
}

static void a_host_certificate_has_no_extensions(void **state)
{
    struct setting *s = *state;

    s->request.kind = SSH_CERT_HOST;
    const struct ssh_cert_fields *f = issued(s);

    assert_int_equal(f->kind, SSH_CERT_HOST);
    assert_int_equal(ssh_cert_options_len(f->extensions), 0);
}

static void among_several_roles_one_must_be_named(void **state)
{
    struct setting *s = *state;

    stop(s);
    s->conf.roles_n = 2;
    start(s);
    refused(s, ERR_INPUT, "a role must be named");
    s->request.role = "other";
    issued(s);
}

static void failures_of_the_token_come_through(void **state)
{
    struct setting *s = *state;

    s->remote.find_fails = ERR_GONE;
    refused(s, ERR_GONE, "signer own: the CA's key");
    s->remote.find_fails = 0;
    s->remote.sign_fails = ERR_TIMEOUT;
    assert_int_equal(ask(s), 0);
    fake_fails(take(&s->error), ERR_TIMEOUT, "signer own");
}

/* Once each time that it came, however often one looks. */
static void tells_that_its_key_came(void **state)
{
    struct setting *s = *state;
    struct ca *ca = ca_of(&s->signer);

    s->remote.find_fails = ERR_NOT_FOUND;
    assert_false(ca_look(ca));
    s->remote.find_fails = 0;
    s->ca->usable = false;
    assert_false(ca_look(ca));
    s->ca->usable = true;
    assert_true(ca_look(ca));
    assert_false(ca_look(ca));
    s->remote.find_fails = ERR_GONE;
    assert_false(ca_look(ca));
    s->remote.find_fails = 0;
    assert_true(ca_look(ca));
}

static void a_cancelled_request_is_not_answered(void **state)
{
    struct setting *s = *state;
    uint64_t first, second;

    s->remote.hold = true;
    first = ask(s);
    second = ask(s);
    assert_true(first != 0 && second != 0 && first != second);
    s->signer.ops->cancel(s->signer.self, first);
    assert_int_equal(s->remote.cancelled, 1);
    fake_release(&s->remote, 0);
    assert_int_equal(s->answers, 1);
    assert_non_null(s->cert);
    ask(s);
    stop(s); /* the end cancels the rest */
    assert_int_equal(s->remote.cancelled, 2);
}

static void serials_rise_over_restarts(void **state)
{
    struct setting *s = *state;
    uint64_t last = 0;

    for (int run = 0; run < 3; run++) {
        for (int n = 0; n < 5; n++) {
            uint64_t serial = issued(s)->serial;

            assert_true(serial > last);
            last = serial;
        }
        stop(s);
        start(s);
    }
}

static void put_mark(struct setting *s, const char *text)
{
    AUTO(auto_free) char *path = text_fmt("%s/ca-own.serial", s->dir);

    stop(s);
    unlink(path);
    if (text != NULL) {
        fake_ok(file_replace(path, view_cstr(text), 0600));
    }
}

static void serials_go_on_from_the_mark(void **state)
{
    AUTO(buf_deinit) struct buf text;
    struct setting *s = *state;
    AUTO(auto_free) char *path = text_fmt("%s/ca-own.serial", s->dir);

    buf_init(&text, 0);
    put_mark(s, "5000\n");
    start(s);
    for (uint64_t n = 0; n < 3000; n++) { /* over two borders */
        assert_int_equal(issued(s)->serial, 5000 + n);
        fake_pass(0);
    }
    fake_ok(file_read(path, 100, &text));
    assert_true(view_is(buf_view(&text), "9096\n"));
}

static void without_a_file_they_begin_at_the_time_of_day(void **state)
{
    struct setting *s = *state;

    put_mark(s, NULL);
    start(s);
    assert_true(issued(s)->serial == (uint64_t)wall_now().s * 65536);
}

static void a_damaged_mark_is_an_error(void **state)
{
    static const char *const bad[] = {"",    "\n", "12", "12a\n", "-1\n", "99999999999999999999\n",
                                      "1 \n"};
    struct setting *s = *state;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        put_mark(s, bad[i]);
        fake_fails(ca_new(NULL, &s->remote, &s->conf, s->dir, &s->signer), ERR_STORE, "ca-own");
        put_mark(s, "1\n");
        start(s);
    }
}

static void what_cannot_be_reserved_is_not_given(void **state)
{
    struct setting *s = *state;
    AUTO(auto_free) char *path = text_fmt("%s/ca-own.serial", s->dir);

    put_mark(s, NULL);
    start(s);
    assert_int_equal(mkdir(path, 0700), 0); /* no file can be renamed onto it */
    refused(s, ERR_STORE, "reserve serial numbers");
    assert_int_equal(rmdir(path), 0);
    issued(s);
}

static void refuses_a_configuration_without_sense(void **state)
{
    struct setting *s = *state;

    stop(s);
    s->conf.roles_n = 0;
    fake_fails(ca_new(NULL, &s->remote, &s->conf, s->dir, &s->signer), ERR_INPUT, "no roles");
    s->conf.roles_n = 1;
    s->allowed[0] = NULL;
    fake_fails(ca_new(NULL, &s->remote, &s->conf, s->dir, &s->signer), ERR_INPUT, "principals");
    s->allowed[0] = (char *)"root";
    s->conf.name = "a/b";
    fake_fails(ca_new(NULL, &s->remote, &s->conf, s->dir, &s->signer), ERR_INPUT, "name");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(its_certificates_prove_themselves),
        TEST(every_key_type_may_be_a_ca),
        TEST(takes_what_was_asked_within_the_role),
        TEST(refuses_what_the_role_does_not_allow),
        TEST(roles_may_allow_anyone_and_limit_extensions),
        TEST(a_wish_is_granted_or_nothing_given),
        TEST(a_host_certificate_has_no_extensions),
        TEST(among_several_roles_one_must_be_named),
        TEST(failures_of_the_token_come_through),
        TEST(tells_that_its_key_came),
        TEST(a_cancelled_request_is_not_answered),
        TEST(serials_rise_over_restarts),
        TEST(serials_go_on_from_the_mark),
        TEST(without_a_file_they_begin_at_the_time_of_day),
        TEST(a_damaged_mark_is_an_error),
        TEST(what_cannot_be_reserved_is_not_given),
        TEST(refuses_a_configuration_without_sense),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
