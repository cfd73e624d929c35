/*
 * p11shim.so - a PKCS#11 module that passes every call to a real one and breaks what it is told to.
 *
 * For unit tests (in this process) and flow tests (inside holdfast-token, whose firmware profile
 * must then let the variables through: match module "p11shim.so", environment: [...]).
 *
 *   P11SHIM_MODULE   the real module; else SoftHSM at one of its usual places
 *   P11SHIM_PLAN     the fault plan
 *   P11SHIM_CONTROL  a file with the plan, read again at every call: a test can change it
 *   P11SHIM_TRACE    a file that gets one line "C_Sign 0x0" per call (name and return value)
 *
 * A plan is a list of steps CALL:WHEN:ACTION, separated by commas or newlines:
 *   CALL    C_Sign, C_OpenSession, ... (those that WRAP below lists)
 *   WHEN    N: the N-th such call since the plan was read; N+: that and all later ones; *: all
 *   ACTION  CKR_DEVICE_REMOVED, 0x30, ...   return this, without calling the real module; 0x0: pretend
 *           crash        die of SIGSEGV, as vendor code does
 *           hang         never return
 *           sleep=MS     wait, then call the real module
 *           flags|=NAME  C_GetTokenInfo: set a flag: LOW, FINAL_TRY, LOCKED, LOGIN_REQUIRED
 *           flags&=NAME  C_GetTokenInfo: clear it
 *           serial=TEXT  C_GetTokenInfo: another serial number
 *           sessions=N   C_GetTokenInfo: ulMaxSessionCount
 *           corrupt      C_Sign: flip a bit of the signature
 *           shorten      C_Sign: leave out the signature's first byte
 *           drop=0xNN    C_GetMechanismList: leave this mechanism out
 * Example: C_Sign:3:crash,C_GetTokenInfo:*:flags|=FINAL_TRY
 *
 * A plan that cannot be read ends the process: a test that breaks nothing would prove nothing.
 */
#include <ctype.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <p11-kit/pkcs11.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { STEPS_MAX = 32, TEXT_MAX = 4096 };

struct step {
    char call[40], action[64];
    unsigned long from, to; /* of the calls to it */
};

static struct {
    pthread_mutex_t lock;
    CK_FUNCTION_LIST *real;
    CK_FUNCTION_LIST ours;
    char text[TEXT_MAX];
    struct step steps[STEPS_MAX];
    unsigned steps_n;
    struct {
        char call[40];
        unsigned long n;
    } counts[64];
} shim = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const struct {
    const char *name;
    CK_RV rv;
} codes[] = {
    {"CKR_GENERAL_ERROR", CKR_GENERAL_ERROR},
    {"CKR_FUNCTION_FAILED", CKR_FUNCTION_FAILED},
    {"CKR_HOST_MEMORY", CKR_HOST_MEMORY},
    {"CKR_DEVICE_ERROR", CKR_DEVICE_ERROR},
    {"CKR_DEVICE_MEMORY", CKR_DEVICE_MEMORY},
    {"CKR_DEVICE_REMOVED", CKR_DEVICE_REMOVED},
    {"CKR_TOKEN_NOT_PRESENT", CKR_TOKEN_NOT_PRESENT},
    {"CKR_TOKEN_NOT_RECOGNIZED", CKR_TOKEN_NOT_RECOGNIZED},
    {"CKR_TOKEN_WRITE_PROTECTED", CKR_TOKEN_WRITE_PROTECTED},
    {"CKR_SESSION_READ_ONLY", CKR_SESSION_READ_ONLY},
    {"CKR_ACTION_PROHIBITED", CKR_ACTION_PROHIBITED},
    {"CKR_SESSION_HANDLE_INVALID", CKR_SESSION_HANDLE_INVALID},
    {"CKR_SESSION_COUNT", CKR_SESSION_COUNT},
    {"CKR_SESSION_CLOSED", CKR_SESSION_CLOSED},
    {"CKR_USER_NOT_LOGGED_IN", CKR_USER_NOT_LOGGED_IN},
    {"CKR_USER_PIN_NOT_INITIALIZED", CKR_USER_PIN_NOT_INITIALIZED},
    {"CKR_PIN_INCORRECT", CKR_PIN_INCORRECT},
    {"CKR_PIN_LOCKED", CKR_PIN_LOCKED},
    {"CKR_KEY_HANDLE_INVALID", CKR_KEY_HANDLE_INVALID},
    {"CKR_MECHANISM_INVALID", CKR_MECHANISM_INVALID},
    {"CKR_FUNCTION_NOT_SUPPORTED", CKR_FUNCTION_NOT_SUPPORTED},
    {"CKR_OPERATION_ACTIVE", CKR_OPERATION_ACTIVE},
    {"CKR_CANT_LOCK", CKR_CANT_LOCK},
};

