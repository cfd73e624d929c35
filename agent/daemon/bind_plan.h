#ifndef HF_DAEMON_BIND_PLAN_H
#define HF_DAEMON_BIND_PLAN_H

#include <jansson.h>

#include "registry/registry.h"

/** Names that holdfast.yaml has given away, and where its tokens are. Borrowed. */
struct bind_taken {
    char *const *identities; /* NULL-terminated; NULL: none */
    char *const *signers;
    const json_t *tokens;                 /* {name: URI} */
    struct registry_allowed_list allowed; /* what may be named below the account */
};

/**
 * bind_plan_make() - what the registry's SSH keys come to; pure
 * @items:  "items" of registry_resolve_all() (borrowed)
 * @logins: "logins" of it: their servers are put whoever uses them (borrowed; may be NULL)
 * @ret:   new reference:
 *   {"vaults": {NAME: {"connector": spec, "certificate": spec or null}},
 *    "tokens": {NAME: {"uri": text, "pins": [spec's pin, ...]}},
 *    "identities": {NAME: {"scope", "id", "tags", "key": URI, "public_key": line
 *                          or null, "offer": "certificate|both|key",
 *                          "place": {"addresses", "namespace"} or null,
 *                          "want": {"vault": NAME, "mount", "role", "issuer", "principals",
 *                                   "ttl", "extensions", "critical_options"} or null}},
 *    "problems": {NAME: text}}
 * Names are made from scope and identifier, fit text_name_ok(), and differ from those taken. What has
 * a problem that keeps it from being an identity is in problems only.
 */
struct err *bind_plan_make(const json_t *items, const json_t *logins,
                           const struct bind_taken *taken, json_t **ret) MUST_CHECK;

/** bind_plan_put() - the names in @part of @after that are not in @before, or not so; NULL: none
 * (caller owns; NULL also when out of memory: then a later round finds them) */
char **bind_plan_put(const json_t *before, const json_t *after, const char *part);
/** bind_plan_gone() - the names in @part of @before that are not in @after */
char **bind_plan_gone(const json_t *before, const json_t *after, const char *part);
/** bind_plan_is_elsewhere() - an identity whose certificates came from another Vault than they will:
 * no address in common, or another namespace. Then the same role there has another CA */
bool bind_plan_is_elsewhere(const json_t *identity_before, const json_t *identity_after);

/** bind_plan_name() - "ID", "ORG.ID", "ORG.PROJECT.ID"; what is too long ends in a hash (caller owns) */
char *bind_plan_name(const char *scope, const char *id, char *const *taken);
/** bind_plan_login_name() - under which a login's problem is in problems (caller owns) */
char *bind_plan_login_name(const json_t *login, char *const *taken);

#endif
