/*
 * Reading attributes. A token may lack one, hide one or name a silly length: the callers decide
 * what that means, so what comes back is Cryptoki's own return value.
 */
#include "pkcs11/token/priv.h"

enum { ATTRIBUTE_MAX_BYTES = TOKEN_CERT_MAX_BYTES }; /* nothing that we read is longer */

CK_RV attr_get(const struct token *t, CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o,
               CK_ATTRIBUTE_TYPE type, struct buf *out)
{
    CK_ATTRIBUTE a = {type, NULL, 0};
    CK_RV rv = t->f->C_GetAttributeValue(s, o, &a, 1);

    if (rv != CKR_OK) {
        return rv;
    }
    if (a.ulValueLen == CK_UNAVAILABLE_INFORMATION || a.ulValueLen > ATTRIBUTE_MAX_BYTES) {
        return CKR_ATTRIBUTE_VALUE_INVALID;
    }
    if (a.ulValueLen == 0) {
        return CKR_OK;
    }
    size_t before = out->len;
    size_t room = a.ulValueLen;

    a.pValue = buf_reserve(out, room);
    if (a.pValue == NULL) {
        return CKR_HOST_MEMORY;
    }
    rv = t->f->C_GetAttributeValue(s, o, &a, 1);
    out->len = rv == CKR_OK && a.ulValueLen <= room ? before + a.ulValueLen : before;
    return rv;
}

bool attr_bool(const struct token *t, CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o,
               CK_ATTRIBUTE_TYPE type, bool otherwise)
{
    CK_BBOOL value = CK_FALSE;
    CK_ATTRIBUTE a = {type, &value, sizeof value};
    CK_RV rv = t->f->C_GetAttributeValue(s, o, &a, 1);

    return rv == CKR_OK && a.ulValueLen == sizeof value ? value != CK_FALSE : otherwise;
}

CK_RV attr_ulong(const struct token *t, CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o,
                 CK_ATTRIBUTE_TYPE type, CK_ULONG *ret)
{
    CK_ULONG value = 0;
    CK_ATTRIBUTE a = {type, &value, sizeof value};
    CK_RV rv = t->f->C_GetAttributeValue(s, o, &a, 1);

    if (rv == CKR_OK && a.ulValueLen == sizeof value) {
        *ret = value;
    }
    return rv == CKR_OK && a.ulValueLen != sizeof value ? CKR_ATTRIBUTE_VALUE_INVALID : rv;
}

struct err *attr_find(const struct token *t, CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o,
                      CK_ATTRIBUTE_TYPE type, struct buf *out, bool *ret_has)
{
    CK_RV rv = attr_get(t, s, o, type, out);

    switch (rv) {
    case CKR_OK:
    case CKR_ATTRIBUTE_SENSITIVE:
    case CKR_ATTRIBUTE_TYPE_INVALID:
    case CKR_ATTRIBUTE_VALUE_INVALID:
    case CKR_OBJECT_HANDLE_INVALID:
        *ret_has = rv == CKR_OK && out->len > 0;
        return NULL;
    case CKR_HOST_MEMORY: /* also what attr_get() says of a value beyond the buffer's limit */
        *ret_has = false;
        return out->no_memory ? err_nomem() : NULL;
    default:
        return ckr_err(rv, "C_GetAttributeValue");
    }
}
