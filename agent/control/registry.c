/*
 * Resources of the registry: one set of handlers for all five kinds. What a spec may hold, and what
 * it means, is the registry's to say; here are HTTP's parts of it: which kind a path means, revisions
 * as entity tags, and statuses.
 *
 * A change needs to say what it is based on (If-Match), so that of two editors the second hears of the
 * first. "*" is for those who do not mind.
 */
#include <event2/http.h>
#include <stdlib.h>

#include "control/resources.h"

enum {
    WAIT_MS = 30 * 1000,
    PAGE = 100,
    PAGE_MAX = 1000,
    DIGITS_MAX = 7, /* REGISTRY_REVISION_BITS */
    HEX_MAX = 9,
    TAGS_MAX = 1000,
    TAG_MAX_BYTES = 256,
    NAME_MAX_BYTES = 512,
    CURSOR_MAX_BYTES = 4096,
};

const struct control_member control_resource_body[] = {
    {"name", CONTROL_TEXT, true, 0, CONTROL_BODY_MAX_BYTES},
    {"description", CONTROL_TEXT, false, 0, CONTROL_BODY_MAX_BYTES},
    {"tags", CONTROL_LIST, false, 0, TAGS_MAX},
    {"spec", CONTROL_OBJECT, true, 0, 0},
    {NULL, CONTROL_TEXT, false, 0, 0},
};
const char *const control_resources_query[] = {"below", "above", "tag", "name",
                                               "after", "limit", NULL};
const char *const control_resource_delete_query[] = {"force", NULL};

struct err *control_registry_of(const struct control_request *r, struct registry **ret)
{
    *ret = control_deps_of(r)->registry;
    return *ret != NULL ? NULL : err_new(ERR_UNSUPPORTED, "this agent keeps no registry");
}

/* The path has the plural: "ssh-keys". */
static struct err *kind_of(const struct control_request *r, enum registry_kind *ret)
{
    const char *plural = control_param(r, "kind");
    size_t len = strlen(plural);
    AUTO(auto_free) char *word = strndup(plural, len > 0 ? len - 1 : 0);
    AUTO(auto_free) char *safe = text_safe(view_cstr(plural));

    if (word != NULL && len > 0 && plural[len - 1] == 's' && registry_kind_find(word, ret)) {
        return NULL;
    }
    return err_new(ERR_NOT_FOUND, "no such kind of resource: %s", safe != NULL ? safe : "");
}

/* What most handlers begin with: from now on the registry's callback is waited for. @body: a resource
 * that is brought; NULL: none is. */
static struct err *begin(struct control_request *r, const json_t *body,
                         struct registry **ret_registry, enum registry_kind *ret_kind)
{
    struct err *e = control_registry_of(r, ret_registry);

    if (e == NULL) {
        e = kind_of(r, ret_kind);
    }
    if (e == NULL && body != NULL) {
        e = control_key_use(control_deps_of(r), *ret_kind, body);
    }
    return e != NULL ? e : control_wait(r, WAIT_MS, "the registry", NULL, NULL);
}

/* "3-6743a1b2": the revision, and when it was created: what is made anew is another one. */
static void put_etag(struct control_request *r, const json_t *resource)
{
    json_int_t revision = json_integer_value(json_object_get(resource, "revision"));
    const char *created = json_string_value(json_object_get(resource, "created"));
    AUTO(auto_free) char *etag =
        text_fmt("\"%lld-%llx\"", (long long)revision, (unsigned long long)wall_of_text(created).s);

    if (etag != NULL) {
        control_header(r, "ETag", etag);
    }
}

static void put_location(struct control_request *r, const json_t *resource)
{
    const char *id = json_string_value(json_object_get(resource, "identifier"));
    AUTO(auto_free) char *scope = evhttp_encode_uri(control_param(r, "scope"));
    AUTO(auto_free) char *location = text_fmt("/v1/scopes/%s/%s/%s", scope != NULL ? scope : "",
                                              control_param(r, "kind"), id != NULL ? id : "");

    if (location != NULL) {
        control_header(r, "Location", location);
    }
}

static void on_plain(void *arg, struct err *e, json_t *result)
{
    if (control_came(arg, e)) {
        control_answer(arg, 200, json_incref(result));
    }
}

static void on_resource(void *arg, struct err *e, json_t *result)
{
    if (control_came(arg, e)) {
        put_etag(arg, result);
        control_answer(arg, 200, json_incref(result));
    }
}

static void on_created(void *arg, struct err *e, json_t *result)
{
    if (control_came(arg, e)) {
        put_etag(arg, result);
        put_location(arg, result);
        control_answer(arg, 201, json_incref(result));
    }
}

struct err *control_query_number(const struct control_request *r, const char *name, size_t max,
                                 size_t *ret)
{
    const char *text = control_query(r, name);
    char *end = NULL;
    unsigned long n = text != NULL && *text >= '0' && *text <= '9' ? strtoul(text, &end, 10) : 0;

    if (text == NULL) {
        return NULL;
    }
    if (n < 1 || n > max || *end != '\0') {
        return err_new(ERR_INPUT, "query: %s has to be 1 to %zu", name, max);
    }
    *ret = n;
    return NULL;
}

