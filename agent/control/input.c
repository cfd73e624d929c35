/*
 * What a client sent, checked against its row of the table: names that are not known are errors, so
 * that a misspelt option is never silently left out.
 *
 * A body may hold a PIN. It is copied into a buffer that wipes itself, wiped where evhttp put it, and
 * parsed into memory that is wiped when freed (json.c). Not within our reach: the kernel's socket
 * buffers; the block that evhttp read the body into, where it had to copy a part of it out (a body
 * that came together with the request after it); libevent's freed blocks where a body was read in
 * pieces into a growing one. The agent is not dumpable and writes no core, which bounds that.
 * jansson's own error text quotes the input, hence it is never shown.
 */
#include <event2/buffer.h>
#include <openssl/crypto.h>
#include <stdlib.h>

#include "control/request_impl.h"

enum { PIECES_MAX = 64, NAME_SHOWN_MAX_BYTES = 64 };

/* One name as a JSON pointer. Spec: RFC 6901, 3 */
static char *pointer_of(const char *name)
{
    struct buf b;

    buf_init(&b, 0);
    buf_put_u8(&b, '/');
    for (size_t i = 0; name[i] != '\0' && i < NAME_SHOWN_MAX_BYTES; i++) {
        switch (name[i]) {
        case '~':
            buf_put(&b, "~0", 2);
            break;
        case '/':
            buf_put(&b, "~1", 2);
            break;
        default:
            buf_put_u8(&b, (uint8_t)name[i]);
        }
    }
    char *safe = text_safe(buf_view(&b));

    buf_deinit(&b);
    return safe;
}

static struct err *take_body(struct evbuffer *in, struct buf *out)
{
    struct evbuffer_iovec piece[PIECES_MAX];
    int n;

    buf_init(out, CONTROL_BODY_MAX_BYTES);
    out->secret = true;
    while ((n = evbuffer_peek(in, -1, NULL, piece, PIECES_MAX)) > 0) {
        size_t len = 0;

        n = n < PIECES_MAX ? n : PIECES_MAX;
        for (int i = 0; i < n; i++) {
            buf_put(out, piece[i].iov_base, piece[i].iov_len);
            OPENSSL_cleanse(piece[i].iov_base, piece[i].iov_len);
            len += piece[i].iov_len;
        }
        evbuffer_drain(in, len);
    }
    return buf_check(out, "body");
}

static struct err *check_text(const struct control_member *m, const json_t *v)
{
    int64_t len = (int64_t)json_string_length(v);

    if (!json_is_string(v)) {
        return err_new(ERR_INPUT, "/%s has to be a text", m->name);
    }
    if (len < m->min || len > m->max) {
        return err_new(ERR_INPUT, "/%s has to be %lld to %lld bytes long", m->name,
                       (long long)m->min, (long long)m->max);
    }
    return NULL;
}

static struct err *check_number(const struct control_member *m, const json_t *v)
{
    int64_t n = json_integer_value(v);

    if (!json_is_integer(v)) {
        return err_new(ERR_INPUT, "/%s has to be a whole number", m->name);
    }
    if (n < m->min || n > m->max) {
        return err_new(ERR_INPUT, "/%s has to be %lld to %lld", m->name, (long long)m->min,
                       (long long)m->max);
    }
    return NULL;
}

static struct err *check_list(const struct control_member *m, const json_t *v)
{
    int64_t n = (int64_t)json_array_size(v);

    if (!json_is_array(v)) {
        return err_new(ERR_INPUT, "/%s has to be a list", m->name);
    }
    if (n < m->min || n > m->max) {
        return err_new(ERR_INPUT, "/%s has to have %lld to %lld elements", m->name,
                       (long long)m->min, (long long)m->max);
    }
    return NULL;
}

static struct err *check_value(const struct control_member *m, const json_t *v)
{
    switch (m->type) {
    case CONTROL_TEXT:
        return check_text(m, v);
    case CONTROL_NUMBER:
        return check_number(m, v);
    case CONTROL_LIST:
        return check_list(m, v);
    case CONTROL_OBJECT:
        return json_is_object(v) ? NULL : err_new(ERR_INPUT, "/%s has to be an object", m->name);
    case CONTROL_BOOL:
        return json_is_boolean(v) ? NULL
                                  : err_new(ERR_INPUT, "/%s has to be true or false", m->name);
    }
    return err_new(ERR_BUG, "/%s has no type", m->name);
}

