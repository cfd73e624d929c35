/*
 * Certificates on the wire, in pages, since 64 large ones do not fit one frame.
 *
 * The bytes come out of vendor code and stay bytes here: no reader looks into a certificate. Counts
 * and lengths are bounded before memory is taken.
 */
#include <stdlib.h>

#include "pkcs11/remote/ops.h"

void ops_certs_put(struct buf *b, const struct ops_certs *c)
{
    buf_put_u32(b, c->lane);
    buf_put_u32(b, c->first);
}

struct err *ops_certs_get(struct rd *r, struct ops_certs *ret)
{
    ret->lane = rd_u32(r);
    ret->first = rd_u32(r);
    if (ret->lane < 1 || ret->lane > OPS_LANES_MAX || ret->first > TOKEN_CERTS_MAX) {
        rd_fail(r);
    }
    return rd_end(r, "a request for certificates");
}

void ops_cert_put(struct buf *b, const struct ops_cert *c)
{
    buf_put_u32(b, c->lane);
    buf_put_string(b, c->id);
    buf_put_string(b, c->blob);
    buf_put_cstr(b, c->label);
    buf_put_string(b, c->der);
}

struct err *ops_cert_get(struct rd *r, struct ops_cert *ret)
{
    ret->lane = rd_u32(r);
    ret->id = rd_string(r);
    ret->blob = rd_string(r);
    struct view label = rd_string(r);

    ret->der = rd_string(r);
    if (ret->lane < 1 || ret->lane > OPS_LANES_MAX || ret->id.len > TOKEN_ID_MAX_BYTES ||
        ret->blob.len > SSH_BLOB_MAX_BYTES || label.len > TOKEN_LABEL_MAX_BYTES ||
        view_has_nul(label) || ret->der.len > TOKEN_CERT_MAX_BYTES) {
        rd_fail(r);
    } else if (label.len > 0) {
        memcpy(ret->text, label.p, label.len);
    }
    ret->text[rd_failed(r) ? 0 : label.len] = '\0';
    ret->label = ret->text;
    return rd_end(r, "a request to change certificates");
}

static void cert_put(struct buf *b, const struct token_cert *c)
{
    buf_put_cstr(b, c->label);
    buf_put_string(b, view_of(c->id, c->id_len));
    buf_put_string(b, buf_view(&c->der));
}

/* On failure @ret holds what was read so far: the list frees it. */
static struct err *cert_get(struct rd *r, struct token_cert *ret)
{
    ret->label = rd_cstr(r);
    struct view id = rd_string(r);
    struct view der = rd_string(r);

    buf_init(&ret->der, TOKEN_CERT_MAX_BYTES);
    if (rd_failed(r) || ret->label == NULL || strlen(ret->label) > TOKEN_LABEL_MAX_BYTES ||
        id.len > sizeof ret->id || der.len == 0 || der.len > TOKEN_CERT_MAX_BYTES) {
        return err_new(ERR_PROTOCOL, "the description of a certificate is malformed");
    }
    if (id.len > 0) {
        memcpy(ret->id, id.p, id.len);
    }
    ret->id_len = id.len;
    buf_put(&ret->der, der.p, der.len);
    return buf_check(&ret->der, "a certificate");
}

void ops_cert_list_free(struct token_cert **certs, size_t n)
{
    struct token_cert *list = take(certs);

    for (size_t i = 0; list != NULL && i < n; i++) {
        free(list[i].label);
        buf_deinit(&list[i].der);
    }
    free(list);
}

/* As many as fit; the count is written in front once it is known. */
void ops_cert_page_put(struct buf *b, const struct token_cert *certs, size_t total, size_t first)
{
    AUTO(buf_deinit) struct buf page;
    size_t n = 0;

    buf_init(&page, 0);
    while (first + n < total && page.len < OPS_PAGE_BYTES) {
        cert_put(&page, &certs[first + n]);
        n++;
    }
    b->failed = b->failed || page.failed;
    buf_put_u32(b, (uint32_t)total);
    buf_put_u32(b, (uint32_t)n);
    buf_put(b, page.data, page.len);
}

struct err *ops_cert_page_get(struct rd *r, size_t *ret_total, struct token_cert **ret_certs,
                              size_t *ret_n)
{
    size_t total = rd_u32(r);
    size_t n = rd_u32(r);

    if (rd_failed(r) || total > TOKEN_CERTS_MAX || n > total) {
        return err_new(ERR_PROTOCOL, "a page of certificates is malformed");
    }
    struct token_cert *certs = n > 0 ? calloc(n, sizeof *certs) : NULL;
    struct err *e = n > 0 && certs == NULL ? err_nomem() : NULL;

    for (size_t i = 0; e == NULL && i < n; i++) {
        e = cert_get(r, &certs[i]);
    }
    if (e == NULL) {
        e = rd_end(r, "a page of certificates");
    }
    if (e != NULL) {
        ops_cert_list_free(&certs, n);
        return e;
    }
    *ret_total = total;
    *ret_certs = certs;
    *ret_n = n;
    return NULL;
}
