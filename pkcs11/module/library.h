#ifndef HF_PKCS11_MODULE_LIBRARY_H
#define HF_PKCS11_MODULE_LIBRARY_H

#include "base/base.h"

/** A vendor library's raw function table. C_Initialize and C_Finalize are called by libp11 (token/),
 * never here: both share the one module instance that the dynamic loader keeps. */
struct p11_library;

/** p11_library_open() - dlopen by real path, C_GetFunctionList
 * Errors: NOT_FOUND (no such file), INPUT (not a shared object, or not a PKCS#11 module: says which),
 * UNSUPPORTED (Cryptoki older than 2.20) */
struct err *p11_library_open(const char *path, struct p11_library **ret) MUST_CHECK;
void p11_library_close(struct p11_library **l);
/** p11_library_functions() - CK_FUNCTION_LIST *, as void so that p11-kit's header stays out of ours */
void *p11_library_functions(const struct p11_library *l);
/** p11_library_path() - the real path, without symbolic links */
const char *p11_library_path(const struct p11_library *l);

#endif
