#ifndef HF_REGISTRY_REGISTRY_H
#define HF_REGISTRY_REGISTRY_H

#include <jansson.h>

#include "store/store.h"

/**
 * The registry: what an administrator declares once and delegates use many times. Resources of five
 * kinds at three scopes. It validates, resolves references and keeps the in-use rule; store/ keeps
 * the rows. Resources are JSON objects; openapi.yaml in control/ describes them, and kind_*.c are
 * the tables behind it.
 *
 * Every resource:
 *   identifier  made from the name when it is created, [a-z0-9_]{1,128}, never changes
 *   name        1..128 characters of UTF-8, no control characters; may be changed
 *   scope       "account", "org/NAME", "org/NAME/project/NAME" (names: identifiers)
 *   description, tags (optional); created, updated (RFC 3339), revision
 *   spec        the kind's own members
 *   broken      texts that say what has to be mended; absent when none
 *
 * References in a spec are text: "main_vault" (own scope), "org.main_vault", "account.main_vault":
 * never downwards, never sideways.
 */
struct registry;

enum registry_kind {
    REGISTRY_CERTIFICATE,
    REGISTRY_CONNECTOR,
    REGISTRY_SECRETS_MANAGER,
    REGISTRY_SSH_KEY,
    REGISTRY_INFRASTRUCTURE,
};
enum { REGISTRY_KINDS = 5, REGISTRY_NAME_MAX_CHARS = 128, REGISTRY_CERTIFICATES_MAX = 100 };

/** registry_kind_word() - "certificate", "connector", "secrets-manager", "ssh-key",
 * "infrastructure"; registry_kind_title() - "Certificate", ... as messages say */
const char *registry_kind_word(enum registry_kind k);
const char *registry_kind_title(enum registry_kind k);
bool registry_kind_find(const char *word, enum registry_kind *ret);

/** registry_scope_is_below() - is @scope @top, or below it; both are valid */
bool registry_scope_is_below(const char *scope, const char *top);
/** registry_scope_check() - INPUT when it is none of the three forms */
struct err *registry_scope_check(const char *scope) MUST_CHECK;
/**
 * registry_reference_resolve() - what a reference means where it stands
 * @scope:     of the resource that refers
 * @ret_scope: own scope or one above (caller owns)
 * @ret_id:    points into @reference
 * Errors: INPUT (form; no such scope; no organization above an account)
 */
struct err *registry_reference_resolve(const char *scope, const char *reference, char **ret_scope,
                                       const char **ret_id) MUST_CHECK;

/** Who asks; goes to the audit trail. */
struct registry_caller {
    uid_t uid;
    gid_t gid;
    pid_t pid;
};

/** registry_new() - over an open store (taken)
 * @audit_path: every change, one JSON line each: when, who, what, before and after revision */
struct err *registry_new(struct io_loop *l, struct store *store, const char *audit_path,
                         struct registry **ret) MUST_CHECK;
void registry_free(struct registry **r);
struct store *registry_store(struct registry *r);

/** A place of secrets that holdfast.yaml gives to a scope and those below it: a folder, or a login key.
 */
struct registry_allowed {
    const char *scope;
    const char *folder; /* absolute path; files in it and below it */
    const char *key;    /* its PKCS#11 URI; one of the two is set */
};
struct registry_allowed_list {
    const struct registry_allowed *rows; /* borrowed */
    size_t n;
};
/** registry_allow() - what may be named below the account from now on; nothing, where nobody said.
 * @list: its rows outlive the registry */
void registry_allow(struct registry *r, const struct registry_allowed_list *list);
/** registry_allowed() - what registry_allow() said */
const struct registry_allowed_list *registry_allowed(const struct registry *r);
/**
 * registry_allowed_check() - may a resource of @scope name the places of secrets that @spec names? For
 * what is about to be stored, and for what was stored before, or by another machine. Pure
 * Errors: DENIED with JSON pointer, and how to allow it
 */
struct err *registry_allowed_check(const struct registry_allowed_list *list,
                                   enum registry_kind kind, const char *scope, const json_t *spec)
    MUST_CHECK;

/** Gets a resource (borrowed), or an error (taken). */
typedef void registry_json_fn(void *arg, struct err *e, json_t *result);
/** Gets what may be large: a JSON text (taken; free()), made where it holds nobody up, or an error
 * (taken). */
typedef void registry_text_fn(void *arg, struct err *e, char *text);

/**
 * registry_create() - @body: {"name", "description"?, "tags"?, "spec"} (borrowed)
 * The success text is the resource's "message": "Certificate NAME created successfully".
 * Errors: INPUT with JSON pointer and what mends it ("Invalid request: Certificate is not a valid X509
 * Certificate: ..."), EXISTS, NOT_FOUND (a reference), DENIED (a secret value where a reference to one
 * belongs: says the right way), LIMIT, STORE
 */
void registry_create(struct registry *r, const struct registry_caller *who, enum registry_kind kind,
                     const char *scope, const json_t *body, registry_json_fn *on_done, void *arg);
void registry_get(struct registry *r, enum registry_kind kind, const char *scope, const char *id,
                  registry_json_fn *on_done, void *arg);
/** registry_version() - revision and time of creation as one number: what was deleted and made anew is
 * not what it was, though its revisions begin at 1 again */
