#ifndef HF_REGISTRY_AUDIT_H
#define HF_REGISTRY_AUDIT_H

#include "registry/registry.h"

/** For the files of registry/ only: the audit trail, JSON lines that are only ever added to. */
struct registry_audit;

/** registry_audit_new() - nothing is opened yet. NOMEM */
struct err *registry_audit_new(const char *path, struct registry_audit **ret) MUST_CHECK;
void registry_audit_free(struct registry_audit **a);

/** registry_audit_ready() - on the worker, before a change: writes what could not be written before;
 * STORE when the trail cannot be written, and then nothing is to be changed */
struct err *registry_audit_ready(struct registry_audit *a) MUST_CHECK;
/** registry_audit_add() - on the worker: lines, kept for later when they cannot be written now
 * @lines: without line feeds (taken) */
void registry_audit_add(struct registry_audit *a, char **lines);

/** What a line tells. All is borrowed. */
struct registry_event {
    const struct registry_caller *who;
    const char *what; /* "create", "update", "delete", "break" */
    const struct store_key *key;
    const char *name;
    uint64_t before, after; /* revisions; 0: none */
    bool force;
};
/** registry_audit_line() - caller owns; NULL when out of memory. Specs are not in it */
char *registry_audit_line(const struct registry_event *event);

#endif
