/*
 * What a role of an SSH engine allows, in words. It is Vault that decides; this only reads the role's
 * settings as Vault would, so that a person need not, and so that a principal that the role will refuse
 * is told before anybody waits for a certificate. Where a template or the engine decides, that is said
 * instead of guessed.
 *
 * Spec: OpenBao, SSH secrets engine (API), "Create role"
 */
#include <stdio.h>

#include "vault/check.h"

struct words {
    char *text;
    size_t size, len;
};

PRINTF_LIKE(2, 3) static void add(struct words *w, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(w->text + w->len, w->size - w->len, fmt, ap);

    va_end(ap);
    w->len += n > 0 ? (size_t)n : 0;
    w->len = w->len < w->size ? w->len : w->size - 1;
}

static const char *text_of(const json_t *role, const char *name)
{
    const char *text = json_string_value(json_object_get(role, name));

    return text != NULL ? text : "";
}

static bool flag_of(const json_t *role, const char *name)
{
    return json_is_true(json_object_get(role, name));
}

/* Is @name an entry of "a, b"; @len of it count. */
static bool is_listed(const char *list, const char *name, size_t len)
{
    while (*list != '\0') {
        list += strspn(list, ", ");
        size_t n = strcspn(list, ",");
        size_t trimmed = n;

        while (trimmed > 0 && list[trimmed - 1] == ' ') {
            trimmed--;
        }
        if (trimmed == len && strncmp(list, name, len) == 0) {
            return true;
        }
        list += n;
    }
    return false;
}

enum answer { YES, NO, OPEN };

/* May a user certificate be for @name. */
static enum answer judge_user(const json_t *role, const char *name, size_t len)
{
    const char *users = text_of(role, "allowed_users");

    if (is_listed(users, "*", 1) || is_listed(users, name, len)) {
        return YES;
    }
    if (flag_of(role, "allowed_users_template") && strstr(users, "{{") != NULL) {
        return OPEN;
    }
    if (is_listed(text_of(role, "default_user"), name, len)) {
        return flag_of(role, "default_user_template") ? OPEN : YES;
    }
    return NO;
}

/* May a host certificate be for @name: a domain itself, or a name below it. */
static enum answer judge_host(const json_t *role, const char *name, size_t len)
{
    const char *list = text_of(role, "allowed_domains");

    if (is_listed(list, "*", 1)) {
        return YES;
    }
    if (flag_of(role, "allowed_domains_template") && strstr(list, "{{") != NULL) {
        return OPEN;
    }
    if (flag_of(role, "allow_bare_domains") && is_listed(list, name, len)) {
        return YES;
    }
    for (size_t i = 1; flag_of(role, "allow_subdomains") && i < len; i++) {
        if (name[i - 1] == '.' && is_listed(list, name + i, len - i)) {
            return YES;
        }
    }
    return NO;
}

static void say_principals(const json_t *role, const char *principals, struct words *w,
                           struct vault_report *r)
{
    bool hosts =
        flag_of(role, "allow_host_certificates") && !flag_of(role, "allow_user_certificates");

    for (const char *p = principals; p != NULL && *p != '\0' && r->error == NULL;) {
        size_t len = strcspn(p, ",");
        enum answer a = hosts ? judge_host(role, p, len) : judge_user(role, p, len);

        if (a == NO) {
            r->error = err_new(ERR_DENIED,
                               "the role does not allow the principal \"%.*s\": its %s are \"%s\"",
                               (int)len, p, hosts ? "allowed_domains" : "allowed_users",
                               text_of(role, hosts ? "allowed_domains" : "allowed_users"));
        } else if (a == OPEN) {
            r->state = VAULT_STEP_WARNING;
        }
        add(w, "; \"%.*s\" %s", (int)len, p,
            a == OPEN ? "depends on the template, which Vault fills in for the login"
                      : "is allowed");
        p += len + (p[len] == ',' ? 1 : 0);
    }
}

