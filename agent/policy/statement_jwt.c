/*
 * A JWT of ours: base64url(header) "." base64url(payload), both JSON objects without duplicates. The
 * header must name the scheme that signs and nothing that changes how the rest is read; the payload must
 * say who speaks, of whom and to whom, exactly as it is configured, and nothing else that a server could
 * give rights for. It must be good for a short time only, for it is a bearer's secret once it is signed.
 * That time is about now: our clock may be wrong, and a server may say so, but none is signed for next
 * year.
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

/* Names are compared as they are: a server may read "ISS" as "iss", and must not come to. */
struct member {
    const char *name;
    json_type type;
};

static bool has_only(json_t *object, const struct member *known, size_t n)
{
    const char *name;
    json_t *value;

    json_object_foreach(object, name, value)
    {
        size_t i = 0;

        while (i < n && !text_eq(name, known[i].name)) {
            i++;
        }
        if (i == n || json_typeof(value) != known[i].type) {
            return false;
        }
    }
    return true;
}

/* A list that holds it, or nothing where there should be something, is something else. */
static bool is_exactly(const json_t *object, const char *name, const char *text)
{
    const json_t *value = json_object_get(object, name);
    const char *found = json_string_value(value);

    return text != NULL ? found != NULL && text_eq(found, text) : value == NULL;
}

/* Names that this page knows: another could change how the rest is read ("crit", "b64", "zip"). */
static bool header_is_plain(json_t *header)
{
    static const struct member known[] = {
        {"alg", JSON_STRING}, {"typ", JSON_STRING}, {"kid", JSON_STRING}};

    return has_only(header, known, ARRAY_LEN(known)) &&
           (json_object_get(header, "typ") == NULL || is_exactly(header, "typ", "JWT"));
}

static const char *claims_why_not(json_t *payload, const struct policy_claims *claims)
{
    static const struct member known[] = {
        {"iss", JSON_STRING},  {"sub", JSON_STRING},  {"aud", JSON_STRING}, {"jti", JSON_STRING},
        {"iat", JSON_INTEGER}, {"nbf", JSON_INTEGER}, {"exp", JSON_INTEGER}};

    if (!is_exactly(payload, "iss", claims->issuer)) {
        return "the JWT does not say who speaks as the configuration of this login does (iss)";
    }
    if (!is_exactly(payload, "sub", claims->subject)) {
        return "the JWT is of another subject than the configuration of this login (sub)";
    }
    if (!is_exactly(payload, "aud", claims->audience)) {
        return "the JWT is for another audience than the configuration of this login (aud)";
    }
    return has_only(payload, known, ARRAY_LEN(known))
               ? NULL
               : "the JWT claims what no login of ours needs";
}

static bool is_short_lived(const json_t *payload)
{
    const json_t *iat = json_object_get(payload, "iat"), *exp = json_object_get(payload, "exp");
    json_int_t from = json_integer_value(iat), until = json_integer_value(exp);

    return json_is_integer(iat) && json_is_integer(exp) && from >= 0 && until > from &&
           until - from <= POLICY_JWT_LIFE_MAX_S;
}

const char *policy_jwt_why_not(struct view message, enum scheme scheme,
                               const struct policy_claims *claims)
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
    if (!is_exactly(header, "alg", scheme_name(scheme))) {
        return "the JWT names another signature scheme";
    }
    if (!is_short_lived(payload)) {
        return "the JWT says no time, or too long a one";
    }
    json_int_t issued = json_integer_value(json_object_get(payload, "iat"));

    if (issued > wall_now().s + POLICY_JWT_AHEAD_MAX_S) {
        return "the JWT is for a time that is far ahead of this machine's clock";
    }
    return claims != NULL ? claims_why_not(payload, claims) : "this login needs no JWT";
}
