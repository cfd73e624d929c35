/*
 * X.509 certificates that lie on a token, as PEM: for a person to pick one for the registry.
 *
 * The bytes come out of vendor code. They are written as PEM and not parsed: whether one is a
 * certificate at all is told where it is stored.
 */
#include <stdlib.h>

#include "control/resources.h"

enum { READ_MS = 40 * 1000, PEM_COLUMNS = 64 };

/* Spec: RFC 7468, 5.1. NULL when out of memory; caller owns. */
static char *pem_of(struct view der)
{
    static const char begin[] = "-----BEGIN CERTIFICATE-----\n";
    static const char end[] = "-----END CERTIFICATE-----\n";
    AUTO(auto_free) char *base64 = text_base64(der);
    AUTO(buf_deinit) struct buf pem;
    size_t len = base64 != NULL ? strlen(base64) : 0;

    buf_init(&pem, 0);
    buf_put(&pem, begin, sizeof begin - 1);
    for (size_t at = 0; at < len; at += PEM_COLUMNS) {
        buf_put(&pem, base64 + at, len - at < PEM_COLUMNS ? len - at : PEM_COLUMNS);
        buf_put_u8(&pem, '\n');
    }
    buf_put(&pem, end, sizeof end - 1);
    return base64 != NULL && !pem.failed ? view_dup(buf_view(&pem)) : NULL;
}

static json_t *certificate_json(const struct remote_cert *c)
{
    AUTO(auto_free) char *id = text_hex(c->id);
    AUTO(auto_free) char *pem = pem_of(c->der);

    return id == NULL || pem == NULL ? NULL
                                     : json_pack("{s:o, s:s, s:s}", "label",
                                                 control_json_text(c->label), "id", id, "pem", pem);
}

static void on_certs(void *arg, struct err *e, const struct remote_cert *certs, size_t n)
{
    struct control_request *r = arg;

    if (!control_came(r, e)) {
        return;
    }
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++) {
        if (!control_json_add(list, certificate_json(&certs[i]))) {
            json_decref(list);
            control_fail(r, err_nomem());
            return;
        }
    }
    control_answer(r, 200, json_pack("{s:o}", "certificates", list));
}

struct err *control_token_certificates(struct control_request *r)
{
    const struct control_deps *d = control_deps_of(r);
    const char *token = control_param(r, "token");
    AUTO(auto_free) char *what = text_fmt("read the certificates of token %s", token);
    size_t i;
    struct err *e = remote_token_find(d->remote, token, &i);

    if (e == NULL) {
        e = control_wait(r, READ_MS, what, NULL, NULL);
    }
    if (e == NULL) {
        remote_certs(d->remote, i, on_certs, r);
    }
    return e;
}
