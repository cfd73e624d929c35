/* Who may do what at which scope: the rule itself, and a foreign user who has a grant. */
#include <grp.h>
#include <sys/wait.h>

#include "control/grants.h"
#include "control/support.h"

static const struct control_grant grants[] = {
    {.uid = 1000, .has_uid = true, .scope = "org/acme", .right = CONTROL_OPERATOR},
    {.uid = 1000, .has_uid = true, .scope = "org/acme/project/web", .right = CONTROL_ADMINISTRATOR},
    {.gid = 50, .has_gid = true, .scope = "account", .right = CONTROL_VIEWER},
    {.uid = 1001,
     .gid = 60,
     .has_uid = true,
     .has_gid = true,
     .scope = "account",
     .right = CONTROL_OPERATOR},
    {.scope = "account", .right = CONTROL_ADMINISTRATOR}, /* to nobody */
};

static enum control_right right_of(uid_t uid, gid_t gid, const char *scope)
{
    const struct control_deps d = {.grants = grants, .grants_n = ARRAY_LEN(grants)};
    gid_t more[] = {7, 60};
    const struct control_peer p = {
        .peer = {.uid = uid, .gid = gid}, .groups = more, .groups_n = uid == 1001 ? 2 : 1};

    return control_right_of(&d, &p, scope);
}

static void test_scopes(void **state)
{
    (void)state;
    assert_int_equal(right_of(1000, 1, "org/acme"), CONTROL_OPERATOR);
    assert_int_equal(right_of(1000, 1, "org/acme/project/db"), CONTROL_OPERATOR);
    assert_int_equal(right_of(1000, 1, "org/acme/project/web"), CONTROL_ADMINISTRATOR);
    assert_int_equal(right_of(1000, 1, "org/acme2"), CONTROL_NOTHING);
    assert_int_equal(right_of(1000, 1, "org/ac"), CONTROL_NOTHING);
    assert_int_equal(right_of(1000, 1, "account"), CONTROL_NOTHING);
    assert_int_equal(right_of(1000, 1, NULL), CONTROL_ADMINISTRATOR);
    assert_int_equal(right_of(1002, 1, NULL), CONTROL_NOTHING);
}

static void test_groups(void **state)
{
    (void)state;
    assert_int_equal(right_of(1003, 50, "org/any"), CONTROL_VIEWER);
    assert_int_equal(right_of(1003, 51, "org/any"), CONTROL_NOTHING);
    assert_int_equal(right_of(1000, 50, "org/acme"), CONTROL_OPERATOR); /* the higher one */
    assert_int_equal(right_of(1001, 1, "account"), CONTROL_OPERATOR);   /* a supplementary group */
    assert_int_equal(right_of(1004, 60, "account"), CONTROL_NOTHING);   /* both have to fit */
}

static void assert_sees(uid_t uid, gid_t gid, const char *const *scopes)
{
    const struct control_deps d = {.grants = grants, .grants_n = ARRAY_LEN(grants)};
    const struct control_peer p = {.peer = {.uid = uid, .gid = gid}};
    AUTO(text_list_free) char **seen = control_scopes_of(&d, &p);

    for (size_t i = 0; scopes[i] != NULL; i++) {
        assert_string_equal(seen[i], scopes[i]);
    }
    assert_int_equal(text_list_len(seen), text_list_len((char *const *)scopes));
}

static void test_scopes_that_are_seen(void **state)
{
    (void)state;
    assert_sees(1000, 1, (const char *const[]){"org/acme", "org/acme/project/web", NULL});
    assert_sees(1003, 50, (const char *const[]){"account", NULL});
    assert_sees(1004, 60, (const char *const[]){NULL});
    assert_sees(geteuid(), 50, (const char *const[]){"account", NULL});
}

static void test_ours(void **state)
{
    (void)state;
    assert_int_equal(right_of(0, 1, "account"), CONTROL_ADMINISTRATOR);
    assert_int_equal(right_of(geteuid(), 1, "account"), CONTROL_ADMINISTRATOR);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(control_right_name(CONTROL_VIEWER), "viewer");
    assert_string_equal(control_right_name(CONTROL_OPERATOR), "operator");
    assert_string_equal(control_right_name(CONTROL_ADMINISTRATOR), "administrator");
}

enum { FOREIGN_UID = 65534, FOREIGN_GROUP = 65000, NOT_CONNECTED = 255, BASE = 399 };

/* As another user: one request; ends with the answer's status - BASE, or 0 for no
 * answer. */
