/*
 * Which tokens are present, and what each says of itself.
 *
 * Every look is a fresh C_GetSlotList and C_GetTokenInfo: PIN flags and serial numbers that were
 * read earlier must never decide anything. libp11's slot list is not used for this: it keeps the
 * flags it saw first, PKCS11_update_slots (0.4.12) crashes, and releasing a list closes all
 * sessions on its slots, also ours.
 */
#include <stdlib.h>

#include "pkcs11/token/priv.h"

enum { SLOTS_MAX = 1024 };

void info_text(char *to, const CK_UTF8CHAR *from, size_t size)
{
    size_t len = size;

    while (len > 0 && (from[len - 1] == ' ' || from[len - 1] == '\0')) {
        len--;
    }
    memcpy(to, from, len);
    to[len] = '\0';
}

/* Counts that a token does not tell, or that have no limit (Spec: PKCS#11 v3.1, 3.2). */
static unsigned long limit_of(CK_ULONG n)
{
    return n == CK_UNAVAILABLE_INFORMATION || n == CK_EFFECTIVELY_INFINITE ? 0 : n;
}

struct err *slot_info(const struct token_module *m, CK_SLOT_ID slot, struct token_info *ret)
{
    CK_TOKEN_INFO raw = {0};
    CK_RV rv = m->f->C_GetTokenInfo(slot, &raw);

    if (rv != CKR_OK) {
        return ckr_err(rv, "C_GetTokenInfo of slot %lu", slot);
    }
    *ret = (struct token_info){
        .slot_id = slot,
        .flags = raw.flags,
        .sessions_max = limit_of(raw.ulMaxSessionCount),
        .pin_min = raw.ulMinPinLen,
        .pin_max = raw.ulMaxPinLen,
        .hardware_major = raw.hardwareVersion.major,
        .hardware_minor = raw.hardwareVersion.minor,
        .firmware_major = raw.firmwareVersion.major,
        .firmware_minor = raw.firmwareVersion.minor,
    };
    info_text(ret->label, raw.label, sizeof raw.label);
    info_text(ret->manufacturer, raw.manufacturerID, sizeof raw.manufacturerID);
    info_text(ret->model, raw.model, sizeof raw.model);
    info_text(ret->serial, raw.serialNumber, sizeof raw.serialNumber);
    return NULL;
}

bool info_is_same_token(const struct token_info *a, const struct token_info *b)
{
    return text_eq(a->serial, b->serial) && text_eq(a->label, b->label) &&
           text_eq(a->manufacturer, b->manufacturer) && text_eq(a->model, b->model);
}

/* The list may grow between the two calls (CKR_BUFFER_TOO_SMALL): then it is asked for again. */
static struct err *slots_with_token(const struct token_module *m, CK_SLOT_ID **ret, CK_ULONG *ret_n)
{
    CK_SLOT_ID *ids = NULL;
    CK_ULONG n = 0;
    CK_RV rv = CKR_BUFFER_TOO_SMALL;

    for (unsigned attempt = 0; rv == CKR_BUFFER_TOO_SMALL && attempt < 4; attempt++) {
        rv = m->f->C_GetSlotList(CK_TRUE, NULL, &n);
        if (rv != CKR_OK || n > SLOTS_MAX) {
            break;
        }
        free(ids);
        ids = calloc((size_t)n + 1, sizeof *ids);
        if (ids == NULL) {
            return err_nomem();
        }
        rv = n > 0 ? m->f->C_GetSlotList(CK_TRUE, ids, &n) : CKR_OK;
    }
    if (rv == CKR_OK && n <= SLOTS_MAX) {
        *ret = ids;
        *ret_n = n;
        return NULL;
    }
    free(ids);
    return rv != CKR_OK ? ckr_err(rv, "C_GetSlotList")
                        : err_new(ERR_LIMIT, "the module has more than %d slots", SLOTS_MAX);
}

struct err *token_list(struct token_module *m, struct token_info *out, size_t max, size_t *ret_n)
{
    AUTO(auto_free) CK_SLOT_ID *ids = NULL;
    CK_ULONG n = 0;
    size_t found = 0;
    struct err *e = slots_with_token(m, &ids, &n);

    if (e != NULL) {
        return e;
    }
    for (CK_ULONG i = 0; i < n && found < max; i++) {
        AUTO(err_free) struct err *gone = slot_info(m, ids[i], &out[found]);

        /* A token that leaves in this moment is no error of the list. */
        if (gone == NULL && (out[found].flags & CKF_TOKEN_INITIALIZED) != 0) {
            found++;
        }
    }
    *ret_n = found;
    return NULL;
}
