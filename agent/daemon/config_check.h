#ifndef HF_DAEMON_CONFIG_CHECK_H
#define HF_DAEMON_CONFIG_CHECK_H

#include "daemon/config.h"

/**
 * config_check() - what no schema can say: exactly one of several keys, names that must exist and be
 * unique, durations, URIs, principals, scopes. Users and groups become numbers
 * @text: the file, to tell the line
 * Errors: INPUT as "FILE:LINE: key: what is wrong and what mends it"
 */
struct err *config_check(struct config *c, struct view text) MUST_CHECK;

/* Between config_check.c and config_place.c, config_access.c, config_login.c only. */

/** What is being checked. */
struct config_place {
    struct config *config;
    struct view text;
    char path[256]; /* "identities[0].certificates[1]" */
};
/** config_wrong() - INPUT: @key of the place is wrong; "" is the place itself */
struct err *config_wrong(const struct config_place *at, const char *key, const char *fmt, ...)
    PRINTF_LIKE(3, 4) MUST_CHECK;
struct err *config_check_name(const struct config_place *at, const char *name) MUST_CHECK;

/** config_check_uri(), config_check_duration() - a PKCS#11 URI; a time above 0, or NULL */
struct err *config_check_uri(const struct config_place *at, const char *key, const char *uri)
    MUST_CHECK;
struct err *config_check_duration(const struct config_place *at, const char *key, const char *text)
    MUST_CHECK;

/** config_login_hint() - an error of the schema (taken, NULL stays NULL): where a secret was written
 * into the file, the right way to do it */
struct err *config_login_hint(struct err *e) MUST_CHECK;
/** config_check_vault() - a signer's vault: how it is reached and logged in to (config_login.c) */
struct err *config_check_vault(const struct config_place *at, const struct config_vault *v)
    MUST_CHECK;

/** config_check_renewal(), config_check_standby() - when certificates are renewed, and by whom else
 * (config_renewal.c) */
struct err *config_check_renewal(const struct config_place *at, const struct config_identity *i)
    MUST_CHECK;
struct err *config_check_standby(const struct config_place *at, const struct config_certificate *w)
    MUST_CHECK;

/** config_check_sockets(), config_check_registry(), config_check_grants() - those parts of the file */
struct err *config_check_sockets(struct config_place *at) MUST_CHECK;
struct err *config_check_registry(struct config_place *at) MUST_CHECK;
struct err *config_check_grants(struct config_place *at) MUST_CHECK;

#endif
