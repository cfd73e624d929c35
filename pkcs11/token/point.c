/*
 * Elliptic curves as tokens write them. Vendors disagree: CKA_EC_PARAMS is an object identifier or
 * a curve's name, CKA_EC_POINT the bare point, or an OCTET STRING or BIT STRING around it. That
 * makes six forms for Ed25519 alone. All lengths differ, so a value cannot be taken for another
 * form; a profile may still narrow what is accepted.
 *
 * Spec: PKCS#11 v3.1, 6.3.3 and 6.3.5; RFC 5480, 2.1.1.1; RFC 8410, 3
 */
#include "pkcs11/token/priv.h"

#define BYTES(text) {(const uint8_t *)(text), sizeof(text) - 1}

static const struct {
    enum ssh_key_type type;
    enum profile_params form; /* what point_params() gives for it, if it is the first */
    struct view der;
} params[] = {
    {SSH_KEY_P256, PROFILE_PARAMS_OID, BYTES("\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07")},
    {SSH_KEY_P384, PROFILE_PARAMS_OID, BYTES("\x06\x05\x2b\x81\x04\x00\x22")},
    {SSH_KEY_P521, PROFILE_PARAMS_OID, BYTES("\x06\x05\x2b\x81\x04\x00\x23")},
    {SSH_KEY_ED25519, PROFILE_PARAMS_OID, BYTES("\x06\x03\x2b\x65\x70")},
    {SSH_KEY_P256, PROFILE_PARAMS_NAME, BYTES("\x13\x09secp256r1")},
    {SSH_KEY_P384, PROFILE_PARAMS_NAME, BYTES("\x13\x09secp384r1")},
    {SSH_KEY_P521, PROFILE_PARAMS_NAME, BYTES("\x13\x09secp521r1")},
    {SSH_KEY_ED25519, PROFILE_PARAMS_NAME,
     BYTES("\x13\x0c"
           "edwards25519")},
    /* 1.3.6.1.4.1.11591.15.1, from before RFC 8410; OpenPGP cards */
    {SSH_KEY_ED25519, PROFILE_PARAMS_OID, BYTES("\x06\x09\x2b\x06\x01\x04\x01\xda\x47\x0f\x01")},
};

bool point_type(struct view value, enum ssh_key_type *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(params); i++) {
        if (view_eq(params[i].der, value)) {
            *ret = params[i].type;
            return true;
        }
    }
    return false;
}

struct view point_params(enum ssh_key_type type, enum profile_params form)
{
    /* Names are for Ed25519 only: for the older curves every token knows the identifier. */
    enum profile_params wanted = type == SSH_KEY_ED25519 ? form : PROFILE_PARAMS_OID;

    for (size_t i = 0; i < ARRAY_LEN(params); i++) {
        if (params[i].type == type && params[i].form == wanted) {
            return params[i].der;
        }
    }
    return view_of(NULL, 0);
}

static size_t point_bytes(enum ssh_key_type type)
{
    switch (type) {
    case SSH_KEY_P256:
        return 1 + 2 * 32;
    case SSH_KEY_P384:
        return 1 + 2 * 48;
    case SSH_KEY_P521:
        return 1 + 2 * 66;
    case SSH_KEY_ED25519:
        return 32;
    case SSH_KEY_RSA:
        break;
    }
    return 0;
}

enum { TAG_BIT_STRING = 0x03, TAG_OCTET_STRING = 0x04 };

/* The contents of one DER string that fills @value exactly (Spec: X.690, 8.1.3 and 10.1). */
static bool unwrap(struct view value, uint8_t tag, struct view *ret)
{
    size_t header = value.len >= 3 && value.p[1] == 0x81 ? 3 : 2;

    if (value.len < header || value.p[0] != tag) {
        return false;
    }
    size_t len = value.p[header - 1];

    if (value.len != header + len || (header == 3) != (len >= 0x80)) {
        return false;
    }
    *ret = view_of(value.p + header, len);
    return true;
}

bool point_decode(enum ssh_key_type type, struct view value, enum profile_point form,
                  struct view *ret)
{
    size_t wanted = point_bytes(type);
    struct view inner;

    if (wanted == 0) {
        return false;
    }
    if (value.len == wanted) {
        *ret = value;
        return form != PROFILE_POINT_OCTET_STRING;
    }
    if (form == PROFILE_POINT_RAW) {
        return false;
    }
    if (unwrap(value, TAG_OCTET_STRING, &inner) && inner.len == wanted) {
        *ret = inner;
        return true;
    }
    if (form == PROFILE_POINT_ANY && unwrap(value, TAG_BIT_STRING, &inner) &&
        inner.len == wanted + 1 && inner.p[0] == 0) {
        *ret = view_of(inner.p + 1, wanted);
        return true;
    }
    return false;
}
