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
    uint64_t handles;
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
    j->key = ssh_key_copy(remote_key_public(*ret_key));
    j->alg = ssh_alg_default(ssh_key_type(j->key));
    if (ssh_key_eq(j->key, q->key)) {
        return err_new(ERR_DENIED, "the CA's own key is not certified");
    }
    return write_tbs(j, role, q);
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
    ca_roles_free(&ca->roles, ca->roles_n);
    free(ca->name);
    free(ca->key_uri);
    free(ca);
}

static void auto_ca_free(struct ca **ca)
{
    ca_free(take(ca));
}

static struct err *open_serials(struct ca *ca, struct io_loop *l, const char *state_dir)
{
    AUTO(auto_free) char *path = text_fmt("%s/ca-%s.serial", state_dir, ca->name);
    struct err *e = file_make_folder(state_dir, 0700);

    if (e == NULL && path == NULL) {
        e = err_nomem();
    }
    return e != NULL ? e : ca_serial_new(l, path, &ca->serial);
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
    struct err *e = ca_roles_copy(conf->roles, conf->roles_n, &ca->roles);

    if (e == NULL) {
        e = open_serials(ca, l, state_dir);
    }
    if (e == NULL) {
        *ret = (struct signer){.name = ca->name, .kind = "ca", .ops = &ops, .self = ca};
        take(&ca);
    }
    return e;
}
