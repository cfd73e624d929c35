/*
 * The kinds of resources, and the one validator that walks their tables. It puts in presets, takes out
 * nulls, and says of the first thing that is wrong where it stands (a JSON pointer) and what is
 * wanted, but not what was given. What a table cannot say is in each kind's check().
 */
#include "registry/kind.h"

#include "registry/check.h"
#include "registry/name.h"
#include "registry/secret.h"

static const struct registry_kind_row *const rows[REGISTRY_KINDS] = {
    [REGISTRY_CERTIFICATE] = &registry_kind_certificate,
    [REGISTRY_CONNECTOR] = &registry_kind_connector,
    [REGISTRY_SECRETS_MANAGER] = &registry_kind_secrets_manager,
    [REGISTRY_SSH_KEY] = &registry_kind_ssh_key,
    [REGISTRY_INFRASTRUCTURE] = &registry_kind_infrastructure,
};

const struct registry_kind_row *registry_kind_row(enum registry_kind k)
{
    return rows[k];
}

const char *registry_kind_word(enum registry_kind k)
{
    return rows[k]->word;
}

const char *registry_kind_title(enum registry_kind k)
{
    return rows[k]->title;
}

bool registry_kind_find(const char *word, enum registry_kind *ret)
{
    for (unsigned k = 0; k < REGISTRY_KINDS; k++) {
        if (strcmp(rows[k]->word, word) == 0) {
            *ret = (enum registry_kind)k;
            return true;
        }
    }
    return false;
}

/* Where a value stands: a chain on the stack, made a text only for a message. */
struct place {
    const struct place *up;
    const char *name; /* NULL: an entry of a list */
    size_t index;
};

static void put_place(const struct place *p, struct buf *out)
{
    char number[24];

    if (p->up != NULL) {
        put_place(p->up, out);
    }
    snprintf(number, sizeof number, "%zu", p->index);
    buf_put_u8(out, '/');
    for (const char *c = p->name != NULL ? p->name : number; *c != '\0'; c++) {
        const char *as = *c == '~' ? "~0" : *c == '/' ? "~1" : NULL; /* Spec: RFC 6901, 3 */

        buf_put(out, as != NULL ? as : c, as != NULL ? 2 : 1);
    }
}

/* Puts the place in front of an error. */
static struct err *at(const struct place *p, struct err *e)
{
    AUTO(buf_deinit) struct buf text;

    buf_init(&text, 256); /* a longer one is cut by its failing writes */
    put_place(p, &text);
    AUTO(auto_free) char *safe = text_safe(buf_view(&text));

    return err_add(e, "%s", safe != NULL ? safe : "");
}

static struct err *check_object(const struct registry_member *members, json_t *object,
                                const struct place *here);

static struct err *check_words(const struct registry_member *m, const char *text)
{
    AUTO(buf_deinit) struct buf list;

    buf_init(&list, 512);
    for (const char *const *w = m->words; *w != NULL; w++) {
        if (strcmp(*w, text) == 0) {
            return NULL;
        }
        buf_put(&list, w == m->words ? "" : ", ", w == m->words ? 0 : 2);
        buf_put(&list, *w, strlen(*w));
    }
    return err_new(ERR_INPUT, "must be one of: %.*s", (int)list.len, (const char *)list.data);
}

static struct err *check_text(const struct registry_member *m, const json_t *value)
{
    const char *text = json_string_value(value);
    long long len = (long long)json_string_length(value);

    if (len < m->min || len > m->max) {
        return err_new(len > m->max ? ERR_LIMIT : ERR_INPUT,
                       "has %lld bytes, but must have %lld..%lld", len, m->min, m->max);
    }
    if (strlen(text) != (size_t)len && !m->plain) {
        return err_new(ERR_INPUT, "holds a NUL character");
    }
    if (m->words != NULL) {
        return check_words(m, text);
    }
    if (m->plain) {
        return NULL;
    }
    struct err *e = registry_secret_text(text);

    if (e == NULL) {
        e = m->check != NULL ? m->check(text) : registry_check_utf8(text);
    }
    return e;
}

static struct err *check_number(const struct registry_member *m, const json_t *value)
{
    json_int_t n = json_integer_value(value);

    if (n < m->min || n > m->max) {
        return err_new(ERR_INPUT, "must be %lld..%lld", m->min, m->max);
    }
    return NULL;
}

static struct err *wrong_type(const struct registry_member *m)
{
    static const char *const words[] = {
        [REGISTRY_TEXT] = "a text",
        [REGISTRY_NUMBER] = "a whole number",
        [REGISTRY_FLAG] = "true or false",
        [REGISTRY_OBJECT] = "an object",
        [REGISTRY_REFERENCE] = "a text that refers to a resource",
    };

    if (m->type == REGISTRY_OBJECT && registry_secret_member(m->name)) {
        return registry_secret_denied();
    }
    return err_new(ERR_INPUT, "must be %s", words[m->type]);
}

static struct err *check_one(const struct registry_member *m, json_t *value,
                             const struct place *here)
{
    switch (m->type) {
    case REGISTRY_TEXT:
        return at(here, json_is_string(value) ? check_text(m, value) : wrong_type(m));
    case REGISTRY_NUMBER:
        return at(here, json_is_integer(value) ? check_number(m, value) : wrong_type(m));
    case REGISTRY_FLAG:
        return at(here, json_is_boolean(value) ? NULL : wrong_type(m));
    case REGISTRY_REFERENCE:
        return at(here, json_is_string(value) ? registry_reference_check(json_string_value(value))
                                              : wrong_type(m));
    case REGISTRY_OBJECT:
        return json_is_object(value) ? check_object(m->members, value, here)
                                     : at(here, wrong_type(m));
    }
    return NULL;
}

