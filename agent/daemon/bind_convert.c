/*
 * Parts of the plan in the words of vault/, pkcs11/remote and identity/. What comes out points into
 * the plan, and owns its lists. Secrets that came by environment are the binder's; files are read by
 * those who need them.
 */
#include <stdlib.h>

#include "control/control.h"
#include "daemon/bind_registry.h"
#include "daemon/parts.h"

static const char *text_of(const json_t *o, const char *name)
{
    return json_string_value(json_object_get(o, name));
}

static struct err *list_of(const json_t *array, char ***ret)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        if (!text_list_add(ret, json_string_value(json_array_get(array, i)))) {
            return err_nomem();
        }
    }
    return NULL;
}

struct err *bind_vault_of(struct bind_registry *b, const char *name, const json_t *from,
                          struct bind_vault *ret)
{
    const json_t *spec = json_object_get(from, "connector");
    const char *variable = text_of(json_object_get(spec, "login"), "token_environment");

    *ret = (struct bind_vault){0};
    struct err *e = control_vault_conf(spec, json_object_get(from, "certificate"),
                                       variable != NULL ? bind_registry_secret(b, variable) : NULL,
                                       &ret->conf, &ret->more);

    ret->conf.name = name;
    return e;
}

void bind_vault_deinit(struct bind_vault *v)
{
    text_list_free(&v->more);
}

static struct err *pin_of(struct bind_registry *b, const json_t *from, struct remote_pin_source *to)
{
    static const struct {
        const char *member;
        enum remote_pin_kind kind;
    } kinds[] = {{"file", REMOTE_PIN_FILE},
                 {"environment", REMOTE_PIN_ENVIRONMENT},
                 {"credential", REMOTE_PIN_CREDENTIAL},
                 {"command", REMOTE_PIN_COMMAND},
                 {"askpass", REMOTE_PIN_ASKPASS}};

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        const json_t *value = json_object_get(from, kinds[i].member);

        if (value == NULL) {
            continue;
        }
        to->kind = kinds[i].kind;
        to->text = (char *)(uintptr_t)json_string_value(value);
        if (to->kind == REMOTE_PIN_ENVIRONMENT) {
            to->value = (struct secret *)(uintptr_t)bind_registry_secret(b, to->text);
        }
        return to->kind == REMOTE_PIN_COMMAND ? list_of(value, &to->argv) : NULL;
    }
    return err_new(ERR_INPUT, "a PIN source of a kind that this agent does not know");
}

struct err *bind_token_of(struct bind_registry *b, const char *name, const json_t *from,
                          struct bind_token *ret)
{
    const json_t *pins = json_object_get(from, "pins");
    struct err *e = NULL;

    *ret = (struct bind_token){.conf = {.name = name, .uri = text_of(from, "uri")},
                               .pins = calloc(json_array_size(pins) + 1, sizeof *ret->pins)};
    if (ret->pins == NULL) {
        return err_nomem();
    }
    ret->conf.pins = ret->pins;
    for (size_t i = 0; e == NULL && i < json_array_size(pins); i++) {
        ret->conf.pins_n++;
        e = pin_of(b, json_array_get(pins, i), &ret->pins[i]);
    }
    return e;
}

void bind_token_deinit(struct bind_token *t)
{
    for (size_t i = 0; t->pins != NULL && i < t->conf.pins_n; i++) {
        text_list_free(&t->pins[i].argv);
    }
    auto_free(&t->pins);
}

static const struct signer *signer_of(const struct bind_registry *b, const char *name)
{
    for (size_t i = 0; i < b->vaults_n; i++) {
        if (text_eq(b->vaults[i].name, name)) {
            return b->vaults[i].signer;
        }
    }
    return NULL;
}

static struct err *options_of(const json_t *array, struct ssh_cert_option **ret)
{
    AUTO(text_list_free) char **list = NULL;
    struct err *e = list_of(array, &list);

    return e != NULL ? e : parts_options(list, (unsigned)text_list_len(list), ret);
}

static struct err *extensions_of(const json_t *array, struct bind_identity *i)
{
    AUTO(text_list_free) char **list = json_is_array(array) ? calloc(1, sizeof *list) : NULL;
    struct err *e = json_is_array(array) && list == NULL ? err_nomem() : list_of(array, &list);

    return e != NULL ? e
                     : parts_extensions(list, (unsigned)text_list_len(list), SSH_CERT_USER,
                                        &i->extensions, &i->want.request.role_may_choose);
}

static struct err *want_of(const struct bind_registry *b, const json_t *from,
                           struct bind_identity *i)
{
    const char *ttl = text_of(from, "ttl");
    struct identity_want_conf *w = &i->want;
    struct err *e = list_of(json_object_get(from, "principals"), &i->principals);

    w->signer = signer_of(b, text_of(from, "vault"));
    if (e == NULL && w->signer == NULL) {
        e = err_new(ERR_NOT_FOUND, "its Vault %s could not be set up", text_of(from, "vault"));
    }
    if (e == NULL) {
        e = extensions_of(json_object_get(from, "extensions"), i);
    }
    if (e == NULL) {
        e = options_of(json_object_get(from, "critical_options"), &i->critical);
    }
    if (e == NULL && ttl != NULL) {
        e = text_duration(ttl, &w->request.ttl_s);
    }
    w->request.kind = SSH_CERT_USER;
    w->request.mount = text_of(from, "mount");
    w->request.role = text_of(from, "role");
    w->request.issuer_ref = text_of(from, "issuer");
    w->request.principals = i->principals;
    w->request.extensions = i->extensions;
    w->request.critical = i->critical;
    return e;
}

struct err *bind_identity_of(const struct bind_registry *b, const char *name, const json_t *from,
                             struct bind_identity *ret)
{
    const json_t *want = json_object_get(from, "want");
    const char *offer = text_of(from, "offer");
    const char *pasted = text_of(from, "public_key");
    const char *renewal = text_of(from, "renewal");

    *ret = (struct bind_identity){
        .conf = {.name = name,
                 .key_uri = text_of(from, "key"),
                 .offer = text_eq(offer, "both")  ? IDENTITY_OFFER_BOTH
                          : text_eq(offer, "key") ? IDENTITY_OFFER_KEY
                                                  : IDENTITY_OFFER_CERTIFICATE,
                 .scope = text_of(from, "scope")},
    };
    struct err *e = list_of(json_object_get(from, "tags"), &ret->tags);

    if (renewal != NULL) { /* the registry takes no other words */
        identity_renewal_find(renewal, &ret->conf.renewal);
    }
    ret->conf.tags = ret->tags;
    if (e == NULL && pasted != NULL) {
        e = ssh_key_from_line(pasted, &ret->expected);
    }
    ret->conf.expected = ret->expected;
    if (e == NULL && json_is_object(want)) {
        e = want_of(b, want, ret);
        ret->conf.wants = &ret->want;
        ret->conf.wants_n = 1;
    }
    return e;
}

void bind_identity_deinit(struct bind_identity *i)
{
    text_list_free(&i->tags);
    text_list_free(&i->principals);
    ssh_key_free(&i->expected);
    ssh_cert_options_free(&i->critical);
    ssh_cert_options_free(&i->extensions);
}
