/*
 * The built-in signer: what it certifies proves itself, what its role does not allow is refused in
 * words, and no serial number is ever given twice.
 */
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ca/ca.h"
#include "identity/fake_io.h"
#include "identity/fake_remote.h"

struct setting {
    struct remote remote;
    struct remote_key *ca, *user;
    char dir[16];
    char *allowed[3], *asked[3];
    struct ca_role roles[2];
    struct ca_conf conf;
    struct signer signer;
    struct signer_request request;
    /* the last answer */
    unsigned answers;
    struct err *error;
    struct ssh_cert *cert;
};

/* The audit trail, as far as this test looks at it: under the name of audit/audit.h. */
static char noted[512];

void audit_note(struct audit *a, const char *event, const struct audit_fact *facts)
{
    size_t at = (size_t)snprintf(noted, sizeof noted, "%s", event);

    (void)a;
    for (; facts->name != NULL; facts++) {
        at += facts->value == NULL ? 0
                                   : (size_t)snprintf(noted + at, sizeof noted - at, " %s=%s",
                                                      facts->name, facts->value);
        assert_true(at < sizeof noted);
    }
}

static void start(struct setting *s)
{
    fake_ok(ca_new(NULL, &s->remote, &s->conf, s->dir, &s->signer));
}

static void stop(struct setting *s)
{
    s->signer.ops->free(s->signer.self);
    s->signer.self = NULL;
}

static int set_up(void **state)
{
    static struct setting s;

    memset(&s, 0, sizeof s);
    fake_clock_start();
    s.ca = fake_key(&s.remote, SSH_KEY_P384, "ca");
    s.user = fake_key(&s.remote, SSH_KEY_ED25519, "user");
    s.allowed[0] = (char *)"root";
    s.allowed[1] = (char *)"deploy";
    s.asked[0] = (char *)"deploy";
    s.roles[0] =
        (struct ca_role){.name = "admin", .principals = s.allowed, .ttl_s = 600, .max_ttl_s = 1200};
    s.roles[1] = s.roles[0];
    s.roles[1].name = "other";
    s.conf = (struct ca_conf){.name = "own", .key_uri = "ca", .roles = s.roles, .roles_n = 1};
    s.request = (struct signer_request){
        .key = s.user->public, .kind = SSH_CERT_USER, .principals = s.asked};
    strcpy(s.dir, "ca.XXXXXX");
    assert_non_null(mkdtemp(s.dir));
    start(&s);
    *state = &s;
    return 0;
}

static int tear_down(void **state)
{
    struct setting *s = *state;
    AUTO(auto_free) char *remove = text_fmt("rm -r '%s'", s->dir);

    if (s->signer.self != NULL) {
        stop(s);
    }
    ssh_cert_free(&s->cert);
    err_free(&s->error);
    fake_remote_deinit(&s->remote);
    assert_int_equal(system(remove), 0);
    clock_set_for_test(NULL, NULL);
    return 0;
}

static void on_reply(void *arg, struct err *e, const struct signer_answer *answer)
{
    struct setting *s = arg;

    s->answers++;
    err_free(&s->error);
    ssh_cert_free(&s->cert);
    s->error = e;
    if (e == NULL) {
        AUTO(auto_free) char *line = view_dup(answer->cert_line);

        fake_ok(ssh_cert_from_line(line, &s->cert));
        assert_false(answer->has_skew);
    }
}

static uint64_t ask(struct setting *s)
{
    return s->signer.ops->sign(s->signer.self, &s->request, mono_in(30000), on_reply, s);
}

static const struct ssh_cert_fields *issued(struct setting *s)
{
    assert_int_equal(ask(s), 0);
    if (s->error != NULL) {
        print_error("%s\n", err_text(s->error));
    }
    assert_non_null(s->cert);
    return ssh_cert_fields(s->cert);
}

static void refused(struct setting *s, enum err_code code, const char *text)
{
    unsigned asked = s->remote.asked;

    assert_int_equal(ask(s), 0);
    assert_null(s->cert);
    fake_fails(take(&s->error), code, text);
    assert_int_equal(s->remote.asked, asked);
}

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

/* --- revoking ----------------------------------------------------------------------------------- */

static void on_revoked(void *arg, struct err *e)
{
    struct setting *s = arg;

    err_free(&s->error);
    s->error = e;
    s->answers++;
}

static void take_back(struct setting *s, uint64_t serial, const char *key_id, int64_t until)
{
    struct ca_revocation what = {
        .serial = serial, .key_id = key_id, .reason = "lost", .until = {until}};
    unsigned before = s->answers;

    ca_revoke(ca_of(&s->signer), &what, on_revoked, s);
    fake_pass(0);
    assert_int_equal(s->answers, before + 1);
}

