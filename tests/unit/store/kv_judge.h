#ifndef HF_TESTS_STORE_KV_JUDGE_H
#define HF_TESTS_STORE_KV_JUDGE_H

/* What the tests with several agents share: whether what stands in Vault is sound, judged by its text and
 * not by what the store says of it; a clock that can be put forward; waiting. */
#include <jansson.h>
#include <time.h>

#include "store/kv_double.h"
#include "store/kv_impl.h"

static inline struct err *open_no_store(struct store **ret)
{
    *ret = NULL;
    return NULL;
}

static inline int fleet_setup(void **state)
{
    suite_open = open_no_store;
    suite.free_gives_up = true;
    return suite_setup(state);
}

static inline struct store *open_agent(struct kv_client *c, const char *copy)
{
    const struct store_kv_ops ops = kv_ops_of(c);
    struct store *s = NULL;

    assert_ok(store_kv_open(suite.loop, &ops, in_folder(copy), NULL, NULL, &s));
    return s;
}

/* --- what stands in Vault --------------------------------------------------------------------------- */

/* NULL when it is absent; the caller owns it. */
static inline json_t *item_at(const char *path)
{
    const struct kv_value *v = kv_find(path);

    return v != NULL && v->text != NULL ? json_loads(v->text, 0, NULL) : NULL;
}

static inline json_t *item_of(const json_t *key)
{
    const struct store_key k =
        key_of(json_string_value(json_array_get(key, 0)), json_string_value(json_array_get(key, 1)),
               json_string_value(json_array_get(key, 2)));
    AUTO(auto_free) char *path = store_kv_path(&k);

    return item_at(path);
}

static inline bool has(const json_t *keys, const json_t *key)
{
    return store_kv_keys_find(keys, key) < json_array_size(keys);
}

static inline const json_t *refs_of(const json_t *item)
{
    return json_object_get(json_object_get(item, "entry"), "refs");
}

/* Both directions: what is referred to exists and knows it, and who is said to refer does. */
static inline void assert_item_is_sound(const char *path)
{
    AUTO(store_kv_json_free) json_t *item = item_at(path);
    AUTO(store_kv_json_free) json_t *own =
        json_pack("[O, O, O]", json_object_get(item, "kind"), json_object_get(item, "scope"),
                  json_object_get(item, "id"));
    const json_t *users = json_object_get(item, "users");

    for (size_t i = 0; i < json_array_size(refs_of(item)); i++) {
        AUTO(store_kv_json_free) json_t *target = item_of(json_array_get(refs_of(item), i));

        if (json_object_get(target, "entry") == NULL ||
            !has(json_object_get(target, "users"), own)) {
            fail_msg("%s has a reference to nothing", path);
        }
    }
    for (size_t i = 0; i < json_array_size(users); i++) {
        AUTO(store_kv_json_free) json_t *user = item_of(json_array_get(users, i));

        if (!has(refs_of(user), own)) {
            fail_msg("%s is said to be used by one that does not", path);
        }
    }
}

static inline bool has_intents(void)
{
    const struct kv_value *v;

    TAILQ_FOREACH(v, &kv.values, next)
    {
        if (v->text != NULL && *v->path != '_' && strstr(v->text, "\"intent\"") != NULL) {
            return true;
        }
    }
    return false;
}

static inline void assert_sound(void)
{
    const struct kv_value *v;

    assert_false(has_intents());
    TAILQ_FOREACH(v, &kv.values, next)
    {
        if (v->text != NULL && *v->path != '_') {
            assert_item_is_sound(v->path);
        }
    }
}

/* --- a clock that can be put forward ---------------------------------------------------------------- */

static int64_t forward_ms;

static inline struct mono forward_mono(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (struct mono){(int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + forward_ms};
}

struct waiting {
    bool (*until)(void);
    struct io_timer *timer;
};

static inline void on_wait(void *arg)
{
    struct waiting *w = arg;

    if (w->until()) {
        stop();
    } else {
        io_timer_set(w->timer, mono_in(1));
    }
}

static inline void wait_until(bool (*until)(void))
{
    struct waiting w = {.until = until};

    w.timer = io_timer_new(suite.loop, on_wait, &w);
    io_timer_set(w.timer, mono_in(1));
    run();
    io_timer_free(&w.timer);
}

static inline bool has_no_intents(void)
{
    return !has_intents();
}

#define FLEET_TEST(f) cmocka_unit_test_setup_teardown(f, fleet_setup, folder_teardown)

#endif
