#ifndef HF_TESTS_STORE_V1_H
#define HF_TESTS_STORE_V1_H

/* A database of version 1 with some content, as it was then; never to be changed. */
static const char v1[] =
    "PRAGMA application_id = 1212572786;"
    "CREATE TABLE entry ("
    "  n INTEGER PRIMARY KEY,"
    "  kind TEXT NOT NULL, scope TEXT NOT NULL, id TEXT NOT NULL,"
    "  revision INTEGER NOT NULL CHECK (revision > 0),"
    "  name TEXT NOT NULL, body TEXT NOT NULL, lists BLOB NOT NULL,"
    "  created INTEGER NOT NULL, updated INTEGER NOT NULL,"
    "  UNIQUE (kind, scope, id)"
    ") STRICT;"
    "CREATE INDEX entry_page_of_kind ON entry (kind, scope, name, id);"
    "CREATE INDEX entry_page_of_all ON entry (scope, name, id, kind);"
    "CREATE TABLE tag ("
    "  entry INTEGER NOT NULL REFERENCES entry ON DELETE CASCADE,"
    "  place INTEGER NOT NULL, tag TEXT NOT NULL,"
    "  PRIMARY KEY (entry, place)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE reference ("
    "  entry INTEGER NOT NULL REFERENCES entry ON DELETE CASCADE,"
    "  place INTEGER NOT NULL,"
    "  kind TEXT NOT NULL, scope TEXT NOT NULL, id TEXT NOT NULL,"
    "  PRIMARY KEY (entry, place),"
    "  FOREIGN KEY (kind, scope, id) REFERENCES entry (kind, scope, id)"
    "    ON DELETE NO ACTION ON UPDATE NO ACTION DEFERRABLE INITIALLY DEFERRED"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX reference_target ON reference (kind, scope, id);"
    "INSERT INTO entry VALUES (7, 'cert', 'account', 'root', 3, 'Root', 'pem',"
    "  X'000000020000000265750000000470726f6400000000', 1000, 2000);"
    "INSERT INTO entry VALUES (9, 'conn', 'org/a', 'main', 1, 'Main', '{}',"
    "  X'000000010000000470726f64000000010000000463657274000000076163636f756e7400000004726f6f74',"
    "  1500, 1500);"
    "INSERT INTO tag VALUES (7, 0, 'eu'), (7, 1, 'prod'), (9, 0, 'prod');"
    "INSERT INTO reference VALUES (9, 0, 'cert', 'account', 'root');"
    "PRAGMA user_version = 1;";

#endif
