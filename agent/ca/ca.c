/*
 * The built-in signer: decides by its roles, writes the certificate, has the CA's token sign it.
 * It looks like Vault to whoever asks, but its rules are in the configuration of this agent, so it
 * protects against mistakes and not against whoever owns the configuration.
 *
 * It must never certify its own key, never give a serial twice, and never sign before the role has
 * said yes. What it answers is parsed and proven by the asking side like any certificate.
 */
#include <openssl/rand.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "ca/priv.h"

enum { NONCE_BYTES = 32 };

/* One request under way. */
struct job {
    LIST_ENTRY(job) next; /* ca's jobs */
    struct ca *ca;
    const struct ca_role *role;
    uint64_t handle; /* ours */
    uint64_t sign;   /* remote's; 0 until it is known */
    struct ssh_key *key;
    enum ssh_alg alg;
    struct buf cert; /* to be signed, then with its signature */
    signer_reply_fn *on_reply;
    void *arg;
};

LIST_HEAD(job_list, job);

struct ca {
    char *name, *key_uri;
    struct remote *remote;
    struct ca_role *roles;
    size_t roles_n;
    struct ca_serial *serial;
    struct ca_revoked *revoked;
    struct audit *audit;
    uint64_t handles;
    bool has_key; /* when ca_look() last looked */
    struct job_list jobs;
};

static void job_free(struct job **jp)
{
    struct job *j = take(jp);

    if (j != NULL) {
        ssh_key_free(&j->key);
        buf_deinit(&j->cert);
        free(j);
    }
}

static struct job *job_new(struct ca *ca, signer_reply_fn *on_reply, void *arg)
{
    struct job *j = calloc(1, sizeof *j);

    if (j != NULL) {
        j->ca = ca;
        j->on_reply = on_reply;
        j->arg = arg;
        buf_init(&j->cert, SSH_BLOB_MAX_BYTES);
    }
    return j;
}

static char *key_id_of(const struct ca *ca, const struct ca_role *role,
                       const struct signer_request *q)
{
    char text[SSH_FINGERPRINT_BYTES];

    return q->key_id != NULL
               ? text_copy(q->key_id)
               : text_fmt("%s/%s:%s", ca->name, role->name, ssh_key_fingerprint(q->key, text));
}

static struct err *write_tbs(struct job *j, const struct ca_role *role,
                             const struct signer_request *q)
{
    AUTO(auto_free) char *key_id = key_id_of(j->ca, role, q);
    uint8_t nonce[NONCE_BYTES];
    int64_t now = wall_now().s;
    struct ssh_cert_fields f = {
        .kind = q->kind,
        .key_id = key_id,
        .principals = (char **)q->principals,
        .valid_after = (uint64_t)(now - CA_BACKDATE_S),
        .valid_before = (uint64_t)(now + ca_role_ttl(role, q)),
        .critical = (struct ssh_cert_option *)q->critical,
        .extensions = (struct ssh_cert_option *)ca_role_extensions(role, q),
    };

    if (key_id == NULL) {
        return err_nomem();
    }
    if (RAND_bytes(nonce, sizeof nonce) != 1) {
        return err_openssl(ERR_UNSUPPORTED, "no random bytes");
    }
    struct err *e = ca_serial_take(j->ca->serial, &f.serial);

    return e != NULL ? e
                     : ssh_cert_put_tbs(&j->cert, q->key, &f, j->key, view_of(nonce, sizeof nonce));
}

static struct err *prepare(struct job *j, const struct signer_request *q,
                           struct remote_key **ret_key)
{
    struct ca *ca = j->ca;
    const struct ca_role *role = NULL;
    struct err *e = ca_role_find(ca->roles, ca->roles_n, q->role, &role);

    if (e == NULL) {
        e = ca_role_allows(role, q);
    }
    if (e == NULL) {
        e = err_add(remote_key_find(ca->remote, ca->key_uri, ret_key), "the CA's key");
    }
    if (e != NULL) {
        return e;
    }
    j->role = role;
    j->key = ssh_key_copy(remote_key_public(*ret_key));
    ca_revoked_see_key(ca->revoked, j->key);
    j->alg = ssh_alg_default(ssh_key_type(j->key));
    if (ssh_key_eq(j->key, q->key)) {
        return err_new(ERR_DENIED, "the CA's own key is not certified");
    }
    return write_tbs(j, role, q);
}

