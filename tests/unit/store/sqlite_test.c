/* The contract, on the SQLite store. */
#include "store/suite_commit.h"
#include "store/suite_page.h"
#include "store/suite_tally.h"

static struct err *open_sqlite(struct store **ret)
{
    return store_sqlite_open(suite.loop, in_folder("registry.db"), suite_on_changed, &suite, ret);
}

int main(void)
{
    const struct CMUnitTest tests[] = {SUITE_COMMIT_TESTS, SUITE_PAGE_TESTS, SUITE_TALLY_TESTS};

    suite_open = open_sqlite;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
