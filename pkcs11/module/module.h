#ifndef HF_PKCS11_MODULE_MODULE_H
#define HF_PKCS11_MODULE_MODULE_H

/* The public header of pkcs11/module/: URIs, names, and a vendor library loaded once. */
#include "pkcs11/module/library.h"
#include "pkcs11/module/names.h"
#include "pkcs11/module/uri.h"

#endif