static void be_foreign(const char *request)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const gid_t groups[] = {FOREIGN_GROUP};
    char text[64] = "";

    snprintf(address.sun_path, sizeof address.sun_path, "%s", socket_path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    if (setgroups(1, groups) < 0 || setgid(FOREIGN_UID) < 0 || setuid(FOREIGN_UID) < 0 ||
        connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        _exit(NOT_CONNECTED);
    }
    send(fd, request, strlen(request), MSG_NOSIGNAL);
    _exit(read(fd, text, sizeof text - 1) > 0 ? atoi(text + strlen("HTTP/1.1 ")) - BASE : 0);
}

struct child {
    pid_t pid;
    int status;
};

static bool has_ended(void *arg)
{
    struct child *c = arg;

    return waitpid(c->pid, &c->status, WNOHANG) == c->pid;
}

static int foreign(const char *method, const char *path, const char *sent)
{
    AUTO(auto_free) char *request =
        text_fmt("%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s", method, path,
                 strlen(sent), sent);
    struct child c = {0};

    c.pid = fork();
    if (c.pid == 0) {
        be_foreign(request);
    }
    pump(has_ended, &c);
    assert_true(WIFEXITED(c.status));
    assert_int_not_equal(WEXITSTATUS(c.status), NOT_CONNECTED);
    return WEXITSTATUS(c.status) > 0 ? WEXITSTATUS(c.status) + BASE : 0;
}

static void serve_with(const struct control_grant *g)
{
    control_free(&control);
    io_loop_free(&loop);
    deps.grants = g;
    deps.grants_n = 1;
    start_server();
}

static void test_a_foreign_operator(void **state)
{
    static const struct control_grant g = {
        .gid = FOREIGN_GROUP, .has_gid = true, .scope = "org/acme", .right = CONTROL_OPERATOR};
    struct stat st;

    (void)state;
    if (geteuid() != 0) {
        skip(); /* nobody else's uid can be had */
    }
    serve_with(&g);
    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(stat(socket_path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0666);
    /* what belongs to the account is not shown, nor done */
    assert_int_equal(foreign("GET", "/v1/status", ""), 403);
    assert_int_equal(foreign("POST", "/v1/tokens/demo/unlock", "{}"), 403);
    assert_int_equal(fake.calls, 0);
    assert_int_equal(foreign("POST", "/v1/connect", "{\"user\":\"u\",\"host\":\"h\"}"), 403);
    assert_int_equal(fake.connects, 0);
    assert_int_equal(foreign("POST", "/v1/scopes/org%2Facme/connectors", "{}"), 403);
    assert_int_equal(foreign("GET", "/v1/registry/export", ""), 403);
    assert_int_equal(reg.calls, 0);
    /* of its own scope it may use things; 501 is behind the question of rights */
    without_registry = true;
    serve_with(&g);
    without_registry = false;
    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(foreign("GET", "/v1/scopes/org%2Facme/connectors", ""), 501);
    assert_int_equal(foreign("GET", "/v1/scopes/org%2Facme%2Fproject%2Fx/ssh-keys/y", ""), 501);
    assert_int_equal(foreign("GET", "/v1/scopes/account/connectors", ""), 403);
    assert_int_equal(foreign("GET", "/v1/registry/export?scope=org%2Facme", ""), 501);
    assert_int_equal(
        foreign("POST", "/v1/runs", "{\"scope\":\"org/acme\",\"hosts\":[\"h\"],\"ssh_key\":\"k\"}"),
        501);
    assert_int_equal(foreign("POST", "/v1/runs", "{\"hosts\":[\"h\"],\"ssh_key\":\"k\"}"), 403);
    assert_int_equal(foreign("POST", "/v1/runs",
                             "{\"scope\":\"org/acme\",\"hosts\":[\"h\"],\"identity\":\"web\","
                             "\"user\":\"u\"}"),
                     403);
}

static void test_a_foreign_user_without(void **state)
{
    static const struct control_grant g = {
        .uid = 4242, .has_uid = true, .scope = "account", .right = CONTROL_ADMINISTRATOR};

    (void)state;
    if (geteuid() != 0) {
        skip();
    }
    serve_with(&g);
    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(foreign("GET", "/v1/status", ""), 0); /* closed without a word */
}

static void test_without_grants_the_socket_stays_closed(void **state)
{
    struct stat st;

    (void)state;
    assert_int_equal(stat(socket_path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scopes),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_scopes_that_are_seen),
        cmocka_unit_test(test_ours),
        cmocka_unit_test(test_names),
        TEST(test_a_foreign_operator),
        TEST(test_a_foreign_user_without),
        TEST(test_without_grants_the_socket_stays_closed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