static struct err *check_member(const struct registry_member *m, json_t *value,
                                const struct place *here)
{
    struct err *e = NULL;
    size_t n = json_array_size(value);

    if (!m->list) {
        return check_one(m, value, here);
    }
    if (!json_is_array(value)) {
        return at(here, err_new(ERR_INPUT, "must be a list"));
    }
    if (n < m->list_min || n > m->list_max) {
        return at(here,
                  err_new(n > m->list_max ? ERR_LIMIT : ERR_INPUT,
                          "has %zu entries, but must have %u..%u", n, m->list_min, m->list_max));
    }
    for (size_t i = 0; i < n && e == NULL; i++) {
        const struct place entry = {.up = here, .index = i};

        e = check_one(m, json_array_get(value, i), &entry);
    }
    return e;
}

static const struct registry_member *find_member(const struct registry_member *members,
                                                 const char *name)
{
    while (members->name != NULL && strcmp(members->name, name) != 0) {
        members++;
    }
    return members->name != NULL ? members : NULL;
}

static struct err *unknown_member(const struct registry_member *members, const char *name)
{
    AUTO(buf_deinit) struct buf known = {0};

    if (registry_secret_member(name)) {
        return registry_secret_denied();
    }
    buf_init(&known, 512);
    for (const struct registry_member *m = members; m->name != NULL; m++) {
        buf_put(&known, m == members ? "" : ", ", m == members ? 0 : 2);
        buf_put(&known, m->name, strlen(m->name));
    }
    return err_new(ERR_INPUT, "there is no such member; there are: %.*s", (int)known.len,
                   (const char *)known.data);
}

static struct err *check_object(const struct registry_member *members, json_t *object,
                                const struct place *here)
{
    const char *name;
    json_t *value;

    json_object_foreach(object, name, value)
    {
        const struct place inside = {.up = here, .name = name};
        const struct registry_member *m = find_member(members, name);
        struct err *e = m != NULL ? check_member(m, value, &inside)
                                  : at(&inside, unknown_member(members, name));

        if (e != NULL) {
            return e;
        }
    }
    for (const struct registry_member *m = members; m->name != NULL; m++) {
        if (m->required && json_object_get(object, m->name) == NULL) {
            const struct place inside = {.up = here, .name = m->name};

            return at(&inside, err_new(ERR_INPUT, "is missing: %s", m->about));
        }
    }
    return NULL;
}

static struct err *tidy(const struct registry_member *members, json_t *object);

static struct err *tidy_member(const struct registry_member *m, json_t *value)
{
    struct err *e = NULL;
    size_t i;
    json_t *entry;

    if (m->type == REGISTRY_OBJECT && !m->list) {
        return tidy(m->members, value);
    }
    if (m->type == REGISTRY_OBJECT) {
        json_array_foreach(value, i, entry)
        {
            e = e == NULL ? tidy(m->members, entry) : e;
        }
    }
    return e;
}

static struct err *tidy(const struct registry_member *members, json_t *object)
{
    struct err *e = NULL;

    if (!json_is_object(object)) {
        return NULL; /* the check will say so */
    }
    for (const struct registry_member *m = members; m->name != NULL && e == NULL; m++) {
        json_t *value = json_object_get(object, m->name);

        if (json_is_null(value)) {
            json_object_del(object, m->name);
            value = NULL;
        }
        if (value != NULL) {
            e = tidy_member(m, value);
        } else if (m->preset != NULL &&
                   json_object_set_new(object, m->name,
                                       json_loads(m->preset, JSON_DECODE_ANY, NULL)) != 0) {
            e = err_nomem();
        }
    }
    return e;
}

struct err *registry_spec_tidy(enum registry_kind k, json_t *spec)
{
    return tidy(rows[k]->members, spec);
}

struct err *registry_spec_check(enum registry_kind k, json_t *spec, json_t **ret_facts)
{
    const struct place top = {.name = "spec"};
    json_t *facts = NULL;
    struct err *e = registry_spec_tidy(k, spec);

    e = e == NULL ? check_object(rows[k]->members, spec, &top) : e;
    if (e == NULL && rows[k]->check != NULL) {
        e = rows[k]->check(spec);
    }
    if (e == NULL && rows[k]->facts != NULL) {
        e = rows[k]->facts(spec, &facts);
    }
    if (e == NULL) {
        *ret_facts = facts;
    }
    return e;
}

static struct err *walk(const struct registry_member *members, json_t *object, const char *where,
                        registry_reference_fn *on_reference, void *arg)
{
    struct err *e = NULL;

    for (const struct registry_member *m = members; m->name != NULL && e == NULL; m++) {
        json_t *value = json_object_get(object, m->name);

        if (value == NULL || m->list ||
            (m->type != REGISTRY_REFERENCE && m->type != REGISTRY_OBJECT)) {
            continue;
        }
        AUTO(auto_free) char *here = text_fmt("%s/%s", where, m->name);

        if (here == NULL) {
            e = err_nomem();
        } else if (m->type == REGISTRY_REFERENCE) {
            e = on_reference(arg, here, object, m);
        } else {
            e = walk(m->members, value, here, on_reference, arg);
        }
    }
    return e;
}

struct err *registry_spec_references(enum registry_kind k, json_t *spec,
                                     registry_reference_fn *on_reference, void *arg)
{
    return walk(rows[k]->members, spec, "/spec", on_reference, arg);
}
