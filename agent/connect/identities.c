/*
 * Which of an agent's identities are offered, in which order, and what is said of one that a host
 * refuses. Pure. A host counts every offer against MaxAuthTries, so what can work goes first, and a
 * certificate out of its time goes last.
 */
#include "connect/identities.h"

#include <stdlib.h>

enum { NAMES_SHOWN_MAX = 4, NAME_SHOWN_BYTES = 48 };

static void identity_deinit(struct connect_identity *id)
{
    ssh_key_free(&id->key);
    ssh_cert_free(&id->cert);
}

void connect_identities_deinit(struct connect_identities *ids)
{
    for (size_t i = 0; i < ids->count; i++) {
        identity_deinit(&ids->list[i]);
    }
    ids->count = 0;
}

struct view connect_identity_blob(const struct connect_identity *id)
{
    return id->cert ? ssh_cert_blob(id->cert) : ssh_key_blob(id->key);
}

static bool is_for(const struct ssh_cert *cert, const char *user)
{
    char **names = ssh_cert_fields(cert)->principals;

    return names && text_list_has(names, user);
}

/* Smaller is sooner. */
static int rank(const struct connect_identity *id, const char *user, struct wall now)
{
    if (!id->cert) {
        return 2;
    }
    if (!ssh_cert_is_valid_at(id->cert, now)) {
        return 3;
    }
    return is_for(id->cert, user) ? 0 : 1;
}

/* False for a blob that we could not sign with or that logs nobody in. */
static bool parse(struct view blob, struct connect_identity *ret)
{
    AUTO(err_free) struct err *e = NULL;

    if (!ssh_cert_is_blob(blob)) {
        e = ssh_key_from_blob(blob, &ret->key);
        return !e;
    }
    e = ssh_cert_from_blob(blob, &ret->cert);
    if (e || ssh_cert_fields(ret->cert)->kind != SSH_CERT_USER) {
        return false;
    }
    ret->key = ssh_key_copy(ssh_cert_key(ret->cert));
    return ret->key != NULL;
}

/* Keeps the list sorted by rank, equal ones in the agent's order; the last falls out when full. */
static void insert(struct connect_identities *ids, struct connect_identity *id, const char *user,
                   struct wall now)
{
    size_t at = ids->count;

    while (at > 0 && rank(&ids->list[at - 1], user, now) > rank(id, user, now)) {
        at--;
    }
    if (at == CONNECT_OFFERS_MAX) {
        return;
    }
    if (ids->count == CONNECT_OFFERS_MAX) {
        identity_deinit(&ids->list[--ids->count]);
    }
    memmove(&ids->list[at + 1], &ids->list[at], (ids->count - at) * sizeof ids->list[0]);
    ids->list[at] = *id;
    *id = (struct connect_identity){0};
    ids->count++;
}

static struct err *nothing(const struct connect_identities *ids, struct view only)
{
    char print[SSH_FINGERPRINT_BYTES];

    if (only.len) {
        return err_new(ERR_NOT_FOUND, "none of the agent's %zu identities is %s %s", ids->listed,
                       ssh_cert_is_blob(only) ? "the certificate of" : "the key",
                       ssh_blob_fingerprint(only, print));
    }
    if (ids->listed) {
        return err_new(ERR_NOT_FOUND, "none of the agent's %zu identities can log in anywhere",
                       ids->listed);
    }
    return err_new(ERR_NOT_FOUND, "the agent has no identities");
}

struct err *connect_identities_read(struct connect_identities *ids, struct rd answer,
                                    struct view only, const char *user, struct wall now)
{
    uint32_t count = rd_u32(&answer);
    struct err *e;