enum { REGISTRY_REVISION_BITS = 24 };
static inline uint64_t registry_version(uint64_t revision, struct wall created)
{
    return (uint64_t)created.s << REGISTRY_REVISION_BITS |
           (revision & ((UINT64_C(1) << REGISTRY_REVISION_BITS) - 1));
}

/** registry_update() - replace name, description, tags and spec; @expected: registry_version() of what
 * this change is based on (one without a time is a revision alone),
 * 0: any. BUSY ("STALE") when it differs */
void registry_update(struct registry *r, const struct registry_caller *who, enum registry_kind kind,
                     const char *scope, const char *id, uint64_t expected, const json_t *body,
                     registry_json_fn *on_done, void *arg);
/** registry_delete() - BUSY ("IN-USE") names the users at every scope; with @force the references
 * become empty and their owners broken, in the same commit
 * Result: {"kind", "scope", "identifier", "name", "message", "now_broken": [{"kind", "scope",
 * "identifier", "name"}]} */
void registry_delete(struct registry *r, const struct registry_caller *who, enum registry_kind kind,
                     const char *scope, const char *id, uint64_t expected, bool force,
                     registry_json_fn *on_done, void *arg);

struct registry_query {
    enum registry_kind kind;
    const char *scope;
    bool below, above;
    const char *tag, *name_has, *after;
    size_t limit;
};
/** registry_list() - a page {"items": [...], "next": cursor or null}, sorted by scope and name; what is
 * bulky (PEM, hosts) is left out of specs.
 * INPUT: a limit that is not 1..STORE_PAGE_MAX, a cursor that is none of ours */
void registry_list(struct registry *r, const struct registry_query *q, registry_text_fn *on_done,
                   void *arg);

/** registry_scopes() - a page of the scopes that have resources: {"items": [{"scope", "resources"}],
 * "next": cursor or null}, by their bytes
 * @tops: NULL-terminated; these scopes and those below them, no others
 * Errors: as registry_list() */
void registry_scopes(struct registry *r, char *const *tops, const char *after, size_t limit,
                     registry_text_fn *on_done, void *arg);
/** registry_status() - how the registry is, counted at and below a scope: {"scope", "store": {"kind",
 * "path", "bytes", "schema_version", "entries", "writable", "error", "whole_at", "refreshed",
 * "away_since"}, "kinds": [{"kind", "resources", "highest_revision", "updated"}], "scopes": number} */
void registry_status(struct registry *r, const char *scope, registry_json_fn *on_done, void *arg);

/** registry_check_only() - validate a body as registry_create() would, store nothing */
void registry_check_only(struct registry *r, enum registry_kind kind, const char *scope,
                         const json_t *body, registry_json_fn *on_done, void *arg);

/** registry_export() - all resources at and below a scope as {"resources": [{"kind", "scope", "name",
 * "identifier", ...}]}, what registry_apply() takes */
void registry_export(struct registry *r, const char *scope, registry_text_fn *on_done, void *arg);

struct registry_apply {
    bool dry_run;
    bool prune; /* delete what is at or below @prune_scope and not in the document */
    const char *prune_scope;
};
/** registry_apply() - make the registry as the document says, in one commit: creates, updates (only
 * what differs), deletes. Result: {"changes": [{"what", "kind", "scope", "identifier", "diff": [...]}],
 * "applied": bool}. Idempotent: a second time has no changes. */
void registry_apply(struct registry *r, const struct registry_caller *who, const json_t *document,
                    const struct registry_apply *how, registry_json_fn *on_done, void *arg);

/**
 * registry_resolve() - an ssh-key with everything it refers to, for use: {"ssh_key": {...},
 * "secrets_manager": {...}|null, "connector": {...}|null, "certificate": {...}|null}
 * DENIED when a part of the chain is broken or not active: it must not be used.
 * registry_resolve_all() - {"items": [...], "logins": [...], "problems": [{"scope", "identifier",
 * "problem"}]}: all ssh-keys that are active; those that cannot be used are told in problems; and in
 * logins the connectors that log in by certificate, likewise, without those that cannot be used
 */
void registry_resolve(struct registry *r, const char *scope, const char *reference,
                      registry_json_fn *on_done, void *arg);
void registry_resolve_all(struct registry *r, registry_json_fn *on_done, void *arg);

/**
 * registry_inventory_read() - hosts of an Ansible inventory (INI or YAML), for an infrastructure's spec
 * @name: the file's; for messages, and .yml or .yaml says what it is
 * @ret:  {"hosts": [{"name", "address"?, "port"?, "tags"?}], "left_out": [{"name", "why"}],
 *        "notes": [text]}; new reference
 * Pure: no program is run, no other file is read.
 * Errors: INPUT ("NAME:LINE: ..."; encrypted with ansible-vault; a program), LIMIT
 */
struct err *registry_inventory_read(const char *name, struct view text, json_t **ret) MUST_CHECK;

/** registry_changed() - somebody changed the store: for the on_changed that it was opened with */
void registry_changed(struct registry *r);
/** registry_watch() - told after every change (ours or the fleet's), coalesced; one watcher */
void registry_watch(struct registry *r, void (*on_change)(void *arg), void *arg);
/** registry_will_tell() - there was a change that the watcher is yet to be told of */
bool registry_will_tell(const struct registry *r);

#endif
