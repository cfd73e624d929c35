/*
 * Decides whether a host is the one it is said to be. Pure: files are read and ssh-keyscan is run
 * elsewhere, so every case can be tested without either.
 *
 * It must never accept a key that is marked @revoked, nor a key that only looks like one we know,
 * and never take the word of a certificate before its signature, CA, kind, names and window hold.
 * There is no "ask" and no "accept new": a test that cannot tell who answered has failed.
 *
 * libssh2 1.11 cannot finish a key exchange with a host certificate (its certificate methods lack
 * init and verify), so the exchange is done with the plain key and the certificate is fetched on
 * the side. What joins the two: the key proven in the exchange must be the certified one.
 */
#include "connect/host_key.h"

#include <stdlib.h>

static const struct {
    enum ssh_key_type type;
    const char *algs;
} alg_rows[] = {
    {SSH_KEY_ED25519, "ssh-ed25519"},           {SSH_KEY_P256, "ecdsa-sha2-nistp256"},
    {SSH_KEY_P384, "ecdsa-sha2-nistp384"},      {SSH_KEY_P521, "ecdsa-sha2-nistp521"},
    {SSH_KEY_RSA, "rsa-sha2-512,rsa-sha2-256"},
};

void connect_certs_deinit(struct connect_certs *c)
{
    for (size_t i = 0; i < c->count; i++) {
        ssh_cert_free(&c->list[i]);
    }
    free(c->remark);
    *c = (struct connect_certs){0};
}

/* Where "type base64" begins: OpenSSH 9.2 writes a certificate's line without the host's name. */
static const char *find_cert(const char *line)
{
    const char *at = strstr(line, "-cert-v01@openssh.com ");

    while (at && at > line && at[-1] != ' ') {
        at--;
    }
    return at;
}

static struct err *read_cert_line(struct connect_certs *c, const char *line)
{
    const char *cert = find_cert(line);
    AUTO(err_free) struct err *bad = NULL;

    if (line[0] == '\0' || line[0] == '#') {
        return NULL;
    }
    if (cert && c->count < CONNECT_CERTS_MAX) {
        bad = ssh_cert_from_line(cert, &c->list[c->count]);
        if (!bad) {
            c->count++;
            return NULL;
        }
    }
    if (c->remark[0] == '\0') {
        free(c->remark);
        c->remark = bad ? text_copy(err_text(bad)) : text_safe(view_of(line, strnlen(line, 256)));
    }
    return c->remark ? NULL : err_nomem();
}

struct err *connect_certs_read(struct connect_certs *c, struct view output)
{
    AUTO(auto_free) char *text = view_dup(output);
    char *save = NULL;

    c->remark = text_copy("");
    if (!text || !c->remark) {
        return err_nomem();
    }
    for (char *line = strtok_r(text, "\r\n", &save); line; line = strtok_r(NULL, "\r\n", &save)) {
        struct err *e = read_cert_line(c, line);
        if (e) {
            return e;
        }
    }
    return NULL;
}

/* A key under the bare name does not speak about another port, so it neither forbids nor replaces
 * a certificate there. */
static const struct connect_known_entry *find_key_with_port(const struct connect_known *k,
                                                            const enum ssh_key_type *type)
{
    for (size_t i = 0; i < k->count; i++) {
        const struct connect_known_entry *entry = &k->entries[i];
        if (entry->kind == CONNECT_KNOWN_KEY && entry->with_port &&
            (!type || ssh_key_type(entry->key) == *type)) {
            return entry;
        }
    }
    return NULL;
}

bool connect_host_key_needs_cert(const struct connect_known *k)
{
    return connect_known_find(k, CONNECT_KNOWN_CA, NULL) && !find_key_with_port(k, NULL);
}

static bool is_type_trusted(const struct connect_known *k, const struct connect_certs *certs,
                            enum ssh_key_type type, struct wall now)
{
    for (size_t i = 0; i < k->count; i++) {
        if (k->entries[i].kind == CONNECT_KNOWN_KEY && ssh_key_type(k->entries[i].key) == type) {
            return true;
        }
    }
    for (size_t i = 0; i < certs->count; i++) {
        const struct connect_known_entry *ca;
        AUTO(err_free) struct err *bad = connect_host_key_cert_ok(k, certs->list[i], now, &ca);
        if (!bad && ssh_key_type(ssh_cert_key(certs->list[i])) == type) {
            return true;
        }
    }
    return false;
}

char *connect_host_key_prefer(const struct connect_known *k, const struct connect_certs *certs,
                              struct wall now)
{
    struct buf list;
    char *text;