    if (count > CONNECT_LISTED_MAX) {
        return err_new(ERR_LIMIT, "the agent lists %u identities, allowed are %d", count,
                       CONNECT_LISTED_MAX);
    }
    for (uint32_t i = 0; i < count && !rd_failed(&answer); i++) {
        struct connect_identity id = {0};
        struct view blob = rd_string(&answer);

        rd_string(&answer); /* comment */
        ids->certs += ssh_cert_is_blob(blob);
        if (only.len && !view_eq(blob, only)) {
            continue;
        }
        if (parse(blob, &id)) {
            insert(ids, &id, user, now);
        } else {
            ids->unusable++;
        }
        identity_deinit(&id);
    }
    ids->listed = count;
    e = rd_end(&answer, "the agent's list of identities");
    if (e) {
        return e;
    }
    return ids->count ? NULL : nothing(ids, only);
}

/* "alice, bob and 7 more", each bounded. */
static char *names_text(char *const *names)
{
    size_t total = names ? text_list_len(names) : 0;
    char *text = text_copy(total ? "" : "nobody");

    for (size_t i = 0; text && i < total && i < NAMES_SHOWN_MAX; i++) {
        AUTO(auto_free) char *before = text;
        text = text_fmt("%s%s%.*s", before, i ? "," : "", NAME_SHOWN_BYTES, names[i]);
    }
    if (text && total > NAMES_SHOWN_MAX) {
        AUTO(auto_free) char *before = text;
        text = text_fmt("%s and %zu more", before, total - NAMES_SHOWN_MAX);
    }
    return text;
}

static const char *until_text(uint64_t valid_before, char *out)
{
    if (valid_before > INT64_MAX) {
        return "forever";
    }
    return wall_text((struct wall){(int64_t)valid_before}, out);
}

char *connect_identity_text(const struct connect_identity *id)
{
    char print[SSH_FINGERPRINT_BYTES], until[WALL_TEXT_BYTES];
    const char *word = ssh_key_type_word(ssh_key_type(id->key));

    ssh_key_fingerprint(id->key, print);
    if (!id->cert) {
        return text_fmt("key %s %s", word, print);
    }
    const struct ssh_cert_fields *f = ssh_cert_fields(id->cert);
    AUTO(auto_free) char *names = names_text(f->principals);
    return text_fmt("certificate \"%.*s\" serial %llu for %s until %s (%s %s)",
                    2 * NAME_SHOWN_BYTES, f->key_id, (unsigned long long)f->serial,
                    names ? names : "", until_text(f->valid_before, until), word, print);
}

static const char *source_address(const struct ssh_cert_fields *f)
{
    for (const struct ssh_cert_option *o = f->critical; o && o->name; o++) {
        if (text_eq(o->name, "source-address")) {
            return o->value;
        }
    }
    return NULL;
}

char *connect_identity_hint(const struct connect_identity *id, const char *user, struct wall now)
{
    char text[WALL_TEXT_BYTES], print[SSH_FINGERPRINT_BYTES];

    if (!id->cert) {
        return text_fmt("is it in %s's authorized_keys there?", user);
    }
    const struct ssh_cert_fields *f = ssh_cert_fields(id->cert);
    if (!ssh_cert_is_valid_at(id->cert, now)) {
        bool is_early = f->valid_after <= INT64_MAX && (int64_t)f->valid_after > now.s;
        return text_fmt("%s %s", is_early ? "it is valid only from" : "it expired at",
                        is_early ? wall_text((struct wall){(int64_t)f->valid_after}, text)
                                 : until_text(f->valid_before, text));
    }
    if (!is_for(id->cert, user)) {
        return text_fmt("%s is not among its principals, which the host needs unless its "
                        "AuthorizedPrincipals say otherwise",
                        user);
    }
    const char *from = source_address(f);
    return text_fmt("does the host trust its CA %s (TrustedUserCAKeys)?%s%.*s%s",
                    ssh_key_fingerprint(ssh_cert_ca(id->cert), print),
                    from ? " It is good only from " : "", 2 * NAME_SHOWN_BYTES, from ? from : "",
                    from ? "." : "");
}
