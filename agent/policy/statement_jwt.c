/*
 * A JWT of ours: base64url(header) "." base64url(payload), both JSON objects without duplicates. The
 * header must name the scheme that signs and nothing that changes how the rest is read; the payload must
 * say who speaks and be good for a short time only, for it is a bearer's secret once it is signed. That
 * time is about now: our clock may be wrong, and a server may say so, but none is signed for next year.
 *
 * Spec: RFC 7515, 3.1, 4.1, 5.1; RFC 7519, 4.1
 */
#include <jansson.h>
#include <string.h>

#include "policy/statement_impl.h"

static void free_json(json_t **j)
{
    json_decref(*j);
}

/* base64url without padding to the base64 that text_unbase64() is strict about. */
static bool unbase64url(struct view v, struct buf *out)
{
    AUTO(buf_deinit) struct buf text;

    buf_init(&text, 0);
    for (size_t i = 0; i < v.len; i++) {
        uint8_t c = v.p[i];

        if (c == '+' || c == '/' || c == '=') {
            return false;
        }
        buf_put_u8(&text, c == '-' ? '+' : c == '_' ? '/' : c);
    }
    buf_put(&text, "===", (4 - v.len % 4) % 4);
    AUTO(err_free) struct err *e = text.failed ? err_nomem() : text_unbase64(buf_view(&text), out);

    return e == NULL;
}

/* An object, from its first byte to its last: no white space around it. */
static json_t *read_object(struct view part)
{
    AUTO(buf_deinit) struct buf text;

    buf_init(&text, 0);
    if (!unbase64url(part, &text) || text.len < 2 || text.data[0] != '{' ||
        text.data[text.len - 1] != '}') {
        return NULL;
    }
    return json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
}

static bool is_text(const json_t *object, const char *name, const char *text)
{
    const char *value = json_string_value(json_object_get(object, name));

    return value != NULL && (text == NULL || text_eq(value, text));
}

/* Names that this page knows: another could change how the rest is read ("crit", "b64", "zip"). */
static bool header_is_plain(json_t *header)
{
    static const char *const known[] = {"alg", "typ", "kid"};
    const char *name;
    json_t *value;

    json_object_foreach(header, name, value)
    {
        bool found = false;

        for (size_t i = 0; i < ARRAY_LEN(known); i++) {
            found = found || text_eq(name, known[i]);
        }
        if (!found || !json_is_string(value)) {
            return false;
        }
    }
    return json_object_get(header, "typ") == NULL || is_text(header, "typ", "JWT");
}

static bool is_short_lived(const json_t *payload)
{
    const json_t *iat = json_object_get(payload, "iat"), *exp = json_object_get(payload, "exp");
    json_int_t from = json_integer_value(iat), until = json_integer_value(exp);

    return json_is_integer(iat) && json_is_integer(exp) && from >= 0 && until > from &&
           until - from <= POLICY_JWT_LIFE_MAX_S;
}

const char *policy_jwt_why_not(struct view message, enum scheme scheme)
{
    const uint8_t *dot = memchr(message.p, '.', message.len);
    size_t at = dot != NULL ? (size_t)(dot - message.p) : 0;

    if (dot == NULL) {
        return "it is not the body of a JWT";
    }
    AUTO(free_json) json_t *header = read_object(view_of(message.p, at));
    AUTO(free_json) json_t *payload = read_object(view_of(dot + 1, message.len - at - 1));

    if (header == NULL || payload == NULL || !header_is_plain(header)) {
        return "it is not the body of a JWT";
    }
    if (!is_text(header, "alg", scheme_name(scheme))) {
        return "the JWT names another signature scheme";
    }
    if (!is_text(payload, "iss", NULL)) {
        return "the JWT does not say who speaks";
    }
    if (!is_short_lived(payload)) {
        return "the JWT says no time, or too long a one";
    }
    json_int_t issued = json_integer_value(json_object_get(payload, "iat"));

    return issued <= wall_now().s + POLICY_JWT_AHEAD_MAX_S
               ? NULL
               : "the JWT is for a time that is far ahead of this machine's clock";
}
