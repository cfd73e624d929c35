/*
 * Making a certificate, for the built-in signer: the bytes to be signed, then the signature behind
 * them. The CA's key is on a token, so the signature comes from somebody else in between.
 *
 * It must never write a certificate that our own reader, or a strict one elsewhere, would refuse:
 * options are put in order here, and what has no principals or no time is refused.
 */
#include <stdlib.h>

#include "ssh/cert_priv.h"
#include "ssh/key_priv.h"

enum { NONCE_MIN_BYTES = 16 };

static int by_name(const void *a, const void *b)
{
    const struct ssh_cert_option *const *x = a;
    const struct ssh_cert_option *const *y = b;

    return ssh_option_cmp(view_cstr((*x)->name), view_cstr((*y)->name));
}

static void put_option(struct buf *out, const struct ssh_cert_option *o)
{
    buf_put_cstr(out, o->name);
    size_t data = buf_begin_string(out);

    if (o->value != NULL && o->value[0] != '\0') {
        buf_put_cstr(out, o->value);
    }
    buf_end_string(out, data);
}

static struct err *put_options(struct buf *out, const struct ssh_cert_option *list,
                               const char *what)
{
    const struct ssh_cert_option *sorted[SSH_CERT_OPTIONS_MAX];
    size_t n = 0;

    for (; list != NULL && list->name != NULL; list++) {
        if (n == ARRAY_LEN(sorted)) {
            return err_new(ERR_LIMIT, "more than %d %s", SSH_CERT_OPTIONS_MAX, what);
        }
        if (list->name[0] == '\0') {
            return err_new(ERR_INPUT, "one of the %s has no name", what);
        }
        sorted[n++] = list;
    }
    qsort(sorted, n, sizeof sorted[0], by_name);
    size_t begun = buf_begin_string(out);

    for (size_t i = 0; i < n; i++) {
        if (i > 0 && by_name(&sorted[i - 1], &sorted[i]) == 0) {
            return err_new(ERR_INPUT, "'%s' is twice among the %s", sorted[i]->name, what);
        }
        put_option(out, sorted[i]);
    }
    buf_end_string(out, begun);
    return NULL;
}

static struct err *check(const struct ssh_cert_fields *f, struct view nonce, const struct buf *out)
{
    size_t principals = text_list_len(f->principals);

    if (f->kind != SSH_CERT_USER && f->kind != SSH_CERT_HOST) {
        return err_new(ERR_INPUT, "a certificate is for a user or a host");
    }
    if (principals == 0) {
        return err_new(ERR_INPUT, "a certificate needs at least one principal");
    }
    if (principals > SSH_CERT_PRINCIPALS_MAX) {
        return err_new(ERR_LIMIT, "more than %d principals", SSH_CERT_PRINCIPALS_MAX);
    }
    if (f->valid_after >= f->valid_before) {
        return err_new(ERR_INPUT, "a certificate that ends before it begins");
    }
    if (nonce.len < NONCE_MIN_BYTES || out->len != 0) {
        return err_new(ERR_BUG, "a certificate needs a nonce of %d bytes and an empty buffer",
                       NONCE_MIN_BYTES);
    }
    return NULL;
}

/* The certified key: its blob with another type name and the nonce in between. */
static void put_key(struct buf *out, const struct ssh_key *key, struct view nonce)
{
    struct rd r = rd_of(ssh_key_blob(key));
    size_t begun = buf_begin_string(out);
    struct view name = rd_string(&r);
    struct view parts = rd_rest(&r);

    buf_put(out, name.p, name.len);
    buf_put(out, SSH_CERT_SUFFIX, sizeof SSH_CERT_SUFFIX - 1);
    buf_end_string(out, begun);
    buf_put_string(out, nonce);
    buf_put(out, parts.p, parts.len);
}

struct err *ssh_cert_put_tbs(struct buf *out, const struct ssh_key *key,
                             const struct ssh_cert_fields *f, const struct ssh_key *ca,
                             struct view nonce)
{
    struct err *e = check(f, nonce, out);

    if (e != NULL) {
        return e;
    }
    put_key(out, key, nonce);
    buf_put_u64(out, f->serial);
    buf_put_u32(out, (uint32_t)f->kind);
    buf_put_cstr(out, f->key_id);
    size_t begun = buf_begin_string(out);

    for (size_t i = 0; f->principals[i] != NULL; i++) {
        buf_put_cstr(out, f->principals[i]);
    }
    buf_end_string(out, begun);
    buf_put_u64(out, f->valid_after);
    buf_put_u64(out, f->valid_before);
    e = put_options(out, f->critical, "critical options");
    if (e == NULL) {
        e = put_options(out, f->extensions, "extensions");
    }
    buf_put_cstr(out, ""); /* reserved */
    buf_put_string(out, ssh_key_blob(ca));
    return e != NULL ? e : buf_check(out, "a certificate");
}

struct err *ssh_cert_finish(struct buf *tbs, struct view sig_blob)
{
    buf_put_string(tbs, sig_blob);
    if (tbs->len > SSH_BLOB_MAX_BYTES) {
        return err_new(ERR_LIMIT, "a certificate of %zu bytes; %d at most", tbs->len,
                       SSH_BLOB_MAX_BYTES);
    }
    return buf_check(tbs, "a certificate");
}
