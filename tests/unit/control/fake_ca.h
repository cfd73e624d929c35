#ifndef CONTROL_FAKE_CA_H
#define CONTROL_FAKE_CA_H

/* The built-in signer and the audit trail, under their own names. Included by fake_parts.h. */
#include "ca/ca.h"

/* What the signer is asked to revoke, and what it says. */
static struct {
    struct ca_revocation asked;
    char key_id[64];
    struct err *error; /* of the next answer */
    struct ca_revocation list[2];
    size_t n;
} fake_ca;

static struct ca {
    const char *key; /* NULL: never seen */
    const struct err *problem;
} fake_the_ca;

struct ca *ca_of(const struct signer *s)
{
    return text_eq(s->kind, "ca") ? &fake_the_ca : NULL;
}

void ca_revoke(struct ca *ca, const struct ca_revocation *what, ca_done_fn *on_done, void *arg)
{
    (void)ca;
    fake_ca.asked = *what;
    snprintf(fake_ca.key_id, sizeof fake_ca.key_id, "%s", what->key_id != NULL ? what->key_id : "");
    on_done(arg, take(&fake_ca.error));
}

size_t ca_revocations(const struct ca *ca)
{
    (void)ca;
    return fake_ca.n;
}

const struct ca_revocation *ca_revocation_at(const struct ca *ca, size_t i)
{
    (void)ca;
    return &fake_ca.list[i];
}

const char *ca_krl_path(const struct ca *ca)
{
    (void)ca;
    return "/state/ca-own.krl";
}

const struct err *ca_problem(const struct ca *ca)
{
    return ca->problem;
}

char *ca_key_line(const struct ca *ca)
{
    return text_copy(ca->key);
}

/* The trail has two lines, or @fake_audit_broken. */
static bool fake_audit_broken;

void audit_tail(struct audit *a, size_t n, audit_lines_fn *on_done, void *arg)
{
    (void)a;
    on_done(arg, NULL,
            view_cstr(n == 1 ? "{\"seq\":2,\"event\":\"b\"}\n"
                             : "{\"seq\":1,\"event\":\"a\"}\n{\"seq\":2,\"event\":\"b\"}\n"));
}

/* Why it cannot be written; NULL: it can. */
static struct err *fake_audit_error;

const struct err *audit_error(const struct audit *a)
{
    (void)a;
    return fake_audit_error;
}

void audit_verify(struct audit *a, audit_verified_fn *on_done, void *arg)
{
    (void)a;
    on_done(arg, fake_audit_broken ? err_new(ERR_CERT, "line 2") : NULL, 2);
}

#endif
