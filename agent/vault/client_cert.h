#ifndef HF_VAULT_CLIENT_CERT_H
#define HF_VAULT_CLIENT_CERT_H

#include <openssl/ssl.h>

#include "vault/provider.h"

/** What a connection shows of us: a certificate, for a key on a token. Strings are borrowed. */
struct vault_client_cert {
    const char *server;     /* the Vault server's name to us */
    const char *key;        /* see vault_provider_key(); NULL: nothing is shown */
    const char *public_pem; /* of the key */
    const char *cert_pem;   /* leaf first, then the chain */
};

/** vault_client_cert_of() - what the connections of a server show; nothing without a cert login, or
 * while its key or certificate is not there */
struct vault_client_cert vault_client_cert_of(const struct vault_conf *server);

/** vault_client_cert_check() - INPUT when it cannot be what logs in: no PEM, a certificate for another
 * key, or one that has ended */
struct err *vault_client_cert_check(const struct vault_client_cert *c) MUST_CHECK;

/** vault_client_cert_install() - have the connections of an SSL_CTX show @c and sign by @asker, which
 * outlives them
 * Errors: those of vault_client_cert_check(); BUG, NOMEM */
struct err *vault_client_cert_install(const struct vault_client_cert *c, struct vault_asker *asker,
                                      SSL_CTX *ctx) MUST_CHECK;

/** vault_client_cert_counted() - was this connection made with a signature by our key */
bool vault_client_cert_counted(SSL *ssl);

#endif