static void note_issued(const struct job *j, const struct ssh_cert *cert)
{
    const struct ssh_cert_fields *f = ssh_cert_fields(cert);
    char until[WALL_TEXT_BYTES], of[SSH_FINGERPRINT_BYTES];
    AUTO(auto_free) char *serial = text_fmt("%llu", (unsigned long long)f->serial);
    AUTO(auto_free) char *principals = text_list_join(f->principals, ",");

    audit_note(j->ca->audit, "certificate-issued",
               (const struct audit_fact[]){
                   {"ca", j->ca->name},
                   {"role", j->role->name},
                   {"type", f->kind == SSH_CERT_HOST ? "host" : "user"},
                   {"serial", serial},
                   {"key_id", f->key_id},
                   {"principals", principals},
                   {"valid_before", wall_text((struct wall){(int64_t)f->valid_before}, until)},
                   {"key", ssh_key_fingerprint(ssh_cert_key(cert), of)},
                   {NULL, NULL},
               });
}

static struct err *write_line(struct job *j, struct view raw, char **ret)
{
    AUTO(buf_deinit) struct buf sig;
    AUTO(ssh_cert_free) struct ssh_cert *cert = NULL;

    buf_init(&sig, SSH_BLOB_MAX_BYTES);
    struct err *e = ssh_sig_put(&sig, j->key, j->alg, raw);

    if (e == NULL) {
        e = ssh_cert_finish(&j->cert, buf_view(&sig));
    }
    if (e == NULL) {
        e = ssh_cert_from_blob(buf_view(&j->cert), &cert);
    }
    if (e == NULL) {
        *ret = ssh_cert_line(cert, NULL);
        e = *ret != NULL ? NULL : err_nomem();
    }
    if (e == NULL) {
        note_issued(j, cert);
    }
    return e;
}

static void on_signed(void *arg, struct err *e, struct view raw)
{
    AUTO(job_free) struct job *j = arg;
    AUTO(auto_free) char *line = NULL;

    LIST_REMOVE(j, next);
    if (e == NULL) {
        e = write_line(j, raw, &line);
    }
    if (e != NULL) {
        j->on_reply(j->arg, err_add(e, "signer %s", j->ca->name), NULL);
        return;
    }
    j->on_reply(j->arg, NULL,
                &(struct signer_answer){.cert_line = view_cstr(line), .request_id = ""});
}

static uint64_t ca_sign(void *self, const struct signer_request *q, struct mono deadline,
                        signer_reply_fn *on_reply, void *arg)
{
    struct ca *ca = self;
    struct remote_key *key = NULL;
    struct job *j = job_new(ca, on_reply, arg);
    struct err *e = j != NULL ? prepare(j, q, &key) : err_nomem();

    if (e != NULL) {
        job_free(&j);
        on_reply(arg, err_add(e, "signer %s", ca->name), NULL);
        return 0;
    }
    uint64_t handle = j->handle = ++ca->handles;

    LIST_INSERT_HEAD(&ca->jobs, j, next);
    uint64_t sign = remote_sign(ca->remote, key, j->alg, buf_view(&j->cert), deadline,
                                (uintptr_t)ca, on_signed, j);

    if (sign == 0) { /* answered, and j is gone */
        return 0;
    }
    j->sign = sign;
    return handle;
}

static void job_cancel(struct job *j)
{
    remote_cancel(j->ca->remote, j->sign);
    LIST_REMOVE(j, next);
    job_free(&j);
}

static void ca_cancel(void *self, uint64_t handle)
{
    struct ca *ca = self;
    struct job *j = LIST_FIRST(&ca->jobs);

    while (j != NULL && j->handle != handle) {
        j = LIST_NEXT(j, next);
    }
    if (j != NULL) {
        job_cancel(j);
    }
}

static void ca_free(void *self)
{
    struct ca *ca = self;

    if (ca == NULL) {
        return;
    }
    while (!LIST_EMPTY(&ca->jobs)) {
        job_cancel(LIST_FIRST(&ca->jobs));
    }
    ca_serial_free(&ca->serial);
    ca_revoked_free(&ca->revoked);
    ca_roles_free(&ca->roles, ca->roles_n);
    free(ca->name);
    free(ca->key_uri);
    free(ca);
}

static void auto_ca_free(struct ca **ca)
{
    ca_free(take(ca));
}

