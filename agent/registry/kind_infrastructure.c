/*
 * Infrastructures: target hosts and the SSH key that they are reached with. They are what connect
 * and run take. Lists show "hosts_count" in place of the hosts.
 */
#include "registry/check.h"

enum { HOSTS_MAX = 10000 };

static const struct registry_member host[] = {
    {"name", REGISTRY_TEXT, .required = true, .min = 1, .max = 253, .check = registry_check_host,
     .about = "what it is called; once in an infrastructure"},
    {"address", REGISTRY_TEXT, .min = 1, .max = 253, .check = registry_check_host,
     .about = "host name or IP address; the name where absent"},
    {"port", REGISTRY_NUMBER, .min = 1, .max = 65535, .about = "the SSH key's port where absent"},
    {"host_key", REGISTRY_TEXT, .min = 1, .max = 16384, .check = registry_check_public_key,
     .about = "its public key; with neither this nor host_ca, known_hosts decides"},
    {"host_ca", REGISTRY_TEXT, .min = 1, .max = 16384, .check = registry_check_public_key,
     .about = "the CA whose host certificates are believed"},
    {"tags", REGISTRY_TEXT, .list = true, .list_max = 32, .min = 1, .max = 256,
     .check = registry_check_tag, .about = "words to select hosts by"},
    {.name = NULL},
};

static const struct registry_member members[] = {
    {"hosts", REGISTRY_OBJECT, .required = true, .list = true, .bulky = true, .list_min = 1,
     .list_max = HOSTS_MAX, .members = host, .about = "target hosts"},
    {"ssh_key", REGISTRY_REFERENCE, .required = true, .to = REGISTRY_SSH_KEY,
     .about = "connection method"},
    {"concurrency", REGISTRY_NUMBER, .min = 1, .max = 50, .preset = "10",
     .about = "hosts at a time"},
    {.name = NULL},
};

static struct err *check_host(const json_t *h, size_t i, json_t *seen)
{
    const char *name = json_string_value(json_object_get(h, "name"));

    if (json_object_get(h, "host_key") != NULL && json_object_get(h, "host_ca") != NULL) {
        return err_new(ERR_INPUT, "/spec/hosts/%zu: give one of host_key and host_ca", i);
    }
    const json_t *before = json_object_get(seen, name);

    if (before != NULL) {
        return err_new(ERR_INPUT, "/spec/hosts/%zu/name: host number %lld has this name too", i,
                       (long long)json_integer_value(before) + 1);
    }
    return json_object_set_new(seen, name, json_integer((json_int_t)i)) == 0 ? NULL : err_nomem();
}

static struct err *check(const json_t *spec)
{
    json_t *seen = json_object();
    struct err *e = seen != NULL ? NULL : err_nomem();
    size_t i;
    json_t *h;

    json_array_foreach(json_object_get(spec, "hosts"), i, h)
    {
        e = e == NULL ? check_host(h, i, seen) : e;
    }
    json_decref(seen);
    return e;
}

static struct err *facts(const json_t *spec, json_t **ret)
{
    size_t n = json_array_size(json_object_get(spec, "hosts"));
    json_t *made = json_pack("{s:I}", "hosts_count", (json_int_t)n);

    if (made == NULL) {
        return err_nomem();
    }
    *ret = made;
    return NULL;
}

const struct registry_kind_row registry_kind_infrastructure = {
    .word = "infrastructure",
    .title = "Infrastructure",
    .members = members,
    .check = check,
    .facts = facts,
};