static struct err *fits(const struct control_request *r, const char *name, size_t min, size_t max)
{
    const char *v = control_query(r, name);
    size_t len = v != NULL ? strlen(v) : min;

    return len >= min && len <= max
               ? NULL
               : err_new(ERR_INPUT, "query: %s has to have %zu to %zu bytes", name, min, max);
}

static struct err *read_page(const struct control_request *r, struct registry_query *q)
{
    struct err *e = control_query_number(r, "limit", PAGE_MAX, &q->limit);

    if (e == NULL) {
        e = control_query_flag(r, "below", &q->below);
    }
    if (e == NULL) {
        e = control_query_flag(r, "above", &q->above);
    }
    if (e == NULL) {
        e = fits(r, "tag", 1, TAG_MAX_BYTES);
    }
    if (e == NULL) {
        e = fits(r, "name", 1, NAME_MAX_BYTES);
    }
    return e != NULL ? e : fits(r, "after", 0, CURSOR_MAX_BYTES);
}

struct err *control_resources_list(struct control_request *r)
{
    struct registry *registry;
    struct registry_query q = {
        .scope = control_param(r, "scope"),
        .tag = control_query(r, "tag"),
        .name_has = control_query(r, "name"),
        .after = control_query(r, "after"),
        .limit = PAGE,
    };
    struct err *e = read_page(r, &q);

    if (e == NULL) {
        e = begin(r, NULL, &registry, &q.kind);
    }
    if (e == NULL) {
        registry_list(registry, &q, control_answer_text_done, r);
    }
    return e;
}

struct err *control_resource_create(struct control_request *r)
{
    struct registry_caller who = control_caller(r);
    struct registry *registry;
    enum registry_kind kind;
    struct err *e = begin(r, control_body(r), &registry, &kind);

    if (e == NULL) {
        registry_create(registry, &who, kind, control_param(r, "scope"), control_body(r),
                        on_created, r);
    }
    return e;
}

struct err *control_resource_check(struct control_request *r)
{
    struct registry *registry;
    enum registry_kind kind;
    struct err *e = begin(r, control_body(r), &registry, &kind);

    if (e == NULL) {
        registry_check_only(registry, kind, control_param(r, "scope"), control_body(r), on_plain,
                            r);
    }
    return e;
}

struct err *control_resource_get(struct control_request *r)
{
    struct registry *registry;
    enum registry_kind kind;
    struct err *e = begin(r, NULL, &registry, &kind);

    if (e == NULL) {
        registry_get(registry, kind, control_param(r, "scope"), control_param(r, "id"), on_resource,
                     r);
    }
    return e;
}

/* What If-Match says, as registry_version(); 0 for "*". True: the request was refused, and has ended.
 * Spec: RFC 9110, 13.1.1; RFC 6585, 3 */
static struct err *expected_of(struct control_request *r, uint64_t *ret, bool *ret_refused)
{
    const char *tag = control_in_header(r, "If-Match");
    size_t digits = tag != NULL && *tag == '"' ? strspn(tag + 1, "0123456789") : 0;

    *ret_refused = tag == NULL;
    if (tag == NULL) {
        control_refuse(r, 428,
                       err_new(ERR_INPUT, "If-Match is missing: the ETag of the resource that this "
                                          "change is based on, or *"));
        return NULL;
    }
    *ret = 0;
    if (text_eq(tag, "*")) {
        return NULL;
    }
    const char *end = tag + 1 + digits;
    size_t hex = digits > 0 && *end == '-' ? strspn(end + 1, "0123456789abcdef") : 0;
    struct wall created = {hex > 0 ? (int64_t)strtoull(end + 1, NULL, 16) : 0};

    end += hex > 0 ? hex + 1 : 0;
    if (digits == 0 || digits > DIGITS_MAX || hex > HEX_MAX || tag[1] == '0' ||
        !text_eq(end, "\"")) {
        return err_new(ERR_INPUT, "If-Match has to be the ETag of the resource, or *");
    }
    *ret = registry_version(strtoull(tag + 1, NULL, 10), created);
    return NULL;
}

struct err *control_resource_replace(struct control_request *r)
{
    struct registry_caller who = control_caller(r);
    struct registry *registry;
    enum registry_kind kind;
    uint64_t expected = 0;
    bool refused;
    struct err *e = expected_of(r, &expected, &refused);

    if (e != NULL || refused) {
        return e;
    }
    e = begin(r, control_body(r), &registry, &kind);
    if (e == NULL) {
        registry_update(registry, &who, kind, control_param(r, "scope"), control_param(r, "id"),
                        expected, control_body(r), on_resource, r);
    }
    return e;
}

struct err *control_resource_delete(struct control_request *r)
{
    struct registry_caller who = control_caller(r);
    struct registry *registry;
    enum registry_kind kind;
    uint64_t expected = 0;
    bool refused = false, force = false;
    struct err *e = control_query_flag(r, "force", &force);

    if (e == NULL) {
        e = expected_of(r, &expected, &refused);
    }
    if (e != NULL || refused) {
        return e;
    }
    e = begin(r, NULL, &registry, &kind);
    if (e == NULL) {
        registry_delete(registry, &who, kind, control_param(r, "scope"), control_param(r, "id"),
                        expected, force, on_plain, r);
    }
    return e;
}
