/*
 * A JSON Web Token of our own: a header, claims, and a signature that comes from elsewhere. Pure.
 *
 * Spec: RFC 7515, 3.1 (compact serialization), 7.1; RFC 7519, 4.1 (claims)
 */
#include "vault/jwt.h"

#include <jansson.h>
#include <stdlib.h>

#include "vault/api.h"

/* Spec: RFC 7515, 2: base64 with - and _, and without padding */
static struct err *put_base64url(struct buf *out, struct view v)
{
    AUTO(auto_free) char *text = text_base64(v);

    for (const char *p = text; p != NULL && *p != '\0' && *p != '='; p++) {
        buf_put_u8(out, (uint8_t)(*p == '+' ? '-' : *p == '/' ? '_' : *p));
    }
    return text != NULL ? buf_check(out, "a JWT") : err_nomem();
}

static int put_text(const char *p, size_t len, void *arg)
{
    buf_put(arg, p, len);
    return 0;
}

/* @object is taken. */
static struct err *put_json(struct buf *out, json_t *object)
{
    AUTO(vault_json_free) json_t *owned = object;
    AUTO(buf_deinit) struct buf text;

    buf_init(&text, 0);
    if (owned == NULL || json_dump_callback(owned, put_text, &text, JSON_COMPACT) < 0) {
        return err_new(ERR_INPUT, "a claim of the JWT is not UTF-8 text");
    }
    struct err *e = buf_check(&text, "a JWT");

    return e != NULL ? e : put_base64url(out, buf_view(&text));
}

struct err *vault_jwt_put(const struct vault_jwt *j, struct buf *out)
{
    struct err *e =
        put_json(out, json_pack("{s:s, s:s}", "alg", scheme_name(j->scheme), "typ", "JWT"));

    buf_put_u8(out, '.');
    if (e == NULL) {
        e = put_json(out, json_pack("{s:s*, s:s*, s:s*, s:s*, s:I, s:I, s:I}", "iss", j->issuer,
                                    "sub", j->subject, "aud", j->audience, "jti", j->id, "iat",
                                    (json_int_t)j->issued.s, "nbf", (json_int_t)j->issued.s, "exp",
                                    (json_int_t)j->expires.s));
    }
    return e;
}

struct err *vault_jwt_end(struct buf *out, struct view signature)
{
    buf_put_u8(out, '.');
    return put_base64url(out, signature);
}
