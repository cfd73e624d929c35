/*
 * The signatures that holdfast-vault asks for, to log in with a key on a token.
 *
 * It speaks with the network and is not trusted with a key. What it wants signed is the whole message; it
 * has to be for the login key of the very server that it logs in to, of a shape that this login needs and
 * SSH does not (policy/statement.h), and one of no more than so many a minute; a JWT says what the
 * configuration of that server has it say, and nothing else. A key that is an SSH identity's as well
 * signs no login unless the configuration says that they are one. Each answer, yes or no, is in the audit
 * trail.
 */
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "daemon/bind_login_impl.h"

enum { MINUTE_MS = 60 * 1000 };

static const uint64_t flow = 0x6c6f67696e; /* "login": no connection's number */

static void note(const struct bind_login *b, const struct vault_question *q, const char *statement,
                 const struct err *e)
{
    const struct audit_fact facts[] = {
        {"server", q->server},
        {"key", q->key},
        {"statement", statement},
        {"scheme", scheme_name(q->scheme)},
        {"result", e == NULL ? "signed" : err_text(e)},
        {NULL, NULL},
    };

    audit_note(b->deps.audit, "login-signature", facts);
}

static void signing_free(struct signing *s)
{
    LIST_REMOVE(s, link);
    free(s->server);
    free(s->key);
    free(s);
}

static void on_signed(void *arg, struct err *e, struct view raw)
{
    struct signing *s = arg;
    struct bind_login *b = s->b;
    const struct vault_question q = {.server = s->server, .key = s->key, .scheme = s->scheme};

    note(b, &q, policy_statement_name(s->statement), e);
    vault_answer(b->deps.vault, s->question, e, raw);
    signing_free(s);
}

/* SubjectPublicKeyInfo, in DER. */
static struct err *put_spki(const struct ssh_key *key, struct buf *out)
{
    unsigned char *der = NULL;
    int len = i2d_PUBKEY(ssh_key_evp(key), &der);

    ERR_clear_error();
    if (len > 0) {
        buf_put(out, der, (size_t)len);
    }
    OPENSSL_free(der);
    return len > 0 ? buf_check(out, "a public key") : err_nomem();
}

static struct err *judge(const struct bind_login *b, const struct login *l,
                         const struct remote_key *k, const struct vault_question *q,
                         enum policy_statement *ret)
{
    AUTO(buf_deinit) struct buf spki;
    const struct ssh_key *key = remote_key_public(k);
    const char *why = NULL;
    struct err *e = login_why_shared(b, l, key);

    buf_init(&spki, 0);
    if (e == NULL) {
        e = put_spki(key, &spki);
    }
    if (e != NULL) {
        return e;
    }
    const struct policy_claims claims = login_claims(b, l);
    bool says = l->how == VAULT_LOGIN_TOKEN_KEY && claims.issuer != NULL;

    if (policy_statement(q->message, q->scheme, buf_view(&spki), says ? &claims : NULL, ret,
                         &why) == POLICY_DENY) {
        return err_new(ERR_DENIED, "%s", why);
    }
    bool is_tls = *ret == POLICY_STATEMENT_TLS13 || *ret == POLICY_STATEMENT_TLS12;

    if (l->how == VAULT_LOGIN_CERT ? !is_tls : *ret != POLICY_STATEMENT_JWT) {
        return err_new(ERR_DENIED, "a login by %s needs no %s", vault_login_name(l->how),
                       policy_statement_name(*ret));
    }
    return NULL;
}

static struct signing *signing_new(struct bind_login *b, uint64_t question,
                                   const struct vault_question *q, enum policy_statement statement)
{
    struct signing *s = calloc(1, sizeof *s);

    if (s == NULL) {
        return NULL;
    }
    *s = (struct signing){.b = b,
                          .question = question,
                          .server = text_copy(q->server),
                          .key = text_copy(q->key),
                          .statement = statement,
                          .scheme = q->scheme};
    LIST_INSERT_HEAD(&b->signings, s, link);
    if (s->server == NULL || s->key == NULL) {
        signing_free(s);
        return NULL;
    }
    return s;
}

/* Have it signed; an error means that nothing is under way. */
static struct err *sign(struct bind_login *b, const struct login *l, uint64_t question,
                        const struct vault_question *q)
{
    enum policy_statement statement = POLICY_STATEMENT_JWT;
    struct remote_key *k = NULL;
    struct err *e = remote_key_find(b->deps.remote, l->key_uri, &k);

    if (e == NULL) {
        e = judge(b, l, k, q, &statement);
    }
    struct signing *s = e == NULL ? signing_new(b, question, q, statement) : NULL;

    if (s == NULL) {
        return e != NULL ? e : err_nomem();
    }
    uint64_t handle = remote_sign_scheme(b->deps.remote, k, q->scheme, q->message,
                                         mono_in(BIND_LOGIN_SIGN_MS), flow, on_signed, s);

    if (handle != 0) { /* else on_signed() has run, and s is gone */
        s->handle = handle;
    }
    return NULL;
}

/* How many there were in this minute, with this one. */
static unsigned pace(struct login_pace *p)
{
    if (p->asked == 0 || mono_now().ms - p->minute.ms >= MINUTE_MS) {
        *p = (struct login_pace){.minute = mono_now()};
    }
    return ++p->asked;
}

/* A helper in a hot loop must not wear out a token, nor fill the disk: of what is too much, only the
 * first is told. */
static struct err *may_ask(struct bind_login *b, struct login *l, const struct vault_question *q,
                           bool *ret_quiet)
{
    if (l == NULL || !text_eq(l->key_uri, q->key)) {
        *ret_quiet = pace(&b->strangers) > 1;
        return err_new(ERR_DENIED, "no login of a server '%s' is with this key", q->server);
    }
    unsigned n = pace(&l->pace);

    *ret_quiet = n > BIND_LOGIN_PER_MINUTE_MAX + 1;
    return n > BIND_LOGIN_PER_MINUTE_MAX
               ? err_new(ERR_LIMIT, "more than %d signatures a minute for the login of %s",
                         BIND_LOGIN_PER_MINUTE_MAX, l->name)
               : NULL;
}

void login_on_question(void *arg, uint64_t question, const struct vault_question *q)
{
    struct bind_login *b = arg;
    struct login *l = login_find(b, q->server);
    bool quiet = false;
    struct err *e = may_ask(b, l, q, &quiet);

    if (e == NULL) {
        e = sign(b, l, question, q);
    }
    if (e == NULL) {
        return;
    }
    if (!quiet) {
        log_err(LOG_WARN, e, "nothing is signed for the login of %s", q->server);
        note(b, q, NULL, e);
    }
    vault_answer(b->deps.vault, question, e, view_of(NULL, 0));
}

void login_give_up(struct bind_login *b)
{
    while (!LIST_EMPTY(&b->signings)) {
        struct signing *s = LIST_FIRST(&b->signings);

        remote_cancel(b->deps.remote, s->handle);
        signing_free(s);
    }
}