/* OpenSSH's own opinion: 0 is fine, 1 is revoked. */
static int ask_openssh(struct setting *s, const struct ssh_cert *cert)
{
    AUTO(auto_free) char *line = ssh_cert_line(cert, NULL);
    AUTO(auto_free) char *path = text_fmt("%s/x-cert.pub", s->dir);
    AUTO(auto_free) char *command =
        text_fmt("ssh-keygen -Q -f '%s' '%s' >/dev/null", ca_krl_path(ca_of(&s->signer)), path);

    fake_pass(0);
    fake_ok(file_replace(path, view_cstr(line), 0600));
    int status = system(command);

    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static struct ssh_cert *issue_copy(struct setting *s)
{
    issued(s);
    return take(&s->cert);
}

static void openssh_refuses_what_is_revoked(void **state)
{
    struct setting *s = *state;
    AUTO(ssh_cert_free) struct ssh_cert *good = issue_copy(s);
    AUTO(ssh_cert_free) struct ssh_cert *bad = issue_copy(s);

    s->request.key_id = "laptop";
    AUTO(ssh_cert_free) struct ssh_cert *named = issue_copy(s);

    assert_int_equal(ask_openssh(s, bad), 0); /* the list is there, and empty */
    take_back(s, ssh_cert_fields(bad)->serial, NULL, 0);
    assert_null(s->error);
    assert_non_null(strstr(noted, "certificate-revoked ca=own serial="));
    take_back(s, 0, "laptop", 0);
    assert_null(s->error);
    assert_int_equal(ask_openssh(s, good), 0);
    assert_int_equal(ask_openssh(s, bad), 1);
    assert_int_equal(ask_openssh(s, named), 1);
    stop(s);
    start(s);
    assert_int_equal(ca_revocations(ca_of(&s->signer)), 2);
    assert_string_equal(ca_revocation_at(ca_of(&s->signer), 0)->reason, "lost");
    assert_int_equal(ask_openssh(s, good), 0);
    assert_int_equal(ask_openssh(s, bad), 1);
}

static void revoked_stays_revoked_when_the_ca_gets_another_key(void **state)
{
    struct setting *s = *state;
    AUTO(ssh_cert_free) struct ssh_cert *old = issue_copy(s);

    take_back(s, ssh_cert_fields(old)->serial, NULL, 0);
    fake_drop(&s->remote, s->ca);
    s->ca = fake_key(&s->remote, SSH_KEY_ED25519, "ca");
    AUTO(ssh_cert_free) struct ssh_cert *new = issue_copy(s);

    assert_int_equal(ask_openssh(s, new), 0);
    take_back(s, ssh_cert_fields(new)->serial, NULL, 0);
    assert_int_equal(ask_openssh(s, new), 1);
    assert_int_equal(ask_openssh(s, old), 1);
}

static void revoking_twice_is_once(void **state)
{
    struct setting *s = *state;
    uint64_t serial = issued(s)->serial;

    take_back(s, serial, NULL, 0);
    take_back(s, serial, NULL, 0);
    assert_null(s->error);
    assert_int_equal(ca_revocations(ca_of(&s->signer)), 1);
}

static void what_has_ended_leaves_the_list(void **state)
{
    struct setting *s = *state;
    uint64_t first = issued(s)->serial, second = issued(s)->serial;

    take_back(s, first, NULL, wall_now().s - 25 * 3600);
    take_back(s, second, NULL, wall_now().s + 60);
    assert_int_equal(ca_revocations(ca_of(&s->signer)), 1);
    assert_true(ca_revocation_at(ca_of(&s->signer), 0)->serial == second);
}

static void revoking_nonsense_is_refused(void **state)
{
    struct setting *s = *state;

    take_back(s, 0, NULL, 0);
    fake_fails(take(&s->error), ERR_INPUT, "neither a serial number nor a key id");
    take_back(s, issued(s)->serial + 100000, NULL, 0);
    fake_fails(take(&s->error), ERR_INPUT, "never gave the serial number");
    stop(s);
    AUTO(auto_free) char *path = text_fmt("%s/ca-own.revoked", s->dir);

    unlink(path);
    s->remote.find_fails = ERR_GONE;
    start(s);
    take_back(s, 0, "laptop", 0);
    fake_fails(take(&s->error), ERR_GONE, "plug its token in");
    s->remote.find_fails = 0;
}

static void a_damaged_list_is_an_error(void **state)
{
    static const char *const bad[] = {"",
                                      "{}",
                                      "[]",
                                      "{\"version\":1,\"revoked\":[{}]}",
                                      "{\"version\":1,\"revoked\":[{\"serial\":\"1\"}]}",
                                      "{\"version\":1,\"ca\":\"x\",\"revoked\":[]}"};
    struct setting *s = *state;
    AUTO(auto_free) char *path = text_fmt("%s/ca-own.revoked", s->dir);

    stop(s);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        fake_ok(file_replace(path, view_cstr(bad[i]), 0600));
        fake_fails(ca_new(NULL, &s->remote, &s->conf, s->dir, &s->signer), ERR_STORE, "ca-own");
    }
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

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(its_certificates_prove_themselves),
        TEST(every_key_type_may_be_a_ca),
        TEST(takes_what_was_asked_within_the_role),
        TEST(refuses_what_the_role_does_not_allow),
        TEST(roles_may_allow_anyone_and_limit_extensions),
        TEST(a_host_certificate_has_no_extensions),
        TEST(among_several_roles_one_must_be_named),
        TEST(failures_of_the_token_come_through),
        TEST(a_cancelled_request_is_not_answered),
        TEST(serials_rise_over_restarts),
        TEST(serials_go_on_from_the_mark),
        TEST(without_a_file_they_begin_at_the_time_of_day),
        TEST(a_damaged_mark_is_an_error),
        TEST(what_cannot_be_reserved_is_not_given),
        TEST(openssh_refuses_what_is_revoked),
        TEST(revoked_stays_revoked_when_the_ca_gets_another_key),
        TEST(revoking_twice_is_once),
        TEST(what_has_ended_leaves_the_list),
        TEST(revoking_nonsense_is_refused),
        TEST(a_damaged_list_is_an_error),
        TEST(refuses_a_configuration_without_sense),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