static const struct {
    const char *name;
    CK_FLAGS flag;
} flags[] = {
    {"LOW", CKF_USER_PIN_COUNT_LOW},
    {"FINAL_TRY", CKF_USER_PIN_FINAL_TRY},
    {"LOCKED", CKF_USER_PIN_LOCKED},
    {"LOGIN_REQUIRED", CKF_LOGIN_REQUIRED},
};

static void die(const char *why, const char *what)
{
    fprintf(stderr, "p11shim: %s: %s\n", why, what);
    abort();
}

/* --- the plan --- */

static void read_step(const char *text)
{
    struct step *s = &shim.steps[shim.steps_n];
    char when[24];

    if (shim.steps_n == STEPS_MAX ||
        sscanf(text, " %39[A-Za-z_]:%23[0-9+*]:%63s", s->call, when, s->action) != 3) {
        die("step of a plan", text);
    }
    s->from = when[0] == '*' ? 1 : strtoul(when, NULL, 10);
    s->to = when[0] == '*' || strchr(when, '+') != NULL ? ~0UL : s->from;
    shim.steps_n++;
}

static void read_plan(const char *text)
{
    char copy[TEXT_MAX];
    char *rest = copy;
    char *one;

    snprintf(shim.text, sizeof shim.text, "%s", text);
    snprintf(copy, sizeof copy, "%s", text);
    shim.steps_n = 0;
    memset(shim.counts, 0, sizeof shim.counts);
    while ((one = strsep(&rest, ",\n")) != NULL) {
        if (*one != '\0') {
            read_step(one);
        }
    }
}

static void refresh_plan(void)
{
    const char *control = getenv("P11SHIM_CONTROL");
    const char *plan = getenv("P11SHIM_PLAN");
    char text[TEXT_MAX] = "";
    int fd = control != NULL ? open(control, O_RDONLY | O_CLOEXEC) : -1;

    if (fd >= 0) {
        ssize_t n = read(fd, text, sizeof text - 1);

        text[n > 0 ? n : 0] = '\0';
        close(fd);
    } else if (plan != NULL) {
        snprintf(text, sizeof text, "%s", plan);
    }
    if (strcmp(text, shim.text) != 0) {
        read_plan(text);
    }
}

static unsigned long count(const char *call)
{
    unsigned i = 0;

    while (shim.counts[i].call[0] != '\0' && strcmp(shim.counts[i].call, call) != 0) {
        i++;
    }
    snprintf(shim.counts[i].call, sizeof shim.counts[i].call, "%s", call);
    return ++shim.counts[i].n;
}

/* What the plan says for this call; "" when nothing. */
static void action_for(const char *call, char out[64])
{
    out[0] = '\0';
    pthread_mutex_lock(&shim.lock);
    refresh_plan();
    unsigned long n = count(call);

    for (unsigned i = 0; i < shim.steps_n; i++) {
        const struct step *s = &shim.steps[i];

        if (strcmp(s->call, call) == 0 && n >= s->from && n <= s->to) {
            memcpy(out, s->action, sizeof s->action);
        }
    }
    pthread_mutex_unlock(&shim.lock);
}

static void trace(const char *call, CK_RV rv)
{
    const char *path = getenv("P11SHIM_TRACE");
    char line[80];

    if (path == NULL) {
        return;
    }
    int n = snprintf(line, sizeof line, "%s %#lx\n", call, rv);
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0 || write(fd, line, (size_t)n) != n) {
        die("trace", path);
    }
    close(fd);
}

static void wait_ms(unsigned long ms)
{
    struct timespec t = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};

    nanosleep(&t, NULL);
}

/* Does what comes before the real call. True: @ret is the answer, and there is no real call. */
static bool before(const char *call, char action[64], CK_RV *ret)
{
    action_for(call, action);
    if (strcmp(action, "crash") == 0) {
        signal(SIGSEGV, SIG_DFL);
        raise(SIGSEGV);
    }
    while (strcmp(action, "hang") == 0) {
        pause();
    }
    if (strncmp(action, "sleep=", 6) == 0) {
        wait_ms(strtoul(action + 6, NULL, 10));
    }
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (strcmp(codes[i].name, action) == 0) {
            *ret = codes[i].rv;
            return true;
        }
    }
    if (isdigit((unsigned char)action[0])) {
        *ret = strtoul(action, NULL, 0);
        return true;
    }
    if (strncmp(action, "CKR_", 4) == 0) {
        die("unknown return value", action);
    }
    return false;
}

