/*
 * A vendor's shared object, loaded once, and its raw function table.
 *
 * It must never initialise or finalise the module, and never unload it: libp11 holds the same
 * instance, and vendor libraries leave threads, exit handlers and thread-local destructors behind
 * that would then run in unmapped memory. Hence RTLD_NODELETE; the process is short-lived anyway.
 *
 * The path is made real first, so that what is logged, allowed and loaded is one and the same file
 * (distributions put modules behind several layers of symbolic links).
 */
#include "pkcs11/module/library.h"

#include <dlfcn.h>
#include <errno.h>
#include <p11-kit/pkcs11.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "pkcs11/module/names.h"

struct p11_library {
    char *path;
    void *handle;
    CK_FUNCTION_LIST *functions;
};

static struct err *open_file(struct p11_library *l)
{
    struct stat st;

    if (stat(l->path, &st) < 0) {
        return err_sys(errno, "%s", l->path);
    }
    if (!S_ISREG(st.st_mode)) {
        return err_new(ERR_INPUT, "%s is not a file", l->path);
    }
    l->handle = dlopen(l->path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (l->handle == NULL) {
        const char *why = dlerror();

        return err_new(ERR_INPUT, "not a shared object that can be loaded: %s",
                       why != NULL ? why : l->path);
    }
    return NULL;
}

static struct err *get_functions(struct p11_library *l)
{
    CK_C_GetFunctionList get = NULL;
    void *symbol = dlsym(l->handle, "C_GetFunctionList");

    if (symbol == NULL) {
        return err_new(ERR_INPUT, "%s is no PKCS#11 module: it has no C_GetFunctionList", l->path);
    }
    memcpy(&get, &symbol, sizeof get);
    CK_RV rv = get(&l->functions);

    if (rv != CKR_OK || l->functions == NULL) {
        return ckr_err(rv, "%s: C_GetFunctionList", l->path);
    }
    CK_VERSION v = l->functions->version;

    if (v.major < 2 || (v.major == 2 && v.minor < 20)) {
        return err_new(ERR_UNSUPPORTED, "%s speaks Cryptoki %u.%u; 2.20 or newer is needed",
                       l->path, v.major, v.minor);
    }
    return NULL;
}

struct err *p11_library_open(const char *path, struct p11_library **ret)
{
    AUTO(p11_library_close) struct p11_library *l = calloc(1, sizeof *l);

    if (l == NULL) {
        return err_nomem();
    }
    l->path = realpath(path, NULL);
    if (l->path == NULL) {
        return err_sys(errno, "PKCS#11 module %s", path);
    }
    struct err *e = open_file(l);

    if (e == NULL) {
        e = get_functions(l);
    }
    if (e != NULL) {
        return err_add(e, "PKCS#11 module %s", path);
    }
    *ret = take(&l);
    return NULL;
}

void p11_library_close(struct p11_library **lp)
{
    struct p11_library *l = take(lp);

    if (l != NULL) {
        if (l->handle != NULL) {
            dlclose(l->handle);
        }
        free(l->path);
        free(l);
    }
}

void *p11_library_functions(const struct p11_library *l)
{
    return l->functions;
}

const char *p11_library_path(const struct p11_library *l)
{
    return l->path;
}
