#ifndef HF_VAULT_CHECK_H
#define HF_VAULT_CHECK_H

#include "vault/look_serve.h"

/** One check while it runs. All is borrowed but @failed. */
struct vault_check_run {
    struct vault_look *look;
    const char *address; /* which the next step is about */
    struct err *failed;  /* what stands against the whole; owned */
};

/** What a step has to say. A step with an error has failed, and the error is its text. */
struct vault_report {
    enum vault_step_state state;
    struct err *error; /* owned */
    char text[1024];
    int64_t took_ms;
    struct vault_fact facts[VAULT_FACTS_MAX]; /* values are owned */
    size_t n;
};

/** vault_report_fact() - add one (copied); NULL: not known */
void vault_report_fact(struct vault_report *r, const char *name, const char *value);
void vault_report_number(struct vault_report *r, const char *name, int64_t value);
void vault_report_deinit(struct vault_report *r);

/**
 * vault_role_report() - what a role of an SSH engine allows, added to the words and facts of @r
 * @role:       its settings, as Vault shows them
 * @principals: "a,b" that a certificate is wanted for; one that the role refuses is an error; NULL
 */
void vault_role_report(const json_t *role, const char *name, const char *principals,
                       struct vault_report *r);

/** A step behind the login: fills @r. */
typedef void vault_check_step_fn(struct vault_look *look, struct vault_report *r);
vault_check_step_fn vault_check_login;  /* check_token.c */
vault_check_step_fn vault_check_token;  /* check_token.c */
vault_check_step_fn vault_check_engine; /* check_engine.c */

#endif
