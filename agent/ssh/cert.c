/*
 * A certificate as an object: what others may ask it, and whether its CA signed it. Reading one is
 * in cert_parse.c, judging one that was just issued in cert_prove.c, making one in cert_write.c.
 *
 * Like a key it never changes once it is parsed: copies are counted references. The blob is kept as
 * it came, because it is what clients get: a certificate is never written anew from its fields.
 */
#include "ssh/cert.h"

#include <stdlib.h>

#include "ssh/cert_priv.h"
#include "ssh/key_priv.h"
#include "ssh/line.h"

bool ssh_cert_is_blob(struct view blob)
{
    struct rd r = rd_of(blob);
    struct view name = rd_string(&r);

    return ssh_plain_name(name).len != name.len;
}

struct err *ssh_cert_from_line(const char *line, struct ssh_cert **ret)
{
    AUTO(buf_deinit) struct buf blob;

    buf_init(&blob, SSH_BLOB_MAX_BYTES);
    struct err *e = ssh_line_read(line, &blob);

    if (e != NULL) {
        return e;
    }
    e = ssh_cert_from_blob(buf_view(&blob), ret);
    return err_is(e, ERR_PROTOCOL) ? err_recode(e, ERR_INPUT) : e;
}

void ssh_cert_free(struct ssh_cert **cp)
{
    struct ssh_cert *c = take(cp);

    if (c == NULL) {
        return;
    }
    free(c->fields.key_id);
    text_list_free(&c->fields.principals);
    ssh_cert_options_free(&c->fields.critical);
    ssh_cert_options_free(&c->fields.extensions);
    ssh_key_free(&c->key);
    ssh_key_free(&c->ca);
    free((void *)c->blob.p);
    free(c);
}

static void share(struct ssh_key **own, const struct ssh_key *k)
{
    if (k != NULL && k != *own && ssh_key_eq(*own, k)) {
        ssh_key_free(own);
        *own = ssh_key_copy(k);
    }
}

void ssh_cert_share(struct ssh_cert *c, const struct ssh_key *key, const struct ssh_key *ca)
{
    share(&c->key, key);
    share(&c->ca, ca);
}

const struct ssh_cert_fields *ssh_cert_fields(const struct ssh_cert *c)
{
    return &c->fields;
}

const struct ssh_key *ssh_cert_key(const struct ssh_cert *c)
{
    return c->key;
}

const struct ssh_key *ssh_cert_ca(const struct ssh_cert *c)
{
    return c->ca;
}

struct view ssh_cert_blob(const struct ssh_cert *c)
{
    return c->blob;
}

const char *ssh_cert_type_name(const struct ssh_cert *c)
{
    static const char *const names[] = {
        [SSH_KEY_RSA] = "ssh-rsa" SSH_CERT_SUFFIX,
        [SSH_KEY_P256] = "ecdsa-sha2-nistp256" SSH_CERT_SUFFIX,
        [SSH_KEY_P384] = "ecdsa-sha2-nistp384" SSH_CERT_SUFFIX,
        [SSH_KEY_P521] = "ecdsa-sha2-nistp521" SSH_CERT_SUFFIX,
        [SSH_KEY_ED25519] = "ssh-ed25519" SSH_CERT_SUFFIX,
    };

    return names[ssh_key_type(c->key)];
}

char *ssh_cert_line(const struct ssh_cert *c, const char *comment)
{
    return ssh_line_write(ssh_cert_type_name(c), c->blob, comment);
}

struct err *ssh_cert_verify(const struct ssh_cert *c)
{
    char ca[SSH_FINGERPRINT_BYTES];
    struct err *e = ssh_sig_verify(c->ca, c->signature, c->tbs, NULL);

    if (err_is(e, ERR_DENIED) || err_is(e, ERR_PROTOCOL)) {
        e = err_recode(e, ERR_CERT);
    }
    return err_add(e, "the signature of CA %s", ssh_key_fingerprint(c->ca, ca));
}

bool ssh_cert_is_valid_at(const struct ssh_cert *c, struct wall t)
{
    return t.s >= 0 && (uint64_t)t.s >= c->fields.valid_after &&
           (uint64_t)t.s < c->fields.valid_before;
}
