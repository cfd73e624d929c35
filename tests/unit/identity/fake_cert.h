#ifndef FAKE_CERT_H
#define FAKE_CERT_H

/* Certificates as a signer would issue them, each field as a test wants it. */
#include "identity/fake_remote.h"

struct fake_cert {
    const struct ssh_key *key;
    const struct remote_key *ca;
    const char *principals[4];
    int64_t valid_after, valid_before;
    uint64_t serial;
    enum ssh_cert_kind kind; /* 0: user */
    bool spoil;              /* break the CA's signature */
    const struct ssh_cert_option *extensions;
};

/* fake_cert_blob() - appends to @out */
static inline void fake_cert_blob(const struct fake_cert *c, struct buf *out)
{
    AUTO(buf_deinit) struct buf sig;
    uint8_t raw[2048];
    enum ssh_alg alg = ssh_alg_default(ssh_key_type(c->ca->public));
    struct ssh_cert_fields fields = {
        .serial = c->serial,
        .kind = c->kind != 0 ? c->kind : SSH_CERT_USER,
        .key_id = (char *)"fake",
        .principals = (char **)c->principals,
        .valid_after = (uint64_t)c->valid_after,
        .valid_before = (uint64_t)c->valid_before,
        .extensions = (struct ssh_cert_option *)c->extensions,
    };

    buf_init(&sig, 0);
    fake_ok(ssh_cert_put_tbs(out, c->key, &fields, c->ca->public, view_cstr("0123456789abcdef")));
    struct view v = fake_raw(c->ca, alg, buf_view(out), raw);

    raw[5] = (uint8_t)(raw[5] ^ (c->spoil ? 1 : 0));
    fake_ok(ssh_sig_put(&sig, c->ca->public, alg, v));
    fake_ok(ssh_cert_finish(out, buf_view(&sig)));
}

/* fake_cert_line() - as a signer sends it (caller owns) */
static inline char *fake_cert_line(const struct fake_cert *c)
{
    AUTO(buf_deinit) struct buf blob;
    AUTO(ssh_cert_free) struct ssh_cert *cert = NULL;
    AUTO(auto_free) char *line = NULL;

    buf_init(&blob, 0);
    fake_cert_blob(c, &blob);
    fake_ok(ssh_cert_from_blob(buf_view(&blob), &cert));
    line = ssh_cert_line(cert, NULL);
    assert_non_null(line);
    return text_fmt("%s\n", line);
}

#endif
