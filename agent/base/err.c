/*
 * Errors as values: a code to branch on, the native code that caused it, and a chain of clauses
 * that each layer extends by one. Texts never hold secrets: callers name objects, not contents.
 *
 * The chain is kept as separate clauses, because the API shows them as a list; err_text() joins
 * them once. An error must exist even when memory does not, hence the static one.
 */
#include "base/err.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/patience.h"

struct err {
    enum err_code code;
    enum err_domain domain;
    unsigned long native;
    uint32_t patience_s;
    char *name;
    size_t n;
    char *clause[ERR_CLAUSES_MAX]; /* innermost first */
    char *text;                    /* made on demand */
};

static struct err out_of_memory = {.code = ERR_NOMEM};

static char *format(const char *fmt, va_list ap) PRINTF_LIKE(1, 0);

static char *format(const char *fmt, va_list ap)
{
    char *text = NULL;

    if (vasprintf(&text, fmt, ap) < 0) {
        return NULL;
    }
    if (strlen(text) > ERR_CLAUSE_MAX_BYTES) {
        memcpy(text + ERR_CLAUSE_MAX_BYTES - 3, "...", 4);
    }
    return text;
}

static void push(struct err *e, char *clause)
{
    if (clause == NULL) {
        return;
    }
    if (e->n == ERR_CLAUSES_MAX) {
        free(clause);
        return;
    }
    e->clause[e->n++] = clause;
    auto_free(&e->text);
}

static struct err *make(enum err_code code, enum err_domain domain, unsigned long native,
                        const char *name, const char *fmt, va_list ap) PRINTF_LIKE(5, 0);

static struct err *make(enum err_code code, enum err_domain domain, unsigned long native,
                        const char *name, const char *fmt, va_list ap)
{
    struct err *e = calloc(1, sizeof *e);

    if (e == NULL) {
        return &out_of_memory;
    }
    e->code = code;
    e->domain = domain;
    e->native = native;
    e->name = name != NULL ? strdup(name) : NULL;
    push(e, format(fmt, ap));
    return e;
}

struct err *err_new(enum err_code code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    struct err *e = make(code, ERR_DOMAIN_NONE, 0, NULL, fmt, ap);
    va_end(ap);
    return e;
}

struct err *err_native(enum err_code code, enum err_domain domain, unsigned long native,
                       const char *name, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    struct err *e = make(code, domain, native, name, fmt, ap);
    va_end(ap);
    return e;
}

static enum err_code code_of_errno(int errnum)
{
    switch (errnum) {
    case ENOMEM:
        return ERR_NOMEM;
    case ENOENT:
    case ENOTDIR:
        return ERR_NOT_FOUND;
    case EEXIST:
        return ERR_EXISTS;
    case EACCES:
    case EPERM:
        return ERR_DENIED;
    case EAGAIN:
    case EBUSY:
        return ERR_BUSY;
    case ETIMEDOUT:
        return ERR_TIMEOUT;
    case EPIPE:
    case ECONNRESET:
    case ECONNREFUSED:
    case ENOTCONN:
        return ERR_GONE;
    case EMFILE:
    case ENFILE:
        return ERR_LIMIT;
    default:
        return ERR_STORE;
    }
}

struct err *err_sys(int errnum, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    struct err *e = make(code_of_errno(errnum), ERR_DOMAIN_ERRNO, (unsigned long)errnum,
                         strerror(errnum), fmt, ap);
    va_end(ap);
    return e;
}

struct err *err_openssl(enum err_code code, const char *fmt, ...)
{
    unsigned long native = ERR_peek_last_error();
    const char *reason = native != 0 ? ERR_reason_error_string(native) : NULL;
    va_list ap;

    va_start(ap, fmt);
    struct err *e =
        make(code, native != 0 ? ERR_DOMAIN_OPENSSL : ERR_DOMAIN_NONE, native, reason, fmt, ap);
    va_end(ap);
    ERR_clear_error();
    return e;
}

