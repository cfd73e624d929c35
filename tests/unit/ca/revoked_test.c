/* What the built-in signer takes back: OpenSSH refuses it, and no restart forgets it. */
#include "ca/fixture.h"

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

static void each_of_many_at_once_is_told(void **state)
{
    struct setting *s = *state;
    uint64_t first = issued(s)->serial, second = issued(s)->serial;
    const struct ca_revocation what[] = {{.serial = first}, {.serial = second}};
    unsigned before = s->answers;

    for (size_t i = 0; i < ARRAY_LEN(what); i++) { /* the second list replaces the first */
        ca_revoke(ca_of(&s->signer), &what[i], on_revoked, s);
    }
    fake_pass(0);
    assert_int_equal(s->answers, before + 2);
    assert_null(s->error);
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

static bool says(struct setting *s, const char *part)
{
    const struct err *e = ca_problem(ca_of(&s->signer));

    return e != NULL && strstr(err_text(e), part) != NULL;
}

/* A folder stands where a file should be: at the start nobody waits for the writing. */
static void what_cannot_be_written_is_a_problem_until_it_can(void **state)
{
    struct setting *s = *state;
    AUTO(auto_free) char *own = text_fmt("%s/ca-own.revoked", s->dir);
    const char *krl = "nowhere.krl/in";

    fake_pass(0);
    assert_null(ca_problem(ca_of(&s->signer)));
    stop(s);
    s->conf.krl = krl;
    start(s);
    fake_pass(0);
    assert_true(says(s, krl));
    stop(s);
    s->conf.krl = NULL;
    unlink(own);
    assert_int_equal(mkdir(own, 0700), 0);
    fake_fails(ca_new(NULL, &s->remote, &s->conf, s->dir, &s->signer), ERR_STORE, own);
    assert_int_equal(rmdir(own), 0);
    start(s);
    assert_int_equal(mkdir(own, 0700), 0);
    uint64_t serial = issued(s)->serial; /* the key is seen, and to be remembered */

    fake_pass(0);
    assert_true(says(s, own));
    assert_int_equal(rmdir(own), 0);
    take_back(s, serial, NULL, 0);
    assert_null(s->error);
    assert_null(ca_problem(ca_of(&s->signer)));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(openssh_refuses_what_is_revoked),
        TEST(revoked_stays_revoked_when_the_ca_gets_another_key),
        TEST(revoking_twice_is_once),
        TEST(each_of_many_at_once_is_told),
        TEST(what_has_ended_leaves_the_list),
        TEST(revoking_nonsense_is_refused),
        TEST(what_cannot_be_written_is_a_problem_until_it_can),
        TEST(a_damaged_list_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