    buf_init(&list, 1024);
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < ARRAY_LEN(alg_rows); i++) {
            if (is_type_trusted(k, certs, alg_rows[i].type, now) == (pass == 0)) {
                buf_put(&list, ",", list.len ? 1 : 0);
                buf_put(&list, alg_rows[i].algs, strlen(alg_rows[i].algs));
            }
        }
    }
    text = list.failed ? NULL : view_dup(buf_view(&list));
    buf_deinit(&list);
    return text;
}

static struct err *check_revoked(const struct connect_known *k, const struct ssh_key *key,
                                 const char *what)
{
    char print[SSH_FINGERPRINT_BYTES];
    const struct connect_known_entry *entry = connect_known_find(k, CONNECT_KNOWN_REVOKED, key);

    if (!entry) {
        return NULL;
    }
    return err_new(ERR_DENIED, "%s %s %s is marked @revoked in %s:%u", what,
                   ssh_key_type_word(ssh_key_type(key)), ssh_key_fingerprint(key, print),
                   entry->file, entry->line);
}

static struct err *check_principals(const struct connect_known *k,
                                    const struct ssh_cert_fields *fields)
{
    AUTO(auto_free) char *all = text_copy("");

    for (size_t i = 0; fields->principals && fields->principals[i]; i++) {
        if (connect_known_glob(view_cstr(fields->principals[i]), view_cstr(k->host))) {
            return NULL;
        }
        char *more = text_fmt("%s%s%s", all ? all : "", i ? ", " : "", fields->principals[i]);
        free(all);
        all = more;
    }
    /* A certificate without names is good for every host: nobody means that. */
    return err_new(ERR_CERT, "it is for (%.512s), not for %s", all ? all : "", k->host);
}

static struct err *check_window(const struct ssh_cert *cert, struct wall now)
{
    const struct ssh_cert_fields *f = ssh_cert_fields(cert);
    char text[WALL_TEXT_BYTES];

    if (ssh_cert_is_valid_at(cert, now)) {
        return NULL;
    }
    if ((int64_t)f->valid_after > now.s) {
        return err_new(ERR_CERT, "it is valid only from %s",
                       wall_text((struct wall){(int64_t)f->valid_after}, text));
    }
    return err_new(ERR_CERT, "it expired at %s",
                   wall_text((struct wall){(int64_t)f->valid_before}, text));
}

static struct err *check_ca(const struct connect_known *k, const struct ssh_cert *cert,
                            const struct connect_known_entry **ret_ca)
{
    char print[SSH_FINGERPRINT_BYTES], known[SSH_FINGERPRINT_BYTES];
    const struct connect_known_entry *any = connect_known_find(k, CONNECT_KNOWN_CA, NULL);
    const struct ssh_key *ca = ssh_cert_ca(cert);
    struct err *e = check_revoked(k, ca, "its CA");

    if (e) {
        return e;
    }
    *ret_ca = connect_known_find(k, CONNECT_KNOWN_CA, ca);
    if (*ret_ca) {
        return NULL;
    }
    return err_new(ERR_CERT, "its CA is %s %s, but the CA in %s:%u is %s",
                   ssh_key_type_word(ssh_key_type(ca)), ssh_key_fingerprint(ca, print),
                   any ? any->file : "", any ? any->line : 0,
                   any ? ssh_key_fingerprint(any->key, known) : "");
}

struct err *connect_host_key_cert_ok(const struct connect_known *k, const struct ssh_cert *cert,
                                     struct wall now, const struct connect_known_entry **ret_ca)
{
    const struct ssh_cert_fields *f = ssh_cert_fields(cert);
    const struct connect_known_entry *ca = NULL;
    struct err *e = NULL;

    if (f->kind != SSH_CERT_HOST) {
        e = err_new(ERR_CERT, "it is no host certificate");
    }
    if (!e) {
        e = check_ca(k, cert, &ca);
    }
    if (!e) {
        e = check_revoked(k, ssh_cert_key(cert), "its key");
    }
    if (!e) {
        e = ssh_cert_verify(cert);
    }
    if (!e) {
        e = check_principals(k, f);
    }
    if (!e) {
        e = check_window(cert, now);
    }
    /* No critical option is defined for hosts, and an unknown one must not be passed over. */
    if (!e && f->critical && f->critical[0].name) {
        e = err_new(ERR_CERT, "it has a critical option, %s", f->critical[0].name);
    }
    if (e) {
        return err_add(e, "host certificate \"%s\" serial %llu", f->key_id,
                       (unsigned long long)f->serial);
    }
    *ret_ca = ca;
    return NULL;
}