struct err *err_nomem(void)
{
    return &out_of_memory;
}

struct err *err_add(struct err *e, const char *fmt, ...)
{
    if (e != NULL && e != &out_of_memory) {
        va_list ap;

        va_start(ap, fmt);
        push(e, format(fmt, ap));
        va_end(ap);
    }
    return e;
}

struct err *err_recode(struct err *e, enum err_code code)
{
    if (e != NULL && e != &out_of_memory) {
        e->code = code;
    }
    return e;
}

struct err *err_copy(const struct err *e)
{
    if (e == NULL || e == &out_of_memory) {
        return e == NULL ? NULL : &out_of_memory;
    }
    struct err *copy = calloc(1, sizeof *copy);

    if (copy == NULL) {
        return &out_of_memory;
    }
    copy->code = e->code;
    copy->domain = e->domain;
    copy->native = e->native;
    copy->patience_s = e->patience_s;
    copy->name = e->name != NULL ? strdup(e->name) : NULL;
    for (size_t i = 0; i < e->n; i++) {
        push(copy, strdup(e->clause[i]));
    }
    return copy;
}

struct err *err_set_patience(struct err *e, int64_t seconds)
{
    if (e != NULL && e != &out_of_memory && seconds >= 0) {
        e->patience_s = (uint32_t)(seconds < ERR_PATIENCE_MAX_S ? seconds : ERR_PATIENCE_MAX_S);
    }
    return e;
}

int64_t err_patience_s(const struct err *e)
{
    return e->patience_s;
}

void err_free(struct err **ep)
{
    struct err *e = take(ep);

    if (e == NULL || e == &out_of_memory) {
        return;
    }
    for (size_t i = 0; i < e->n; i++) {
        free(e->clause[i]);
    }
    free(e->text);
    free(e->name);
    free(e);
}

enum err_code err_code(const struct err *e)
{
    return e->code;
}

bool err_is(const struct err *e, enum err_code code)
{
    return e != NULL && e->code == code;
}

enum err_domain err_domain(const struct err *e)
{
    return e->domain;
}

unsigned long err_native_code(const struct err *e)
{
    return e->native;
}

const char *err_native_name(const struct err *e)
{
    return e->name != NULL ? e->name : "";
}

size_t err_clauses(const struct err *e)
{
    return e->n;
}

const char *err_clause(const struct err *e, size_t i)
{
    return e->clause[e->n - 1 - i];
}

/* What stands in brackets at the end: the native code's name, or the bare code when it has none. */
static const char *native_text(const struct err *e, char *out, size_t size)
{
    const char *domain = err_domain_name(e->domain);

    if (e->name != NULL || e->domain == ERR_DOMAIN_NONE) {
        return err_native_name(e);
    }
    snprintf(out, size, e->domain == ERR_DOMAIN_PKCS11 ? "%s 0x%lx" : "%s %lu", domain, e->native);
    return out;
}

static char *join(const struct err *e)
{
    char code[64];
    const char *native = native_text(e, code, sizeof code);
    size_t len = strlen(native) + 4;

    for (size_t i = 0; i < e->n; i++) {
        len += strlen(e->clause[i]) + 2;
    }
    char *text = calloc(1, len);

    for (size_t i = 0; text != NULL && i < e->n; i++) {
        strcat(text, err_clause(e, i));
        strcat(text, i + 1 < e->n ? ": " : "");
    }
    if (text != NULL && native[0] != '\0') {
        strcat(strcat(strcat(text, " ("), native), ")");
    }
    return text;
}

const char *err_text(const struct err *e)
{
    if (e == NULL) {
        return "";
    }
    if (e == &out_of_memory) {
        return "out of memory";
    }
    if (e->text == NULL && e->n > 0) {
        ((struct err *)e)->text = join(e); /* a cache: what the caller sees does not change */
    }
    return e->text != NULL ? e->text : err_code_name(e->code);
}

