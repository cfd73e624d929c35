#ifndef HF_TESTS_PROBE_LOOK_H
#define HF_TESTS_PROBE_LOOK_H

#include <jansson.h>

#include "vault/vault.h"

/* A line cut into pairs; the strings live in the line. */
enum { FIELDS_MAX = 48 };
struct fields {
    size_t n;
    char *name[FIELDS_MAX], *value[FIELDS_MAX];
};

enum { SIGNERS_MAX = 80 };
struct probe {
    struct io_loop *loop;
    struct vault *vault;
    const struct signer *signers[SIGNERS_MAX + 1]; /* NULL-terminated */
    json_t *results;
    long open;
    struct vault_kv *kv; /* owned, and where: */
    char *place;
};

/* vault_probe.c */
const char *probe_find(const struct fields *f, const char *name);
long probe_number(const struct fields *f, const char *name, long otherwise);
json_t *probe_error(const struct err *e);
void probe_done(struct probe *p, json_t *result);
void probe_wait(struct probe *p);
struct vault_conf probe_conf(const struct fields *f); /* probe_conf_deinit() */
void probe_conf_deinit(struct vault_conf *conf);

/* probe_look.c: the commands check, mounts, roles, kv-get, kv-put, kv-delete, kv-list; false: another */
bool probe_look(struct probe *p, const struct fields *f);

#endif
