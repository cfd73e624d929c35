#ifndef HF_PKCS11_MODULE_NAMES_H
#define HF_PKCS11_MODULE_NAMES_H

#include "base/base.h"

/** ckr_name() - "CKR_PIN_INCORRECT"; "CKR_VENDOR_DEFINED" or "CKR_?" for what has no name */
const char *ckr_name(unsigned long rv);
/** ckm_name() - "CKM_ECDSA"; NULL when unknown. ckm_find() - the reverse; false when unknown */
const char *ckm_name(unsigned long mechanism);
bool ckm_find(const char *name, unsigned long *ret);
/** ckr_err() - an error from a return value: the code follows it (PIN, PIN_LOCKED, GONE for removed
 * tokens and dead sessions, UNSUPPORTED, ...), the native code and its name ride along */
struct err *ckr_err(unsigned long rv, const char *fmt, ...) PRINTF_LIKE(2, 3) MUST_CHECK;

#endif