/* "user", "host", "user and host" certificates, for whom. */
static void say_whom(const json_t *role, struct words *w)
{
    const char *users = text_of(role, "allowed_users");
    const char *user = text_of(role, "default_user");
    const char *domains = text_of(role, "allowed_domains");

    if (flag_of(role, "allow_user_certificates")) {
        add(w, "; users: %.300s", users[0] != '\0' ? users : "none named");
        if (flag_of(role, "allowed_users_template") && strstr(users, "{{") != NULL) {
            add(w, " (a template: Vault fills in what it knows of the login's entity)");
        }
        if (user[0] != '\0') {
            add(w, "; for %.100s where none is asked for", user);
        }
    }
    if (flag_of(role, "allow_host_certificates")) {
        add(w, "; hosts: %.300s%s", domains[0] != '\0' ? domains : "none named",
            flag_of(role, "allow_subdomains") ? ", and names below" : "");
    }
    if (!flag_of(role, "allow_user_certificates") && !flag_of(role, "allow_host_certificates")) {
        add(w, "; neither user nor host certificates");
    }
}

static void say_time(const json_t *role, struct words *w)
{
    int64_t ttl_s = json_integer_value(json_object_get(role, "ttl"));
    int64_t max_s = json_integer_value(json_object_get(role, "max_ttl"));
    char ttl[TEXT_DURATION_BYTES], max[TEXT_DURATION_BYTES];

    add(w, "; certificates last %s, at most %s",
        ttl_s > 0 ? text_duration_of(ttl_s, ttl) : "as long as the engine says",
        max_s > 0 ? text_duration_of(max_s, max) : "what the engine says");
}

static void say_extensions(const json_t *role, struct words *w)
{
    const char *allowed = text_of(role, "allowed_extensions");
    const char *name, *comma = "";
    json_t *value;

    add(w, "; extensions: ");
    json_object_foreach(json_object_get(role, "default_extensions"), name, value)
    {
        add(w, "%s%.60s", comma, name);
        comma = ", ";
    }
    add(w, "%s", comma[0] == '\0' ? "none" : "");
    if (allowed[0] == '\0') {
        add(w, "; no others may be asked for");
    } else {
        add(w, "; may be asked for: %.200s", strcmp(allowed, "*") == 0 ? "any" : allowed);
    }
}

/* OpenBao 2.7.2 takes blanks beside a comma for a part of the name, here alone. */
static bool may_be_chosen(const char *allowed, const char *name)
{
    size_t len = strlen(name);

    if (strcmp(allowed, "*") == 0) {
        return true;
    }
    while (strcspn(allowed, ",") != len || strncmp(allowed, name, len) != 0) {
        allowed += strcspn(allowed, ",");
        if (*allowed++ == '\0') {
            return false;
        }
    }
    return true;
}

/* What a user's certificate carries where nothing is said of extensions, and by whom it is signed. */
static void say_default(const json_t *role, struct words *w)
{
    static const char least[] = SIGNER_LEAST_EXTENSION;
    const char *issuer = text_of(role, "issuer_ref");

    if (flag_of(role, "allow_user_certificates")) {
        add(w, "; what Holdfast asks for by itself is %s alone, %s", least,
            may_be_chosen(text_of(role, "allowed_extensions"), least)
                ? "and a certificate has just that"
                : "which the role does not let be chosen: a certificate has the role's own");
    }
    if (issuer[0] != '\0') {
        add(w, "; the issuer \"%.100s\" signs", issuer);
    }
}

static void put_facts(const json_t *role, struct vault_report *r)
{
    static const char *const texts[] = {"allowed_users",
                                        "default_user",
                                        "allowed_domains",
                                        "allowed_extensions",
                                        "allowed_critical_options",
                                        "issuer_ref"};
    static const char *const numbers[] = {"ttl", "max_ttl"};
    static const char *const flags[] = {"allow_user_certificates", "allow_host_certificates",
                                        "allowed_users_template"};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        const char *text = text_of(role, texts[i]);

        vault_report_fact(r, texts[i], text[0] != '\0' ? text : NULL);
    }
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        vault_report_number(r, numbers[i], json_integer_value(json_object_get(role, numbers[i])));
    }
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        vault_report_fact(r, flags[i], flag_of(role, flags[i]) ? "true" : "false");
    }
}

void vault_role_report(const json_t *role, const char *name, const char *principals,
                       struct vault_report *r)
{
    struct words w = {r->text, sizeof r->text, strlen(r->text)};
    const char *kind = text_of(role, "key_type");

    put_facts(role, r);
    if (kind[0] != '\0' && strcmp(kind, "ca") != 0) {
        r->error = err_new(ERR_INPUT,
                           "the role \"%s\" is of key type %s: only roles of key type ca sign keys",
                           name, kind);
        return;
    }
    say_whom(role, &w);
    say_principals(role, principals, &w, r);
    say_time(role, &w);
    say_extensions(role, &w);
    say_default(role, &w);
}
