/*
 * bench_raw: the limit. Threads in one process, a session each, that hash and sign on the bare
 * PKCS#11 module as fast as it goes: no agent can be faster. It makes the calls that a signature
 * needs and none of those that may be made once: the key is looked up before the clock starts.
 *
 * It logs in once, for the process: SoftHSM 2.6 rewrites its token at every login.
 */
#include <getopt.h>
#include <p11-kit/pkcs11.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "pkcs11/module/module.h"
#include "ssh/ssh.h"
#include "stats.h"

enum { THREADS_MAX = 64, MESSAGE_BYTES = 256, SIGNATURE_MAX_BYTES = 1024, SLOTS_MAX = 64 };

struct raw {
    const char *module, *token, *key, *pin_file;
    unsigned threads;
    double seconds;
    CK_FUNCTION_LIST *f;
    CK_SLOT_ID slot;
    atomic_bool measuring, stop;
};

struct thread {
    pthread_t id;
    struct raw *raw;
    struct stats stats;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;
    CK_KEY_TYPE type;
};

static void check(CK_RV rv, const char *call)
{
    must(rv != CKR_OK ? ckr_err(rv, "%s", call) : NULL);
}

static void find_slot(struct raw *raw)
{
    CK_SLOT_ID ids[SLOTS_MAX];
    CK_ULONG n = SLOTS_MAX;
    CK_TOKEN_INFO info;
    size_t len = strlen(raw->token);

    check(raw->f->C_GetSlotList(CK_TRUE, ids, &n), "C_GetSlotList");
    for (CK_ULONG i = 0; i < n; i++) {
        if (raw->f->C_GetTokenInfo(ids[i], &info) == CKR_OK && len <= sizeof info.label &&
            memcmp(info.label, raw->token, len) == 0) {
            raw->slot = ids[i];
            return;
        }
    }
    must(err_new(ERR_NOT_FOUND, "no token %s", raw->token));
}

static CK_SESSION_HANDLE open_session(const struct raw *raw)
{
    CK_SESSION_HANDLE session = 0;

    check(raw->f->C_OpenSession(raw->slot, CKF_SERIAL_SESSION, NULL, NULL, &session),
          "C_OpenSession");
    return session;
}

static void login(const struct raw *raw)
{
    AUTO(buf_deinit) struct buf pin;

    buf_init(&pin, 0);
    must(file_read(raw->pin_file, 256, &pin));
    while (pin.len > 0 && pin.data[pin.len - 1] == '\n') {
        pin.len--;
    }
    check(raw->f->C_Login(open_session(raw), CKU_USER, pin.data, pin.len), "C_Login");
}

static void find_key(struct thread *t)
{
    CK_FUNCTION_LIST *f = t->raw->f;
    CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
    AUTO(auto_free) char *label = text_copy(t->raw->key);
    CK_ATTRIBUTE wanted[] = {
        {CKA_CLASS, &class, sizeof class},
        {CKA_LABEL, label, strlen(t->raw->key)},
    };
    CK_ATTRIBUTE type = {CKA_KEY_TYPE, &t->type, sizeof t->type};
    CK_ULONG n = 0;

    check(f->C_FindObjectsInit(t->session, wanted, ARRAY_LEN(wanted)), "C_FindObjectsInit");
    check(f->C_FindObjects(t->session, &t->key, 1, &n), "C_FindObjects");
    check(f->C_FindObjectsFinal(t->session), "C_FindObjectsFinal");
    must(n != 1 ? err_new(ERR_NOT_FOUND, "no key %s", t->raw->key) : NULL);
    check(f->C_GetAttributeValue(t->session, t->key, &type, 1), "C_GetAttributeValue");
}