static struct err *open_state(struct ca *ca, struct io_loop *l, const char *state_dir,
                              const char *krl)
{
    AUTO(auto_free) char *serial = text_fmt("%s/ca-%s.serial", state_dir, ca->name);
    AUTO(auto_free) char *revoked = text_fmt("%s/ca-%s.revoked", state_dir, ca->name);
    AUTO(auto_free) char *own_krl = text_fmt("%s/ca-%s.krl", state_dir, ca->name);
    struct err *e = file_make_folder(state_dir, 0700);

    if (e == NULL && (serial == NULL || revoked == NULL || own_krl == NULL)) {
        e = err_nomem();
    }
    if (e == NULL) {
        e = ca_serial_new(l, serial, &ca->serial);
    }
    return e != NULL ? e : ca_revoked_new(l, revoked, krl != NULL ? krl : own_krl, &ca->revoked);
}

struct err *ca_new(struct io_loop *l, struct remote *remote, const struct ca_conf *conf,
                   const char *state_dir, struct signer *ret)
{
    static const struct signer_ops ops = {.sign = ca_sign, .cancel = ca_cancel, .free = ca_free};
    AUTO(auto_ca_free) struct ca *ca = calloc(1, sizeof *ca);

    if (ca == NULL) {
        return err_nomem();
    }
    LIST_INIT(&ca->jobs);
    ca->remote = remote;
    ca->roles_n = conf->roles_n;
    ca->name = text_copy(conf->name);
    ca->key_uri = text_copy(conf->key_uri);
    if (!text_name_ok(conf->name) || conf->key_uri == NULL) {
        return err_new(ERR_INPUT, "a signer needs a name and a key");
    }
    if (ca->name == NULL || ca->key_uri == NULL) {
        return err_nomem();
    }
    ca->audit = conf->audit;
    struct err *e = ca_roles_copy(conf->roles, conf->roles_n, &ca->roles);

    if (e == NULL) {
        e = open_state(ca, l, state_dir, conf->krl);
    }
    if (e == NULL) {
        *ret = (struct signer){.name = ca->name, .kind = "ca", .ops = &ops, .self = ca};
        take(&ca);
    }
    return e;
}

/* --- revoking ----------------------------------------------------------------------------------- */

struct ca *ca_of(const struct signer *s)
{
    return s->ops != NULL && s->ops->sign == ca_sign ? s->self : NULL;
}

bool ca_look(struct ca *ca)
{
    struct remote_key *key = NULL;
    AUTO(err_free) struct err *away = remote_key_find(ca->remote, ca->key_uri, &key);
    bool had = ca->has_key;

    ca->has_key = away == NULL && remote_key_usable(key);
    return ca->has_key && !had;
}

void ca_revoke(struct ca *ca, const struct ca_revocation *what, ca_done_fn *on_done, void *arg)
{
    struct remote_key *key = NULL;
    AUTO(err_free) struct err *away = remote_key_find(ca->remote, ca->key_uri, &key);
    AUTO(auto_free) char *serial = text_fmt("%llu", (unsigned long long)what->serial);

    if (away == NULL) {
        ca_revoked_see_key(ca->revoked, remote_key_public(key));
    }
    if (what->serial != 0 && !ca_serial_was_given(ca->serial, what->serial)) {
        on_done(arg, err_new(ERR_INPUT, "signer %s never gave the serial number %s", ca->name,
                             serial != NULL ? serial : "?"));
        return;
    }
    if (ca_revoked_add(ca->revoked, what, on_done, arg)) {
        audit_note(ca->audit, "certificate-revoked",
                   (const struct audit_fact[]){{"ca", ca->name},
                                               {"serial", what->serial != 0 ? serial : NULL},
                                               {"key_id", what->key_id},
                                               {"reason", what->reason},
                                               {NULL, NULL}});
    }
}

size_t ca_revocations(const struct ca *ca)
{
    return ca_revoked_count(ca->revoked);
}

const struct ca_revocation *ca_revocation_at(const struct ca *ca, size_t i)
{
    return ca_revoked_at(ca->revoked, i);
}

const char *ca_krl_path(const struct ca *ca)
{
    return ca_revoked_krl_path(ca->revoked);
}

const struct err *ca_problem(const struct ca *ca)
{
    return ca_revoked_problem(ca->revoked);
}

char *ca_key_line(const struct ca *ca)
{
    const struct ssh_key *key = ca_revoked_key(ca->revoked);

    return key != NULL ? ssh_key_line(key, NULL) : NULL;
}
