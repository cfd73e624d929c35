#ifndef IDENTITY_FIXTURE_H
#define IDENTITY_FIXTURE_H

/* An identity set over fake tokens, a fake clock and a real cache folder. */
#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "identity/fake_cert.h"
#include "identity/fake_io.h"
#include "identity/identity.h"

#define WEB_URI "pkcs11:token=demo;object=web"

struct fixture {
    struct remote remote;
    struct remote_key *web, *ca, *other_ca;
    struct signer signer;
    char *principals[3];
    struct identity_want_conf wants[2];
    struct identity_conf conf[2];
    size_t conf_n;
    char dir[32];
    struct identity_set *set;
    unsigned changes;
};

static inline void fixture_on_change(void *arg)
{
    struct fixture *f = arg;

    f->changes++;
}

static inline void fixture_init(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    fake_clock_start();
    f->web = fake_key(&f->remote, SSH_KEY_P256, WEB_URI);
    f->ca = fake_key(&f->remote, SSH_KEY_ED25519, "ca");
    f->other_ca = fake_key(&f->remote, SSH_KEY_ED25519, "other-ca");
    f->signer = (struct signer){.name = "vault", .kind = "vault"};
    f->principals[0] = (char *)"root";
    f->principals[1] = (char *)"deploy";
    f->wants[0] = (struct identity_want_conf){
        .signer = &f->signer,
        .request = {.kind = SSH_CERT_USER,
                    .mount = "ssh",
                    .role = "admin",
                    .principals = f->principals,
                    .ttl_s = 3600},
    };
    f->wants[1] = f->wants[0];
    f->wants[1].request.role = "second";
    f->conf[0] = (struct identity_conf){.name = "web",
                                        .key_uri = WEB_URI,
                                        .offer = IDENTITY_OFFER_BOTH,
                                        .wants = f->wants,
                                        .wants_n = 1};
    f->conf_n = 1;
    strcpy(f->dir, "identity.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
}

static inline void fixture_start(struct fixture *f)
{
    fake_ok(identity_set_new(NULL, &f->remote, f->conf, f->conf_n, f->dir, fixture_on_change, f,
                             &f->set));
}

/* fixture_restart() - as the agent does: what is not in the cache is gone */
static inline void fixture_restart(struct fixture *f)
{
    identity_set_free(&f->set);
    fixture_start(f);
}

static inline void fixture_deinit(struct fixture *f)
{
    DIR *dir;
    struct dirent *entry;

    identity_set_free(&f->set);
    fake_remote_deinit(&f->remote);
    dir = opendir(f->dir);
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        unlinkat(dirfd(dir), entry->d_name, 0);
    }
    closedir(dir);
    rmdir(f->dir);
    clock_set_for_test(NULL, NULL);
}

static inline struct identity_cert *fixture_cert(struct fixture *f)
{
    return identity_cert_at(identity_at(f->set, 0), 0);
}

/* fixture_issue() - what a signer that behaves would send now for the web key */
static inline struct fake_cert fixture_issue(struct fixture *f, int64_t ttl_s)
{
    static uint64_t serial;
    int64_t now = wall_now().s;

    return (struct fake_cert){.key = f->web->public,
                              .ca = f->ca,
                              .principals = {"deploy", "root"},
                              .valid_after = now - 30,
                              .valid_before = now + ttl_s,
                              .serial = ++serial};
}

static inline struct err *fixture_answer(struct fixture *f, const struct fake_cert *c)
{
    AUTO(auto_free) char *line = fake_cert_line(c);

    return identity_cert_answer(fixture_cert(f), view_cstr(line), false);
}

/* fixture_give() - a good certificate of @ttl_s arrives */
static inline void fixture_give(struct fixture *f, int64_t ttl_s)
{
    struct fake_cert c = fixture_issue(f, ttl_s);

    fake_ok(fixture_answer(f, &c));
}

static inline bool fixture_lookup(struct fixture *f, struct view blob, struct identity_use *ret)
{
    return identity_lookup_for(f->set, blob, NULL, NULL, ret);
}

static inline size_t fixture_offers(struct fixture *f)
{
    size_t n = 0;
    uint64_t generation = 0;

    identity_offers(f->set, &n, &generation);
    return n;
}

#endif