const char *err_code_name(enum err_code code)
{
    static const char *const names[] = {
        [ERR_INPUT] = "input",
        [ERR_PROTOCOL] = "protocol",
        [ERR_DENIED] = "denied",
        [ERR_NOT_FOUND] = "not-found",
        [ERR_EXISTS] = "exists",
        [ERR_BUSY] = "busy",
        [ERR_TIMEOUT] = "timeout",
        [ERR_GONE] = "gone",
        [ERR_PIN] = "pin",
        [ERR_PIN_LOCKED] = "pin-locked",
        [ERR_UNSUPPORTED] = "unsupported",
        [ERR_REMOTE] = "remote",
        [ERR_CERT] = "certificate",
        [ERR_STORE] = "store",
        [ERR_LIMIT] = "limit",
        [ERR_NOMEM] = "out-of-memory",
        [ERR_BUG] = "bug",
    };

    return (size_t)code < ARRAY_LEN(names) && names[code] != NULL ? names[code] : "unknown";
}

enum err_code err_code_find(const char *name)
{
    for (enum err_code code = ERR_INPUT; name != NULL && code <= ERR_BUG; code++) {
        if (strcmp(err_code_name(code), name) == 0) {
            return code;
        }
    }
    return ERR_PROTOCOL;
}

const char *err_domain_name(enum err_domain domain)
{
    static const char *const names[] = {
        [ERR_DOMAIN_NONE] = "",         [ERR_DOMAIN_ERRNO] = "errno",
        [ERR_DOMAIN_PKCS11] = "pkcs11", [ERR_DOMAIN_HTTP] = "http",
        [ERR_DOMAIN_CURL] = "curl",     [ERR_DOMAIN_OPENSSL] = "openssl",
        [ERR_DOMAIN_SSH2] = "libssh2",  [ERR_DOMAIN_SQLITE] = "sqlite",
    };

    return (size_t)domain < ARRAY_LEN(names) ? names[domain] : "unknown";
}

/* On the wire: u32 code, u32 domain, u64 native, string name, u32 n, n x string (outermost first) */
void err_put(struct buf *b, const struct err *e)
{
    buf_put_u32(b, (uint32_t)e->code);
    buf_put_u32(b, (uint32_t)e->domain);
    buf_put_u64(b, e->native);
    buf_put_u32(b, e->patience_s);
    buf_put_cstr(b, err_native_name(e));
    buf_put_u32(b, (uint32_t)e->n);
    for (size_t i = 0; i < e->n; i++) {
        buf_put_cstr(b, err_clause(e, i));
    }
}

struct err *err_get(struct rd *r)
{
    struct view clause[ERR_CLAUSES_MAX];
    uint32_t code = rd_u32(r);
    uint32_t domain = rd_u32(r);
    uint64_t native = rd_u64(r);
    uint32_t patience_s = rd_u32(r);
    struct view name = rd_string(r);
    uint32_t n = rd_u32(r);

    if (n > ERR_CLAUSES_MAX || code < ERR_INPUT || code > ERR_BUG || domain > ERR_DOMAIN_SQLITE) {
        return err_new(ERR_PROTOCOL, "malformed error in a frame");
    }
    for (uint32_t i = 0; i < n; i++) {
        clause[i] = rd_string(r);
    }
    if (rd_failed(r)) {
        return err_new(ERR_PROTOCOL, "malformed error in a frame");
    }
    struct err *e = calloc(1, sizeof *e);

    if (e == NULL) {
        return &out_of_memory;
    }
    e->code = (enum err_code)code;
    e->domain = (enum err_domain)domain;
    e->native = (unsigned long)native;
    e->patience_s = patience_s < ERR_PATIENCE_MAX_S ? patience_s : ERR_PATIENCE_MAX_S;
    e->name = name.len > 0 ? view_dup(name) : NULL;
    for (uint32_t i = n; i > 0; i--) {
        push(e, view_dup(clause[i - 1]));
    }
    return e;
}
