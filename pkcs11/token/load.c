/*
 * A module is loaded once per process, by two parties: we hold its raw function table, libp11 a
 * context on the same shared object.
 *
 * C_Initialize is called here, before libp11, which takes "already initialised" for success. The
 * other order cannot work: libp11 0.4.12 passes either NULL, which forbids threads, or arguments
 * whose pReserved is never NULL, which SoftHSM refuses (CKR_ARGUMENTS_BAD). C_Finalize is libp11's,
 * once, at the very end; where a profile says that a module cannot bear it, the module and libp11's
 * context are left to the end of the process.
 */
#include <stdlib.h>

#include "pkcs11/token/priv.h"

static struct err *initialize(struct token_module *m, const struct profile_load *profile)
{
    CK_C_INITIALIZE_ARGS args = {
        .flags = profile->os_locking ? CKF_OS_LOCKING_OK : 0,
        .pReserved = profile->init_string,
    };
    bool plain = !profile->os_locking && profile->init_string == NULL;
    CK_RV rv = m->f->C_Initialize(plain ? NULL : &args);

    return rv == CKR_OK ? NULL : ckr_err(rv, "C_Initialize");
}

static struct err *attach_libp11(struct token_module *m)
{
    m->libp11 = PKCS11_CTX_new();
    if (m->libp11 != NULL && PKCS11_CTX_load(m->libp11, p11_library_path(m->library)) == 0) {
        return NULL;
    }
    struct err *e = err_openssl(ERR_REMOTE, "libp11");

    if (m->libp11 != NULL) {
        PKCS11_CTX_free(m->libp11);
    }
    m->f->C_Finalize(NULL);
    return e;
}

static void read_info(struct token_module *m)
{
    CK_INFO info = {0};

    if (m->f->C_GetInfo(&info) != CKR_OK) {
        return;
    }
    info_text(m->info.manufacturer, info.manufacturerID, sizeof info.manufacturerID);
    info_text(m->info.description, info.libraryDescription, sizeof info.libraryDescription);
    m->info.cryptoki_major = info.cryptokiVersion.major;
    m->info.cryptoki_minor = info.cryptokiVersion.minor;
    m->info.major = info.libraryVersion.major;
    m->info.minor = info.libraryVersion.minor;
}

struct err *token_module_load(const char *path, const struct profile_load *profile,
                              struct token_module **ret)
{
    struct token_module *m = calloc(1, sizeof *m);

    if (m == NULL) {
        return err_nomem();
    }
    struct err *e = p11_library_open(path, &m->library);

    if (e == NULL) {
        m->f = p11_library_functions(m->library);
        e = initialize(m, profile);
    }
    if (e == NULL) {
        e = attach_libp11(m);
    }
    if (e != NULL) {
        p11_library_close(&m->library);
        free(m);
        return err_add(e, "load %s", path);
    }
    m->finalize = profile->finalize;
    m->threads_max = profile->threads_max;
    pthread_mutex_init(&m->lock, NULL);
    read_info(m);
    *ret = m;
    return NULL;
}

void token_module_unload(struct token_module **mp)
{
    struct token_module *m = take(mp);

    if (m == NULL) {
        return;
    }
    if (m->finalize) {
        for (size_t i = 0; i < m->lists_n; i++) {
            PKCS11_release_all_slots(m->libp11, m->lists[i].slots, m->lists[i].n);
        }
        PKCS11_CTX_unload(m->libp11);
        PKCS11_CTX_free(m->libp11);
    }
    free(m->lists);
    pthread_mutex_destroy(&m->lock);
    p11_library_close(&m->library);
    free(m);
}

void token_module_info(const struct token_module *m, struct token_library_info *ret)
{
    *ret = m->info;
}
