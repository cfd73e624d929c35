/*
 * Reading a certificate blob (Spec: draft-miller-ssh-cert, 2). All five key types share everything
 * but the fields of the key itself. Those are not parsed here: they are put behind the plain type
 * name and given to ssh_key_from_blob(), so that a certified key passes the same checks as any other.
 *
 * The order of options and their uniqueness are demanded although OpenSSH does not look: with a
 * second force-command the reader would decide which one counts.
 */
#include <stdlib.h>

#include "ssh/cert_priv.h"
#include "ssh/key_priv.h"

static struct err *malformed(const char *what)
{
    return err_new(ERR_PROTOCOL, "%s is cut short or malformed", what);
}

int ssh_option_cmp(struct view a, struct view b)
{
    size_t both = a.len < b.len ? a.len : b.len;
    int order = both > 0 ? memcmp(a.p, b.p, both) : 0;

    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static struct err *read_key(struct rd *r, struct ssh_key **ret)
{
    AUTO(buf_deinit) struct buf plain;
    struct view name = rd_string(r);
    struct view plain_name = ssh_plain_name(name);
    enum ssh_key_type type;

    buf_init(&plain, SSH_BLOB_MAX_BYTES);
    if (rd_failed(r) || plain_name.len == name.len) {
        return err_new(ERR_PROTOCOL, "not a certificate");
    }
    if (!ssh_key_type_of(plain_name, &type)) {
        AUTO(auto_free) char *safe = text_safe(name.len <= 64 ? name : view_of(name.p, 64));

        return err_new(ERR_UNSUPPORTED, "unknown type '%s'", safe != NULL ? safe : "");
    }
    rd_string(r); /* the nonce, which has done its work in the signature */
    struct view from = rd_rest(r);

    rd_string(r); /* RSA: e; ECDSA: curve; Ed25519: the point */
    if (type != SSH_KEY_ED25519) {
        rd_string(r); /* RSA: n; ECDSA: the point */
    }
    if (rd_failed(r)) {
        return malformed("the certified key");
    }
    buf_put_string(&plain, plain_name);
    buf_put(&plain, from.p, from.len - rd_rest(r).len);
    struct err *e = buf_check(&plain, "the certified key");

    return e != NULL ? e : ssh_key_from_blob(buf_view(&plain), ret);
}

static struct err *read_principals(struct rd *r, char ***ret)
{
    struct rd list = rd_nested(r);

    for (size_t n = 0; !rd_at_end(&list); n++) {
        AUTO(auto_free) char *name = rd_cstr(&list);

        if (n == SSH_CERT_PRINCIPALS_MAX) {
            return err_new(ERR_LIMIT, "more than %d principals", SSH_CERT_PRINCIPALS_MAX);
        }
        if (name == NULL) {
            break;
        }
        if (!text_list_add(ret, name)) {
            return err_nomem();
        }
    }
    return rd_failed(&list) ? malformed("the list of principals") : NULL;
}

/* One option: a flag has no data, all others have their value wrapped in a string. */
static struct err *read_option(struct rd *list, struct view *previous, const char *what,
                               struct ssh_cert_option *ret)
{
    struct view name = rd_string(list);
    struct rd data = rd_nested(list);
    struct view value = rd_at_end(&data) ? view_of(NULL, 0) : rd_string(&data);

    if (rd_failed(&data) || !rd_at_end(&data) || name.len == 0 || view_has_nul(name) ||
        view_has_nul(value)) {
        return malformed(what);
    }
    if (previous->p != NULL && ssh_option_cmp(*previous, name) >= 0) {
        return err_new(ERR_PROTOCOL, "%s are not in order, or one is there twice", what);
    }
    *previous = name;
    ret->name = view_dup(name);
    ret->value = view_dup(value);
    if (ret->name == NULL || ret->value == NULL) {
        auto_free(&ret->name);
        auto_free(&ret->value);
        return err_nomem();
    }
    return NULL;
}

static struct err *read_options(struct rd *r, const char *what, struct ssh_cert_option **ret)
{
    struct rd list = rd_nested(r);
    struct view previous = {NULL, 0};

    if (rd_failed(&list)) {
        return malformed(what);
    }
    for (size_t n = 0; !rd_at_end(&list); n++) {
        if (n == SSH_CERT_OPTIONS_MAX) {
            return err_new(ERR_LIMIT, "more than %d %s", SSH_CERT_OPTIONS_MAX, what);
        }
        struct ssh_cert_option *grown = reallocarray(*ret, n + 2, sizeof *grown);

        if (grown == NULL) {
            return err_nomem();
        }
        *ret = grown;
        memset(grown + n, 0, 2 * sizeof *grown);
        struct err *e = read_option(&list, &previous, what, &grown[n]);

        if (e != NULL) {
            return e;
        }
    }
    return NULL;
}

static struct err *read_fields(struct rd *r, struct ssh_cert_fields *f)
{
    f->serial = rd_u64(r);
    uint32_t kind = rd_u32(r);

    f->key_id = rd_cstr(r);
    if (f->key_id == NULL) {
        return malformed("the key id");
    }
    if (kind != SSH_CERT_USER && kind != SSH_CERT_HOST) {
        return err_new(ERR_PROTOCOL, "a certificate for neither a user nor a host: type %u", kind);
    }
    f->kind = (enum ssh_cert_kind)kind;
    struct err *e = read_principals(r, &f->principals);

    f->valid_after = rd_u64(r);
    f->valid_before = rd_u64(r);
    if (e == NULL) {
        e = read_options(r, "critical options", &f->critical);
    }
    if (e == NULL) {
        e = read_options(r, "extensions", &f->extensions);
    }
    rd_string(r); /* reserved: to be ignored */
    return e;
}

static struct err *read_authority(struct rd *r, struct ssh_cert *c)
{
    struct view ca = rd_string(r);

    c->tbs = view_of(c->blob.p, c->blob.len - rd_rest(r).len);
    c->signature = rd_string(r);
    struct err *e = rd_end(r, "its end");

    if (e == NULL && ssh_cert_is_blob(ca)) {
        e = err_new(ERR_PROTOCOL, "it is signed by a certificate, which is forbidden");
    }
    return e != NULL ? e : err_add(ssh_key_from_blob(ca, &c->ca), "CA key");
}

struct err *ssh_cert_from_blob(struct view blob, struct ssh_cert **ret)
{
    AUTO(ssh_cert_free) struct ssh_cert *c = NULL;

    if (blob.len > SSH_BLOB_MAX_BYTES) {
        return err_new(ERR_LIMIT, "a certificate of %zu bytes; %d at most", blob.len,
                       SSH_BLOB_MAX_BYTES);
    }
    c = calloc(1, sizeof *c);
    if (c == NULL) {
        return err_nomem();
    }
    c->blob = view_of(view_dup(blob), blob.len);
    if (c->blob.p == NULL) {
        return err_nomem();
    }
    struct rd r = rd_of(c->blob);
    struct err *e = read_key(&r, &c->key);

    if (e == NULL) {
        e = read_fields(&r, &c->fields);
    }
    if (e == NULL) {
        e = read_authority(&r, c);
    }
    if (e != NULL) {
        return err_add(e, "certificate");
    }
    *ret = take(&c);
    return NULL;
}