/* --- what comes after the real call --- */

static void change_info(const char *action, CK_TOKEN_INFO *info)
{
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        if (strncmp(action, "flags|=", 7) == 0 && strcmp(action + 7, flags[i].name) == 0) {
            info->flags |= flags[i].flag;
        }
        if (strncmp(action, "flags&=", 7) == 0 && strcmp(action + 7, flags[i].name) == 0) {
            info->flags &= ~flags[i].flag;
        }
    }
    if (strncmp(action, "serial=", 7) == 0) {
        memset(info->serialNumber, ' ', sizeof info->serialNumber);
        memcpy(info->serialNumber, action + 7, strnlen(action + 7, sizeof info->serialNumber));
    }
    if (strncmp(action, "sessions=", 9) == 0) {
        info->ulMaxSessionCount = strtoul(action + 9, NULL, 10);
    }
}

static void change_signature(const char *action, CK_BYTE *sig, CK_ULONG *len)
{
    if (sig == NULL || *len < 2) {
        return;
    }
    if (strcmp(action, "corrupt") == 0) {
        sig[*len / 2] ^= 1;
    }
    if (strcmp(action, "shorten") == 0) {
        memmove(sig, sig + 1, --*len);
    }
}

static void change_mechanisms(const char *action, CK_MECHANISM_TYPE *list, CK_ULONG *n)
{
    CK_MECHANISM_TYPE drop = strtoul(action + 5, NULL, 0);
    CK_ULONG kept = 0;

    if (strncmp(action, "drop=", 5) != 0 || list == NULL) {
        return;
    }
    for (CK_ULONG i = 0; i < *n; i++) {
        if (list[i] != drop) {
            list[kept++] = list[i];
        }
    }
    *n = kept;
}

/* --- the calls --- */

