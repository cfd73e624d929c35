/*
 * Login: the one place where a PIN leaves us, and the rules that keep a token from being locked.
 *
 * A PIN is given to C_Login at most once per call, to the token whose serial was checked just
 * before, and not when only one try is left, unless a person said so. The counter's flags are read
 * before and after and ride in the error, as a person wants to know what a refusal cost. A device
 * error is not a wrong PIN.
 *
 * SoftHSM 2.6.1 rewrites its token file on every login; a process that reads it in that moment sees
 * a token without a user PIN, or none at all. Both mean that no PIN was compared, so these answers,
 * and only these, are tried again a few times.
 */
#include <time.h>

#include "pkcs11/token/priv.h"

enum { ATTEMPTS = 6, PAUSE_MS = 20, FLAGS_TEXT_BYTES = 96 };

static const char *flags_text(unsigned long flags, char out[FLAGS_TEXT_BYTES])
{
    bool low = (flags & CKF_USER_PIN_COUNT_LOW) != 0;
    bool final = (flags & CKF_USER_PIN_FINAL_TRY) != 0;
    bool locked = (flags & CKF_USER_PIN_LOCKED) != 0;

    snprintf(out, FLAGS_TEXT_BYTES, "%s%s%s%s", low ? "count low" : "",
             final ? (low ? ", final try" : "final try") : "",
             locked ? (low || final ? ", locked" : "locked") : "",
             low || final || locked ? "" : "no warning");
    return out;
}

/* May the PIN be tried at all? */
static struct err *check(const struct token *t, const struct secret *pin,
                         enum token_login_force force, const struct token_info *now)
{
    if (!info_is_same_token(now, &t->info)) {
        return err_new(ERR_GONE, "slot %lu now holds a token with serial '%s': PIN not tried",
                       now->slot_id, now->serial);
    }
    if ((now->flags & CKF_USER_PIN_LOCKED) != 0) {
        return err_new(ERR_PIN_LOCKED, "the token says that its PIN is locked: PIN not tried");
    }
    if ((now->flags & CKF_USER_PIN_FINAL_TRY) != 0 && force != TOKEN_LOGIN_USE_LAST_TRY) {
        return err_new(ERR_PIN, "one try is left before the token locks its PIN: PIN not tried");
    }
    if (pin == NULL && (now->flags & CKF_PROTECTED_AUTHENTICATION_PATH) == 0) {
        return err_new(ERR_PIN, "no PIN was given, and the token has no keypad of its own");
    }
    return NULL;
}

static struct err *refused(const struct token *t, CK_RV rv, unsigned long before)
{
    char before_text[FLAGS_TEXT_BYTES];
    char after_text[FLAGS_TEXT_BYTES];
    struct token_info now;
    AUTO(err_free) struct err *unread = slot_info(t->module, t->info.slot_id, &now);
    unsigned long after = unread == NULL ? now.flags : 0;

    flags_text(before, before_text);
    flags_text(after, after_text);
    const char *then = unread == NULL ? after_text : "unreadable";

    if (rv == CKR_PIN_INCORRECT && (after & CKF_USER_PIN_LOCKED) != 0) {
        return err_native(ERR_PIN_LOCKED, ERR_DOMAIN_PKCS11, rv, ckr_name(rv),
                          "C_Login: that was the last try, the PIN is locked now (PIN counter "
                          "before: %s; after: %s)",
                          before_text, then);
    }
    return ckr_err(rv, "C_Login%s (PIN counter before: %s; after: %s)",
                   rv == CKR_PIN_INCORRECT ? ": the PIN is wrong" : "", before_text, then);
}

static bool spent_no_try(CK_RV rv)
{
    return rv == CKR_USER_PIN_NOT_INITIALIZED || rv == CKR_TOKEN_NOT_RECOGNIZED;
}

static struct err *attempt(struct token *t, const struct secret *pin, enum token_login_force force)
{
    struct view v = pin != NULL ? secret_view(pin) : view_of(NULL, 0);
    struct token_info before;
    CK_SESSION_HANDLE s;
    struct err *e = slot_info(t->module, t->info.slot_id, &before);

    if (e == NULL) {
        e = check(t, pin, force, &before);
    }
    if (e == NULL) {
        e = session_anchor(t, &s);
    }
    if (e != NULL) {
        return e;
    }
    CK_RV rv = t->f->C_Login(s, CKU_USER, (CK_UTF8CHAR *)(uintptr_t)v.p, v.len);

    if (rv != CKR_OK && rv != CKR_USER_ALREADY_LOGGED_IN) {
        return refused(t, rv, before.flags);
    }
    atomic_store(&t->logged_in, true);
    return NULL;
}

struct err *token_login(struct token *t, const struct secret *pin, enum token_login_force force)
{
    struct err *e = NULL;

    pthread_mutex_lock(&t->admin);
    for (unsigned i = 0; i < ATTEMPTS; i++) {
        struct timespec pause = {0, (long)(i * PAUSE_MS) * 1000 * 1000};

        nanosleep(&pause, NULL);
        err_free(&e);
        e = attempt(t, pin, force);
        if (e == NULL || !spent_no_try(err_native_code(e))) {
            break;
        }
    }
    pthread_mutex_unlock(&t->admin);
    return err_add(e, "log in to token '%s'", t->info.label);
}
