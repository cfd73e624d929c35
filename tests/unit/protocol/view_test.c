/* Two sockets over one set: each has its own list, and signs with nothing else. */
#include "protocol/fixture.h"

static const uint8_t list_request[] = {11};

struct sockets {
    struct fixture f;
    struct protocol_socket *project;
    char path[48];
};

static void put(struct fixture *f, enum ssh_key_type type, const char *scope)
{
    f->conf[type].scope = scope;
    fake_ok(identity_set_put(f->set, &f->conf[type]));
}

static uint32_t count(struct fixture *f)
{
    AUTO(buf_deinit) struct buf reply;

    buf_init(&reply, 0);
    fixture_ask(f, view_of(list_request, 1), &reply);
    struct rd r = rd_of(buf_view(&reply));

    rd_u8(&r);
    return rd_u32(&r);
}

static void go_to(struct sockets *s, bool to_project)
{
    char path[sizeof s->path];

    memcpy(path, s->f.path, sizeof path);
    if (to_project) {
        memcpy(s->f.path, s->path, sizeof path);
    }
    fixture_reconnect(&s->f);
    memcpy(s->f.path, path, sizeof path);
}

static void expect_sign(struct fixture *f, bool signs)
{
    AUTO(buf_deinit) struct buf b;
    AUTO(buf_deinit) struct buf reply;

    buf_init(&b, 0);
    buf_init(&reply, 0);
    fixture_put_p256(f, &b, "s");
    fixture_ask(f, buf_view(&b), &reply);
    assert_int_equal(reply.data[0], signs ? 14 : 5);
}

static void a_socket_shows_its_scope_and_what_is_above(void **state)
{
    struct sockets *s = *state;

    assert_int_equal(count(&s->f), FIXTURE_KEYS);
    go_to(s, true);
    assert_int_equal(count(&s->f), 0);
    put(&s->f, SSH_KEY_RSA, "account");
    put(&s->f, SSH_KEY_P256, "org/a/project/y"); /* sideways */
    put(&s->f, SSH_KEY_P384, "org/a");
    put(&s->f, SSH_KEY_P521, "org/a/project/x");
    assert_int_equal(count(&s->f), 3);
    go_to(s, false);
    assert_int_equal(count(&s->f), FIXTURE_KEYS);
}

static void a_socket_signs_with_what_it_shows(void **state)
{
    struct sockets *s = *state;

    put(&s->f, SSH_KEY_P256, "org/a/project/y");
    expect_sign(&s->f, true);
    go_to(s, true);
    expect_sign(&s->f, false);
    put(&s->f, SSH_KEY_P256, "org/a/project/x"); /* the open connection notices */
    expect_sign(&s->f, true);
    identity_set_remove(s->f.set, "p256");
    expect_sign(&s->f, false);
}

/* One key, two identities: the one that the socket may see counts. */
static void an_identity_elsewhere_does_not_hide_ours(void **state)
{
    struct sockets *s = *state;
    struct identity_conf ours = s->f.conf[SSH_KEY_P256];

    put(&s->f, SSH_KEY_P256, "org/b");
    ours.name = "ours";
    ours.scope = "org/a";
    fake_ok(identity_set_put(s->f.set, &ours));
    go_to(s, true);
    assert_int_equal(count(&s->f), 1);
    expect_sign(&s->f, true);
}

static int set_up(void **state)
{
    static struct sockets s;
    const struct policy_view view = {.scope = "org/a/project/x"};
    int fd = -1;

    fixture_init(&s.f);
    snprintf(s.path, sizeof s.path, "%s/project", s.f.dir);
    fake_ok(io_listen_bind(s.path, &fd));
    fake_ok(protocol_listen(s.f.loop, fd, s.path, &view, s.f.set, &s.f.remote, &s.project));
    *state = &s;
    return 0;
}

static int tear_down(void **state)
{
    struct sockets *s = *state;

    protocol_free(&s->project);
    fixture_deinit(&s->f);
    return 0;
}

#undef TEST
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_socket_shows_its_scope_and_what_is_above),
        TEST(a_socket_signs_with_what_it_shows),
        TEST(an_identity_elsewhere_does_not_hide_ours),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