/* What the certificates say about the key of the exchange: accepted, or the best reason why not. */
static struct err *decide_by_cert(const struct connect_known *k, const struct connect_certs *certs,
                                  const struct ssh_key *key, struct wall now, char **ret_text)
{
    const struct connect_known_entry *ca = connect_known_find(k, CONNECT_KNOWN_CA, NULL);
    char print[SSH_FINGERPRINT_BYTES], other[SSH_FINGERPRINT_BYTES];
    AUTO(err_free) struct err *why = NULL;

    for (size_t i = 0; i < certs->count; i++) {
        const struct ssh_cert *cert = certs->list[i];
        const struct ssh_cert_fields *f = ssh_cert_fields(cert);
        bool is_same = ssh_key_eq(ssh_cert_key(cert), key);
        struct err *e = connect_host_key_cert_ok(k, cert, now, &ca);

        if (!e && is_same) {
            *ret_text =
                text_fmt("%s %s known as @cert-authority in %s:%u by certificate \"%s\" "
                         "serial %llu",
                         ssh_key_type_word(ssh_key_type(key)), ssh_key_fingerprint(key, print),
                         ca->file, ca->line, f->key_id, (unsigned long long)f->serial);
            return *ret_text ? NULL : err_nomem();
        }
        if (!e) {
            e = err_new(ERR_CERT,
                        "the host's certificate \"%s\" is for the key %s, but it proved to hold "
                        "%s",
                        f->key_id, ssh_key_fingerprint(ssh_cert_key(cert), other),
                        ssh_key_fingerprint(key, print));
        }
        if (is_same || !why) {
            err_free(&why);
            why = take(&e);
        }
        err_free(&e);
    }
    if (why) {
        return take(&why);
    }
    return err_new(
        ERR_CERT, "%s is known only by @cert-authority in %s:%u, but shows no host certificate%s%s",
        k->name, ca->file, ca->line, certs->remark && *certs->remark ? ": " : "",
        certs->remark ? certs->remark : "");
}

static struct err *say_changed(const struct connect_known *k, const struct ssh_key *key,
                               const struct connect_known_entry *old)
{
    char print[SSH_FINGERPRINT_BYTES], known[SSH_FINGERPRINT_BYTES];

    return err_new(ERR_DENIED,
                   "host key changed: %s shows %s %s, but %s:%u has %s %s. Somebody may be "
                   "listening in; find out why before you change that line",
                   k->name, ssh_key_type_word(ssh_key_type(key)), ssh_key_fingerprint(key, print),
                   old->file, old->line, ssh_key_type_word(ssh_key_type(old->key)),
                   ssh_key_fingerprint(old->key, known));
}

static struct err *say_unknown(const struct connect_known *k, const struct ssh_key *key)
{
    char print[SSH_FINGERPRINT_BYTES];
    AUTO(auto_free) char *line = ssh_key_line(key, NULL);
    struct err *e;

    if (!line) {
        return err_nomem();
    }
    /* A line that an error text would cut short is worse than none. */
    if (strlen(k->name) + strlen(line) < ERR_CLAUSE_MAX_BYTES - 64) {
        e = err_new(ERR_NOT_FOUND, "add this line to known_hosts: %s %s", k->name, line);
    } else {
        e = err_new(ERR_NOT_FOUND, "add the line that ssh-keyscan shows to known_hosts");
    }
    return err_add(e, "%s is not known. It shows %s %s; if that is right", k->name,
                   ssh_key_type_word(ssh_key_type(key)), ssh_key_fingerprint(key, print));
}

struct err *connect_host_key_decide(const struct connect_known *k,
                                    const struct connect_certs *certs, const struct ssh_key *key,
                                    struct wall now, char **ret_text)
{
    enum ssh_key_type type = ssh_key_type(key);
    char print[SSH_FINGERPRINT_BYTES];
    const struct connect_known_entry *entry;
    struct err *e = check_revoked(k, key, "the host's key");

    if (e) {
        return e;
    }
    entry = connect_known_find(k, CONNECT_KNOWN_KEY, key);
    if (entry) {
        *ret_text = text_fmt("%s %s known in %s:%u%s", ssh_key_type_word(type),
                             ssh_key_fingerprint(key, print), entry->file, entry->line,
                             entry->with_port ? "" : " (by its name, whatever the port)");
        return *ret_text ? NULL : err_nomem();
    }
    entry = find_key_with_port(k, &type);
    if (!entry) {
        entry = find_key_with_port(k, NULL);
    }
    if (entry) {
        return say_changed(k, key, entry);
    }
    if (connect_known_find(k, CONNECT_KNOWN_CA, NULL)) {
        return decide_by_cert(k, certs, key, now, ret_text);
    }
    return say_unknown(k, key);
}
