#ifndef CA_FIXTURE_H
#define CA_FIXTURE_H

/* A built-in signer "own" with a role "admin", over a token that the test plays. */
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

static inline void start(struct setting *s)
{
    fake_ok(ca_new(NULL, &s->remote, &s->conf, s->dir, &s->signer));
}

static inline void stop(struct setting *s)
{
    s->signer.ops->free(s->signer.self);
    s->signer.self = NULL;
}

static inline int set_up(void **state)
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

static inline int tear_down(void **state)
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

static inline void on_reply(void *arg, struct err *e, const struct signer_answer *answer)
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

static inline uint64_t ask(struct setting *s)
{
    return s->signer.ops->sign(s->signer.self, &s->request, mono_in(30000), on_reply, s);
}

static inline const struct ssh_cert_fields *issued(struct setting *s)
{
    assert_int_equal(ask(s), 0);
    if (s->error != NULL) {
        print_error("%s\n", err_text(s->error));
    }
    assert_non_null(s->cert);
    return ssh_cert_fields(s->cert);
}

static inline void refused(struct setting *s, enum err_code code, const char *text)
{
    unsigned asked = s->remote.asked;

    assert_int_equal(ask(s), 0);
    assert_null(s->cert);
    fake_fails(take(&s->error), code, text);
    assert_int_equal(s->remote.asked, asked);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#endif
