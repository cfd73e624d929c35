/*
 * One certificate for one key: the parts of it, each of which waits for somebody else. The order is the
 * caller's, because what stands between them differs: an enrolling machine tries its server between
 * the request and the answer.
 *
 * Storing cannot be called off. So this object stays until the token has answered, and then tells
 * nobody.
 */
#include "enroll/x509.h"

#include <stdlib.h>

struct enroll_x509 {
    struct enroll_x509_conf conf; /* strings, lists, and the reference are owned */
    struct enroll_csr *csr;
    char *csr_pem, *cert_pem, *chain_pem;
    struct enroll_cert cert;
    uint64_t sign, call; /* of remote/ and vault/; 0: none */
    bool storing, gone;
    enroll_done_fn *on_done;
    void *arg;
};

static void x509_free(struct enroll_x509 *x)
{
    remote_key_unref(&x->conf.key);
    free((char *)x->conf.subject.common_name);
    text_list_free((char ***)&x->conf.subject.alt_names);
    free((char *)x->conf.mount);
    free((char *)x->conf.role);
    free((char *)x->conf.ca_pem);
    enroll_csr_free(&x->csr);
    free(x->csr_pem);
    free(x->cert_pem);
    free(x->chain_pem);
    enroll_cert_deinit(&x->cert);
    free(x);
}

void enroll_x509_free(struct enroll_x509 **xp)
{
    struct enroll_x509 *x = take(xp);

    if (x == NULL) {
        return;
    }
    remote_cancel(x->conf.remote, x->sign);
    vault_cancel(x->conf.vault, x->call);
    x->gone = true;
    if (!x->storing) {
        x509_free(x);
    }
}

/* Names as they go to the server: each with its kind. */
static struct err *copy_conf(const struct enroll_x509_conf *from, struct enroll_x509_conf *to)
{
    *to = *from;
    to->key = remote_key_ref(from->key);
    to->subject.common_name = text_copy(from->subject.common_name);
    to->mount = text_copy(from->mount);
    to->role = text_copy(from->role);
    to->ca_pem = text_copy(from->ca_pem);
    to->subject.alt_names = NULL;
    struct err *e = enroll_names_full(from->subject.alt_names, (char ***)&to->subject.alt_names);

    return e != NULL ? e
           : to->subject.common_name == NULL || to->mount == NULL || to->role == NULL ||
                   (from->ca_pem != NULL && to->ca_pem == NULL)
               ? err_new(ERR_INPUT, "a certificate needs a common name, and a mount and role of a "
                                    "PKI engine")
               : NULL;
}

struct err *enroll_x509_new(const struct enroll_x509_conf *conf, struct enroll_x509 **ret)
{
    AUTO(enroll_x509_free) struct enroll_x509 *x = calloc(1, sizeof *x);

    if (x == NULL) {
        return err_nomem();
    }
    struct err *e = copy_conf(conf, &x->conf);

    if (e == NULL) {
        e = enroll_csr_new(remote_key_public(conf->key), &x->conf.subject, &x->csr);
    }
    if (e == NULL) {
        *ret = take(&x);
    }
    return e;
}

static void wait_for(struct enroll_x509 *x, enroll_done_fn *on_done, void *arg)
{
    x->on_done = on_done;
    x->arg = arg;
}

/* --- the request -------------------------------------------------------------------------------- */

static void on_signed(void *arg, struct err *e, struct view raw)
{
    struct enroll_x509 *x = arg;

    x->sign = 0;
    if (e == NULL) {
        auto_free(&x->csr_pem);
        e = enroll_csr_finish(x->csr, raw, &x->csr_pem);
    }
    x->on_done(x->arg, e); /* may free x */
}

void enroll_x509_request(struct enroll_x509 *x, enroll_done_fn *on_done, void *arg)
{
    enum scheme scheme = SCHEME_ES256;
    struct err *e = enroll_csr_scheme(remote_key_public(x->conf.key), &scheme);

    wait_for(x, on_done, arg);
    if (e != NULL) {
        on_done(arg, e);
        return;
    }
    uint64_t sign =
        remote_sign_scheme(x->conf.remote, x->conf.key, scheme, enroll_csr_message(x->csr),
                           x->conf.deadline, (uintptr_t)x, on_signed, x);

    if (sign != 0) { /* else it is answered, and x may be gone */
        x->sign = sign;
    }
}

/* --- the answer --------------------------------------------------------------------------------- */

static void on_issued(void *arg, struct err *e, const struct vault_pki_answer *answer)
{
    struct enroll_x509 *x = arg;

    x->call = 0;
    if (e == NULL) {
        auto_free(&x->cert_pem);
        auto_free(&x->chain_pem);
        x->cert_pem = text_copy(answer->cert_pem);
        x->chain_pem = text_copy(answer->chain_pem);
        e = x->cert_pem != NULL && x->chain_pem != NULL ? NULL : err_nomem();
    }
    x->on_done(x->arg, e);
}

void enroll_x509_issue(struct enroll_x509 *x, const struct vault_target *target,
                       enroll_done_fn *on_done, void *arg)
{
    const struct vault_pki_request q = {
        .target = *target,
        .mount = x->conf.mount,
        .role = x->conf.role,
        .csr_pem = x->csr_pem,
        .common_name = x->conf.subject.common_name,
        .alt_names = x->conf.subject.alt_names,
        .ttl_s = x->conf.ttl_s,
        .deadline = x->conf.deadline,
    };

    wait_for(x, on_done, arg);
    uint64_t call = vault_pki_sign(x->conf.vault, &q, on_issued, x);

    if (call != 0) {
        x->call = call;
    }
}

struct err *enroll_x509_prove(struct enroll_x509 *x)
{
    const struct enroll_asked asked = {
        .key = remote_key_public(x->conf.key),
        .subject = x->conf.subject,
        .ttl_s = x->conf.ttl_s,
        .ca_pem = x->conf.ca_pem,
        .now = wall_now(),
    };

    enroll_cert_deinit(&x->cert);
    return enroll_prove(&asked, x->cert_pem, x->chain_pem, &x->cert);
}

const struct enroll_cert *enroll_x509_cert(const struct enroll_x509 *x)
{
    return &x->cert;
}

/* --- the token ---------------------------------------------------------------------------------- */

static void on_stored(void *arg, struct err *e)
{
    struct enroll_x509 *x = arg;

    x->storing = false;
    if (x->gone) {
        err_free(&e);
        x509_free(x);
        return;
    }
    x->on_done(x->arg, e);
}

void enroll_x509_store(struct enroll_x509 *x, enroll_done_fn *on_done, void *arg)
{
    AUTO(buf_deinit) struct buf pile;

    wait_for(x, on_done, arg);
    buf_init(&pile, 0);
    struct err *e = enroll_cert_pile(&x->cert, &pile);

    if (e != NULL) {
        on_done(arg, e);
        return;
    }
    x->storing = true;
    remote_cert_store(x->conf.remote, x->conf.key, buf_view(&pile), on_stored, x);
}
