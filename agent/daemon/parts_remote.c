/*
 * From the configuration's modules and tokens to pkcs11/remote. The arrays made here only live
 * until remote_new() has copied them.
 */
#include <stdlib.h>

#include "daemon/parts.h"

static struct err *pin_source(const struct config_pin *from, struct remote_pin_source *to)
{
    to->text = from->file != NULL          ? from->file
               : from->environment != NULL ? from->environment
                                           : from->credential;
    to->argv = NULL;
    if (from->askpass) {
        to->kind = REMOTE_PIN_ASKPASS;
    } else if (from->command_count > 0) {
        to->kind = REMOTE_PIN_COMMAND;
        for (unsigned i = 0; i < from->command_count; i++) {
            if (!text_list_add(&to->argv, from->command[i])) {
                return err_nomem();
            }
        }
    } else if (from->file != NULL) {
        to->kind = REMOTE_PIN_FILE;
    } else if (from->credential != NULL) {
        to->kind = REMOTE_PIN_CREDENTIAL;
    } else {
        to->kind = REMOTE_PIN_ENVIRONMENT;
        struct err *e = secret_from_env(from->environment, &to->value);

        if (e != NULL) { /* not fatal: the token can be unlocked by hand */
            log_err(LOG_WARN, e, "PIN from the environment");
            err_free(&e);
        }
    }
    return NULL;
}

static void free_pins(struct remote_token_conf *tokens, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct remote_pin_source *pins = (struct remote_pin_source *)tokens[i].pins;

        for (size_t k = 0; k < tokens[i].pins_n; k++) {
            text_list_free(&pins[k].argv);
            secret_free(&pins[k].value);
        }
        free(pins);
    }
}

static struct err *fill_tokens(const struct config *c, struct remote_token_conf *tokens)
{
    struct err *e = NULL;

    for (unsigned i = 0; e == NULL && i < c->tokens_count; i++) {
        const struct config_token *t = &c->tokens[i];
        struct remote_pin_source *pins = calloc(t->pin_count + 1, sizeof *pins);

        if (pins == NULL) {
            return err_nomem();
        }
        tokens[i] = (struct remote_token_conf){
            .name = t->name, .uri = t->uri, .pins = pins, .pins_n = t->pin_count};
        for (unsigned k = 0; e == NULL && k < t->pin_count; k++) {
            e = pin_source(&t->pin[k], &pins[k]);
        }
    }
    return e;
}

struct err *parts_remote(const struct config *c, struct io_loop *l, const struct parts_paths *paths,
                         const struct profile_set *profiles, remote_change_fn *on_change, void *arg,
                         struct remote **ret)
{
    AUTO(auto_free) struct remote_module_conf *modules =
        calloc(c->modules_count + 1, sizeof *modules);
    AUTO(auto_free) struct remote_token_conf *tokens = calloc(c->tokens_count + 1, sizeof *tokens);

    if (modules == NULL || tokens == NULL) {
        return err_nomem();
    }
    for (unsigned i = 0; i < c->modules_count; i++) {
        modules[i] = (struct remote_module_conf){c->modules[i].name, c->modules[i].path};
    }
    struct remote_conf conf = {
        .helper_path = paths->token_helper,
        .profiles = profiles,
        .modules = modules,
        .modules_n = c->modules_count,
        .tokens = tokens,
        .tokens_n = c->tokens_count,
        .state_dir = c->agent.state,
    };
    struct err *e = fill_tokens(c, tokens);

    if (e == NULL) {
        e = remote_new(l, &conf, on_change, arg, ret);
    }
    free_pins(tokens, c->tokens_count);
    return e;
}
