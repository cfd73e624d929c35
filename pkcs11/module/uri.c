/*
 * PKCS#11 URIs: how configuration and people name a token or a key (Spec: RFC 7512).
 *
 * p11-kit parses, compares and formats. What is ours is the strictness: an URI with an attribute
 * that p11-kit does not know would match nothing and look like an absent token, and one with a PIN
 * in it would end up in logs, so both are refused with a reason.
 *
 * It must never compare more than the URI names: an empty field of a token matches an URI without
 * it, and slot-id only breaks ties, because slot numbers move.
 */
#include "pkcs11/module/uri.h"

#include <p11-kit/p11-kit.h>
#include <p11-kit/pkcs11.h>
#include <p11-kit/uri.h>
#include <stdlib.h>
#include <string.h>

struct p11_uri {
    P11KitUri *kit;
    char *object; /* NULL: not named */
};

static struct err *check(P11KitUri *kit, int rc)
{
    if (rc != P11_KIT_URI_OK) {
        return err_new(ERR_INPUT, "%s", p11_kit_uri_message(rc));
    }
    if (p11_kit_uri_get_pin_value(kit) != NULL) {
        return err_new(ERR_INPUT, "pin-value: a PIN in an URI ends up in logs; use pin-source or a "
                                  "PIN source of the configuration");
    }
    if (p11_kit_uri_any_unrecognized(kit) != 0) {
        return err_new(ERR_INPUT, "it has an attribute that PKCS#11 URIs do not know");
    }
    return NULL;
}

struct err *p11_uri_parse(const char *text, struct p11_uri **ret)
{
    AUTO(p11_uri_free) struct p11_uri *u = calloc(1, sizeof *u);

    if (u == NULL || (u->kit = p11_kit_uri_new()) == NULL) {
        return err_nomem();
    }
    struct err *e = check(u->kit, p11_kit_uri_parse(text, P11_KIT_URI_FOR_ANY, u->kit));

    if (e != NULL) {
        bool has_pin = strstr(text, "pin-value") != NULL;

        return has_pin ? err_add(e, "PKCS#11 URI") : err_add(e, "PKCS#11 URI '%s'", text);
    }
    const CK_ATTRIBUTE *label = p11_kit_uri_get_attribute(u->kit, CKA_LABEL);

    if (label != NULL) {
        struct view v = view_of(label->pValue, label->ulValueLen);

        if (view_has_nul(v)) {
            return err_new(ERR_INPUT, "PKCS#11 URI '%s': object holds a NUL byte", text);
        }
        u->object = view_dup(v);
        if (u->object == NULL) {
            return err_nomem();
        }
    }
    *ret = take(&u);
    return NULL;
}

void p11_uri_free(struct p11_uri **up)
{
    struct p11_uri *u = take(up);

    if (u != NULL) {
        p11_kit_uri_free(u->kit);
        free(u->object);
        free(u);
    }
}

/* A fixed field of CK_TOKEN_INFO: padded with blanks, cut at its size. */
static void pad(CK_UTF8CHAR *field, size_t size, const char *text)
{
    size_t len = text != NULL ? strnlen(text, size) : 0;

    memset(field, ' ', size);
    if (len > 0) {
        memcpy(field, text, len);
    }
}

static void token_info(CK_TOKEN_INFO *info, const struct p11_token_id *t)
{
    memset(info, 0, sizeof *info);
    pad(info->label, sizeof info->label, t->label);
    pad(info->manufacturerID, sizeof info->manufacturerID, t->manufacturer);
    pad(info->model, sizeof info->model, t->model);
    pad(info->serialNumber, sizeof info->serialNumber, t->serial);
}

bool p11_uri_matches_token(const struct p11_uri *u, const struct p11_token_id *t,
                           unsigned long slot_id)
{
    CK_SLOT_ID wanted = p11_kit_uri_get_slot_id(u->kit);
    CK_TOKEN_INFO info;

    token_info(&info, t);
    return p11_kit_uri_match_token_info(u->kit, &info) != 0 &&
           (wanted == (CK_SLOT_ID)-1 || wanted == slot_id);
}

bool p11_uri_matches_key(const struct p11_uri *u, const char *label, struct view id)
{
    const CK_ATTRIBUTE *type = p11_kit_uri_get_attribute(u->kit, CKA_CLASS);
    struct view wanted = p11_uri_id(u);

    if (type != NULL && type->ulValueLen == sizeof(CK_OBJECT_CLASS)) {
        CK_OBJECT_CLASS class;

        memcpy(&class, type->pValue, sizeof class);
        if (class != CKO_PRIVATE_KEY && class != CKO_PUBLIC_KEY) {
            return false;
        }
    }
    return (u->object == NULL || text_eq(u->object, label)) &&
           (wanted.len == 0 || view_eq(wanted, id));
}

const char *p11_uri_pin_source(const struct p11_uri *u)
{
    return p11_kit_uri_get_pin_source(u->kit);
}

const char *p11_uri_object(const struct p11_uri *u)
{
    return u->object;
}

struct view p11_uri_id(const struct p11_uri *u)
{
    const CK_ATTRIBUTE *id = p11_kit_uri_get_attribute(u->kit, CKA_ID);

    return id != NULL ? view_of(id->pValue, id->ulValueLen) : view_of(NULL, 0);
}

/* Copies the key's attributes into @kit; false when out of memory. */
static bool name_key(P11KitUri *kit, const char *label, struct view id)
{
    CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
    CK_ATTRIBUTE type = {CKA_CLASS, &class, sizeof class};
    CK_ATTRIBUTE name = {CKA_LABEL, (void *)(uintptr_t)label, label != NULL ? strlen(label) : 0};
    CK_ATTRIBUTE number = {CKA_ID, (void *)(uintptr_t)id.p, id.len};

    return p11_kit_uri_set_attribute(kit, &type) == P11_KIT_URI_OK &&
           (name.ulValueLen == 0 || p11_kit_uri_set_attribute(kit, &name) == P11_KIT_URI_OK) &&
           (id.len == 0 || p11_kit_uri_set_attribute(kit, &number) == P11_KIT_URI_OK);
}

char *p11_uri_text(const struct p11_token_id *t, const char *key_label, struct view key_id)
{
    bool is_key = key_label != NULL || key_id.len > 0;
    P11KitUri *kit = p11_kit_uri_new();
    char *text = NULL;

    if (kit == NULL) {
        return NULL;
    }
    token_info(p11_kit_uri_get_token_info(kit), t);
    if (is_key && !name_key(kit, key_label, key_id)) {
        p11_kit_uri_free(kit);
        return NULL;
    }
    if (p11_kit_uri_format(kit, is_key ? P11_KIT_URI_FOR_OBJECT_ON_TOKEN : P11_KIT_URI_FOR_TOKEN,
                           &text) != P11_KIT_URI_OK) {
        text = NULL;
    }
    p11_kit_uri_free(kit);
    return text;
}