/* RSA leaves the hash to the module, which costs the same; ECDSA takes that of P-256. */
static void sign(const struct thread *t)
{
    CK_FUNCTION_LIST *f = t->raw->f;
    bool rsa = t->type == CKK_RSA;
    CK_MECHANISM mechanism = {rsa ? CKM_SHA512_RSA_PKCS : CKM_ECDSA, NULL, 0};
    uint8_t message[MESSAGE_BYTES] = {0}, digest[64], signature[SIGNATURE_MAX_BYTES];
    CK_ULONG len = sizeof signature;

    check(f->C_SignInit(t->session, &mechanism, t->key), "C_SignInit");
    if (rsa) {
        check(f->C_Sign(t->session, message, sizeof message, signature, &len), "C_Sign");
        return;
    }
    size_t n = ssh_alg_digest(SSH_ALG_P256, view_of(message, sizeof message), digest);

    check(f->C_Sign(t->session, digest, n, signature, &len), "C_Sign");
}

static void *work(void *arg)
{
    struct thread *t = arg;

    while (!atomic_load(&t->raw->stop)) {
        uint64_t start = now_ns();

        sign(t);
        if (atomic_load(&t->raw->measuring)) {
            stats_add(&t->stats, now_ns() - start);
        }
    }
    return NULL;
}

static void rest(double seconds)
{
    struct timespec t = {.tv_sec = (time_t)seconds};

    t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
    nanosleep(&t, NULL);
}

static int measure(struct raw *raw)
{
    struct thread threads[THREADS_MAX] = {0};
    struct stats all = {0};

    for (unsigned i = 0; i < raw->threads; i++) {
        struct thread *t = &threads[i];

        t->raw = raw;
        t->session = open_session(raw);
        find_key(t);
        int failed = pthread_create(&t->id, NULL, work, t);

        must(failed != 0 ? err_sys(failed, "thread") : NULL);
    }
    rest(0.1);
    uint64_t start = now_ns();

    atomic_store(&raw->measuring, true);
    rest(raw->seconds);
    atomic_store(&raw->measuring, false);
    uint64_t elapsed_ns = now_ns() - start;

    atomic_store(&raw->stop, true);
    for (unsigned i = 0; i < raw->threads; i++) {
        pthread_join(threads[i].id, NULL);
        stats_merge(&all, &threads[i].stats);
    }
    int status = stats_print(&all, elapsed_ns);

    stats_deinit(&all);
    return status;
}

static bool options(int argc, char **argv, struct raw *raw)
{
    for (int c; (c = getopt(argc, argv, "m:t:k:p:c:d:")) != -1;) {
        switch (c) {
        case 'm':
            raw->module = optarg;
            break;
        case 't':
            raw->token = optarg;
            break;
        case 'k':
            raw->key = optarg;
            break;
        case 'p':
            raw->pin_file = optarg;
            break;
        case 'c':
            raw->threads = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'd':
            raw->seconds = strtod(optarg, NULL);
            break;
        default:
            return false;
        }
    }
    return raw->module != NULL && raw->token != NULL && raw->key != NULL && raw->pin_file != NULL &&
           raw->threads > 0 && raw->threads <= THREADS_MAX;
}

int main(int argc, char **argv)
{
    struct raw raw = {.threads = 1, .seconds = 1};
    CK_C_INITIALIZE_ARGS arguments = {.flags = CKF_OS_LOCKING_OK};
    AUTO(p11_library_close) struct p11_library *library = NULL;

    if (!options(argc, argv, &raw)) {
        fputs("usage: bench_raw -m MODULE -t TOKEN -k LABEL -p PIN_FILE [-c THREADS] "
              "[-d SECONDS]\n",
              stderr);
        return 2;
    }
    log_init("bench_raw", LOG_NOTE);
    must(p11_library_open(raw.module, &library));
    raw.f = p11_library_functions(library);
    check(raw.f->C_Initialize(&arguments), "C_Initialize");
    find_slot(&raw);
    login(&raw);
    int status = measure(&raw);

    check(raw.f->C_Finalize(NULL), "C_Finalize"); /* a TPM's object slots leak otherwise */
    return status;
}
