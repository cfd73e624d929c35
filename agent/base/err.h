#ifndef HF_BASE_ERR_H
#define HF_BASE_ERR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/auto.h"

struct buf;
struct rd;

/** What a caller may branch on. Values travel between our processes: append only. */
enum err_code {
    ERR_INPUT = 1,   /* the caller's data is wrong, and the text says where */
    ERR_PROTOCOL,    /* a peer broke a wire format */
    ERR_DENIED,      /* a rule or a peer said no */
    ERR_NOT_FOUND,   /* no such object */
    ERR_EXISTS,      /* there is one already */
    ERR_BUSY,        /* in use; may pass */
    ERR_TIMEOUT,     /* a deadline passed */
    ERR_GONE,        /* token, helper or connection went away */
    ERR_PIN,         /* PIN missing, refused, or not to be tried */
    ERR_PIN_LOCKED,  /* the token locked the PIN */
    ERR_UNSUPPORTED, /* this token, peer or build cannot do it */
    ERR_REMOTE,      /* a server answered with an error */
    ERR_CERT,        /* a certificate is not what was asked for */
    ERR_STORE,       /* a file or database failed */
    ERR_LIMIT,       /* a named limit was passed */
    ERR_NOMEM,
    ERR_BUG, /* ours */
};

/** Who issued the native code. */
enum err_domain {
    ERR_DOMAIN_NONE,
    ERR_DOMAIN_ERRNO,
    ERR_DOMAIN_PKCS11,
    ERR_DOMAIN_HTTP,
    ERR_DOMAIN_CURL,
    ERR_DOMAIN_OPENSSL,
    ERR_DOMAIN_SSH2,
    ERR_DOMAIN_SQLITE,
};

/**
 * An error: a code, at most one native code with its name, and a chain of clauses, outermost
 * first ("sign with web: token demo: C_Sign"). NULL means success. Owned by one holder.
 */
struct err;

enum { ERR_CLAUSES_MAX = 12, ERR_CLAUSE_MAX_BYTES = 1024 };

/** err_new() - an error without a native code. Never returns NULL, even out of memory. */
struct err *err_new(enum err_code code, const char *fmt, ...) PRINTF_LIKE(2, 3) MUST_CHECK;

/**
 * err_native() - an error that carries somebody else's code
 * @code:   what our callers branch on
 * @domain: who issued @native
 * @native: the foreign code (CK_RV, HTTP status, ...)
 * @name:   its name, as "CKR_PIN_INCORRECT" (borrowed; NULL when it has none)
 * @fmt:    the innermost clause
 * Return: never NULL
 */
struct err *err_native(enum err_code code, enum err_domain domain, unsigned long native,
                       const char *name, const char *fmt, ...) PRINTF_LIKE(5, 6) MUST_CHECK;

/** err_sys() - an error from errno; the code is chosen from it, strerror() becomes the name */
struct err *err_sys(int errnum, const char *fmt, ...) PRINTF_LIKE(2, 3) MUST_CHECK;

/** err_openssl() - an error from OpenSSL's queue, which is emptied */
struct err *err_openssl(enum err_code code, const char *fmt, ...) PRINTF_LIKE(2, 3) MUST_CHECK;

/** err_nomem() - the one error that needs no memory */
struct err *err_nomem(void) MUST_CHECK;

/**
 * err_add() - put one clause in front of an error
 * @e: taken; NULL stays NULL, so a return value can be passed through
 * Return: the same error
 */
struct err *err_add(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3) MUST_CHECK;

/**
 * err_recode() - change what callers branch on; the chain and the native code stay
 * @e: taken; NULL stays NULL
 * Return: the same error
 */
struct err *err_recode(struct err *e, enum err_code code) MUST_CHECK;

/** err_copy() - a second, owned copy (NULL for NULL) */
struct err *err_copy(const struct err *e) MUST_CHECK;

/** err_free() - accepts NULL; leaves NULL */
void err_free(struct err **e);

/** err_code(), err_is(), ...: what an error says; @e is not NULL unless said */
enum err_code err_code(const struct err *e);
/** err_is() - true when @e is not NULL and has this code */
bool err_is(const struct err *e, enum err_code code);
enum err_domain err_domain(const struct err *e);
unsigned long err_native_code(const struct err *e);
/** err_native_name() - borrowed; "" when there is none */
const char *err_native_name(const struct err *e);
size_t err_clauses(const struct err *e);
/** err_clause() - clause @i, 0 is the outermost; borrowed */
const char *err_clause(const struct err *e, size_t i);
/** err_text() - the whole chain as one line, "a: b: c (NAME)"; borrowed from @e, "" for NULL */
const char *err_text(const struct err *e);
/** err_code_name() - "input", "pin-locked", ...: stable words for logs and JSON */
const char *err_code_name(enum err_code code);
/** err_code_find() - the reverse; ERR_PROTOCOL for a word that we do not know, or NULL */
enum err_code err_code_find(const char *name);
/** err_domain_name() - "errno", "pkcs11", "http", ... */
const char *err_domain_name(enum err_domain domain);

/** err_put() - write an error (not NULL) to a frame */
void err_put(struct buf *b, const struct err *e);
/** err_get() - read what err_put() wrote; malformed input becomes an ERR_PROTOCOL error */
struct err *err_get(struct rd *r) MUST_CHECK;

#endif
