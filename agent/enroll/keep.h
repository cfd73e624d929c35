#ifndef HF_ENROLL_KEEP_H
#define HF_ENROLL_KEEP_H

#include "enroll/enroll.h"

/**
 * Renews the certificates that the agent logs in to Vault with: at two thirds of their time, by the
 * login that they are for. Only servers whose login is cert, with a key, a certificate, and a mount and
 * role of a PKI engine; the others it warns about.
 */
struct enroll_keep;

struct enroll_keep_conf {
    struct io_loop *loop; /* all borrowed, all outlive it; audit may be NULL */
    struct remote *remote;
    struct vault *vault;
    struct audit *audit;
    void (*on_changed)(void *arg); /* a token got another certificate */
    void *arg;
};

enum { ENROLL_KEEP_LOOK_MS = 15 * 1000, ENROLL_KEEP_RETRY_MS = 60 * 1000 };

/** enroll_keep_new() - looks at once, and then by itself. NOMEM */
struct err *enroll_keep_new(const struct enroll_keep_conf *conf, struct enroll_keep **ret)
    MUST_CHECK;
/** enroll_keep_wake() - tokens changed, Vault answered, or the clock was set: look now. What failed for
 * want of a token that is ready by now, or of a server that has answered since, is tried again. @k may
 * be NULL */
void enroll_keep_wake(struct enroll_keep *k);
/** enroll_keep_free() - NULL is fine; a renewal under way is given up */
void enroll_keep_free(struct enroll_keep **k);
/** enroll_keep_warnings() - what a person should know: each as a sentence, borrowed until @say
 * returns. @k may be NULL */
void enroll_keep_warnings(const struct enroll_keep *k, void (*say)(void *arg, const char *text),
                          void *arg);

#endif