static const struct control_member *find_member(const struct control_member *m, const char *name)
{
    while (m != NULL && m->name != NULL && !text_eq(m->name, name)) {
        m++;
    }
    return m != NULL && m->name != NULL ? m : NULL;
}

static struct err *check_members(const struct control_member *members, json_t *body)
{
    const char *name;
    json_t *v;

    json_object_foreach(body, name, v)
    {
        const struct control_member *m = find_member(members, name);

        if (m == NULL) {
            AUTO(auto_free) char *pointer = pointer_of(name);

            return err_new(ERR_INPUT, "%s is not known here", pointer != NULL ? pointer : "/");
        }
        struct err *e = check_value(m, v);

        if (e != NULL) {
            return e;
        }
    }
    for (const struct control_member *m = members; m != NULL && m->name != NULL; m++) {
        if (m->required && json_object_get(body, m->name) == NULL) {
            return err_new(ERR_INPUT, "/%s is missing", m->name);
        }
    }
    return NULL;
}

static struct err *parse(struct view text, json_t **ret)
{
    json_error_t where;

    if (text.len == 0) {
        *ret = json_object();
        return *ret != NULL ? NULL : err_nomem();
    }
    *ret = json_loadb((const char *)text.p, text.len, JSON_REJECT_DUPLICATES, &where);
    OPENSSL_cleanse(where.text, sizeof where.text);
    if (*ret == NULL) {
        return err_new(ERR_INPUT, "the body is not JSON: line %d, column %d", where.line,
                       where.column);
    }
    if (!json_is_object(*ret)) {
        return err_new(ERR_INPUT, "the body has to be a JSON object");
    }
    return NULL;
}

struct err *control_read_body(struct control_request *r)
{
    AUTO(buf_deinit) struct buf text;
    struct err *e = take_body(evhttp_request_get_input_buffer(r->http), &text);

    if (e == NULL) {
        e = parse(buf_view(&text), &r->body);
    }
    return e != NULL ? e : check_members(r->route->body, r->body);
}

static bool known_query(const char *const *known, const char *name)
{
    while (known != NULL && *known != NULL && !text_eq(*known, name)) {
        known++;
    }
    return known != NULL && *known != NULL;
}

struct err *control_read_query(struct control_request *r)
{
    const char *text = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(r->http));
    struct evkeyval *pair;

    if (text != NULL && evhttp_parse_query_str(text, &r->query) < 0) {
        return err_new(ERR_INPUT, "the query is not a list of name=value");
    }
    TAILQ_FOREACH(pair, &r->query, next)
    {
        if (!known_query(r->route->query, pair->key)) {
            AUTO(auto_free) char *name = text_safe(view_cstr(pair->key));

            return err_new(ERR_INPUT, "query: %s is not known here", name != NULL ? name : "");
        }
        if (evhttp_find_header(&r->query, pair->key) != pair->value) {
            return err_new(ERR_INPUT, "query: %s is given twice", pair->key);
        }
    }
    return NULL;
}

const char *control_query(const struct control_request *r, const char *name)
{
    return evhttp_find_header(&r->query, name);
}

struct err *control_query_flag(const struct control_request *r, const char *name, bool *ret)
{
    const char *v = control_query(r, name);

    if (v != NULL && !text_eq(v, "true") && !text_eq(v, "false")) {
        return err_new(ERR_INPUT, "query: %s has to be true or false", name);
    }
    *ret = text_eq(v, "true");
    return NULL;
}

const char *control_in_header(const struct control_request *r, const char *name)
{
    return evhttp_find_header(evhttp_request_get_input_headers(r->http), name);
}

const json_t *control_body(const struct control_request *r)
{
    return r->body;
}

json_t *control_value(const struct control_request *r, const char *name)
{
    return json_object_get(r->body, name);
}

const char *control_text(const struct control_request *r, const char *name)
{
    return json_string_value(json_object_get(r->body, name));
}

bool control_bool(const struct control_request *r, const char *name)
{
    return json_is_true(json_object_get(r->body, name));
}

int64_t control_number(const struct control_request *r, const char *name, int64_t otherwise)
{
    const json_t *v = json_object_get(r->body, name);

    return v != NULL ? json_integer_value(v) : otherwise;
}

void control_forget_body(struct control_request *r)
{
    json_decref(take(&r->body));
}
