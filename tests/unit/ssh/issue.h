#ifndef HF_TESTS_SSH_ISSUE_H
#define HF_TESTS_SSH_ISSUE_H

/* Certificates for the tests: signed by ssh-keygen, or made by our own writer with a soft key. */
#include "ssh/support.h"

/* Signs the .pub file of @type with @ca; further arguments of ssh-keygen -s follow. */
#define ISSUE(type, ca, ...)                                                                       \
    issue(type, (const char *const[]){"ssh-keygen", "-q", "-s", in_folder(ca), __VA_ARGS__,        \
                                      pub_path(type), NULL})

static inline const char *cert_path(enum ssh_key_type type)
{
    char name[32];

    snprintf(name, sizeof name, "%s-cert.pub", ssh_key_type_word(type));
    return in_folder(name);
}

static inline struct ssh_cert *issue(enum ssh_key_type type, const char *const *argv)
{
    struct ssh_cert *c = NULL;
    char out[1024];

    assert_int_equal(run(out, sizeof out, argv), 0);
    AUTO(auto_free) char *line = slurp(cert_path(type));

    assert_ok(ssh_cert_from_line(line, &c));
    return c;
}

/* Makes a certificate blob with our own writer. */
static inline struct err *write_cert(const struct ssh_key *key, const struct ssh_cert_fields *f,
                                     const struct soft *ca, struct buf *out)
{
    AUTO(buf_deinit) struct buf sig;
    struct err *e = ssh_cert_put_tbs(out, key, f, ca->key, view_cstr("0123456789abcdef"));

    buf_init(&sig, 0);
    if (e != NULL) {
        return e;
    }
    soft_put_sig(ca, ssh_alg_default(ssh_key_type(ca->key)), buf_view(out), &sig);
    return ssh_cert_finish(out, buf_view(&sig));
}

#endif