/* One wrapper: its parameters, its arguments, and what may change a good answer. */
#define WRAP(name, params, args, after)                                                            \
    static CK_RV shim_##name params                                                                \
    {                                                                                              \
        char action[64];                                                                           \
        CK_RV rv;                                                                                  \
                                                                                                   \
        if (!before(#name, action, &rv)) {                                                         \
            rv = shim.real->name args;                                                             \
            if (rv == CKR_OK) {                                                                    \
                after;                                                                             \
            }                                                                                      \
        }                                                                                          \
        trace(#name, rv);                                                                          \
        return rv;                                                                                 \
    }

#define SESSION CK_SESSION_HANDLE s
#define OBJECT CK_OBJECT_HANDLE o
#define BYTES_IN CK_BYTE_PTR in, CK_ULONG in_len
#define BYTES_OUT CK_BYTE_PTR out, CK_ULONG_PTR out_len

WRAP(C_Initialize, (void *args), (args), )
WRAP(C_Finalize, (void *args), (args), )
WRAP(C_GetInfo, (CK_INFO_PTR i), (i), )
WRAP(C_GetSlotList, (CK_BBOOL p, CK_SLOT_ID_PTR l, CK_ULONG_PTR n), (p, l, n), )
WRAP(C_GetSlotInfo, (CK_SLOT_ID id, CK_SLOT_INFO_PTR i), (id, i), )
WRAP(C_GetTokenInfo, (CK_SLOT_ID id, CK_TOKEN_INFO_PTR i), (id, i), change_info(action, i))
WRAP(C_GetMechanismList, (CK_SLOT_ID id, CK_MECHANISM_TYPE_PTR l, CK_ULONG_PTR n), (id, l, n),
     change_mechanisms(action, l, n))
WRAP(C_OpenSession,
     (CK_SLOT_ID id, CK_FLAGS fl, void *arg, CK_NOTIFY notify, CK_SESSION_HANDLE_PTR s),
     (id, fl, arg, notify, s), )
WRAP(C_CloseSession, (SESSION), (s), )
WRAP(C_CloseAllSessions, (CK_SLOT_ID id), (id), )
WRAP(C_GetSessionInfo, (SESSION, CK_SESSION_INFO_PTR i), (s, i), )
WRAP(C_Login, (SESSION, CK_USER_TYPE u, CK_UTF8CHAR_PTR pin, CK_ULONG n), (s, u, pin, n), )
WRAP(C_Logout, (SESSION), (s), )
WRAP(C_CreateObject, (SESSION, CK_ATTRIBUTE_PTR t, CK_ULONG n, CK_OBJECT_HANDLE_PTR o),
     (s, t, n, o), )
WRAP(C_DestroyObject, (SESSION, OBJECT), (s, o), )
WRAP(C_GetAttributeValue, (SESSION, OBJECT, CK_ATTRIBUTE_PTR t, CK_ULONG n), (s, o, t, n), )
WRAP(C_FindObjectsInit, (SESSION, CK_ATTRIBUTE_PTR t, CK_ULONG n), (s, t, n), )
WRAP(C_FindObjects, (SESSION, CK_OBJECT_HANDLE_PTR o, CK_ULONG max, CK_ULONG_PTR n),
     (s, o, max, n), )
WRAP(C_FindObjectsFinal, (SESSION), (s), )
WRAP(C_SignInit, (SESSION, CK_MECHANISM_PTR m, OBJECT), (s, m, o), )
WRAP(C_Sign, (SESSION, BYTES_IN, BYTES_OUT), (s, in, in_len, out, out_len),
     change_signature(action, out, out_len))
WRAP(C_GenerateKey,
     (SESSION, CK_MECHANISM_PTR m, CK_ATTRIBUTE_PTR t, CK_ULONG n, CK_OBJECT_HANDLE_PTR o),
     (s, m, t, n, o), )
WRAP(C_GenerateKeyPair,
     (SESSION, CK_MECHANISM_PTR m, CK_ATTRIBUTE_PTR a, CK_ULONG an, CK_ATTRIBUTE_PTR b, CK_ULONG bn,
      CK_OBJECT_HANDLE_PTR o, CK_OBJECT_HANDLE_PTR p),
     (s, m, a, an, b, bn, o, p), )
WRAP(C_WrapKey, (SESSION, CK_MECHANISM_PTR m, CK_OBJECT_HANDLE w, OBJECT, BYTES_OUT),
     (s, m, w, o, out, out_len), )

#define USE(name) shim.ours.name = shim_##name

static void use_wrappers(void)
{
    USE(C_Initialize);
    USE(C_Finalize);
    USE(C_GetInfo);
    USE(C_GetSlotList);
    USE(C_GetSlotInfo);
    USE(C_GetTokenInfo);
    USE(C_GetMechanismList);
    USE(C_OpenSession);
    USE(C_CloseSession);
    USE(C_CloseAllSessions);
    USE(C_GetSessionInfo);
    USE(C_Login);
    USE(C_Logout);
    USE(C_CreateObject);
    USE(C_DestroyObject);
    USE(C_GetAttributeValue);
    USE(C_FindObjectsInit);
    USE(C_FindObjects);
    USE(C_FindObjectsFinal);
    USE(C_SignInit);
    USE(C_Sign);
    USE(C_GenerateKey);
    USE(C_GenerateKeyPair);
    USE(C_WrapKey);
}

static const char *real_path(void)
{
    static const char *const places[] = {
        "/usr/lib/softhsm/libsofthsm2.so",
        "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
        "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
        "/usr/lib64/pkcs11/libsofthsm2.so",
        "/usr/lib64/softhsm/libsofthsm2.so",
    };
    const char *named = getenv("P11SHIM_MODULE");

    for (size_t i = 0; named == NULL && i < sizeof places / sizeof places[0]; i++) {
        named = access(places[i], R_OK) == 0 ? places[i] : NULL;
    }
    return named != NULL ? named : places[0];
}

static CK_RV load_real(void)
{
    const char *path = real_path();
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    void *symbol = handle != NULL ? dlsym(handle, "C_GetFunctionList") : NULL;
    CK_C_GetFunctionList get;

    if (symbol == NULL) {
        fprintf(stderr, "p11shim: %s: no PKCS#11 module\n", path);
        return CKR_GENERAL_ERROR;
    }
    memcpy(&get, &symbol, sizeof get);
    return get(&shim.real);
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list)
{
    CK_RV rv = CKR_OK;

    pthread_mutex_lock(&shim.lock);
    if (shim.real == NULL) {
        rv = load_real();
        if (rv == CKR_OK) {
            shim.ours = *shim.real;
            shim.ours.C_GetFunctionList = C_GetFunctionList;
            use_wrappers();
        }
    }
    pthread_mutex_unlock(&shim.lock);
    *list = &shim.ours;
    return rv;
}
