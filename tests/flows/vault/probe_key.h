#ifndef HF_TESTS_PROBE_KEY_H
#define HF_TESTS_PROBE_KEY_H

#include "probe_look.h"

/* What probe_conf() borrows from while it makes a configuration. */
struct probe_key_texts {
    char *public_pem, *cert_pem;
};

/* The client key of a server: key_file (a private key in PEM, which stays in vault_probe), client_key
 * (its name), cert_file; problem: there is no key, and this is why. */
void probe_key_conf(const struct fields *f, struct vault_conf *conf, struct probe_key_texts *texts);
void probe_key_texts_deinit(struct probe_key_texts *texts);

/* Answers questions from now on, as an agent with a token does. */
void probe_key_start(struct vault *v);
void probe_key_stop(void);
/* The commands "token" (refuse=TEXT: from now on; refuse= : no more) and "asked" (what was asked for
 * since the last time); false: another */
bool probe_key(struct probe *p, const struct fields *f);

#endif
