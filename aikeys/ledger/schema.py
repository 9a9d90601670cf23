"""The tables of ledger.db. Calls and acts share one numbering; the rest is made from them.

- `word` and `person` hold every text once. A person's name and salt can be erased, the digest stays.
- `slot` are the columns that reports group by, `context` all texts of a call.
- What of a call is looked for or summed (ids, run, list price, what is in doubt) stands in columns beside its `extra`,
  which has it in the chain. `wide` is the slot without its person.
- Roll-ups, counters and reservations belong to the transaction that writes the entry. Money that is summed stands in
  two halves (money.halves); limits and counters, which are not, are decimal text of pico-USD.
"""

from __future__ import annotations

FORMAT = 2

_SUMS = """requests INTEGER NOT NULL, failed INTEGER NOT NULL, input INTEGER NOT NULL, cache_read INTEGER NOT NULL,
  cache_write INTEGER NOT NULL, output INTEGER NOT NULL, reasoning INTEGER NOT NULL, cost_high INTEGER NOT NULL,
  cost_low INTEGER NOT NULL, list_high INTEGER NOT NULL, list_low INTEGER NOT NULL, doubt_high INTEGER NOT NULL,
  doubt_low INTEGER NOT NULL"""

STATEMENTS = f"""
CREATE TABLE ledger(one INTEGER PRIMARY KEY CHECK(one = 1), format INTEGER NOT NULL, ledger_id BLOB NOT NULL,
  zone TEXT NOT NULL, base INTEGER NOT NULL, base_hash BLOB, hours_from INTEGER NOT NULL) STRICT;
CREATE TABLE entry(
  id INTEGER PRIMARY KEY, at_us INTEGER NOT NULL, phase TEXT NOT NULL, act TEXT NOT NULL, subject TEXT NOT NULL,
  actor BLOB NOT NULL, person BLOB, detail TEXT NOT NULL, status TEXT NOT NULL, intent INTEGER UNIQUE, vault_id BLOB,
  epoch INTEGER, manifest BLOB, facts BLOB NOT NULL, hash BLOB NOT NULL) STRICT;
CREATE INDEX entry_act ON entry(act, at_us);
CREATE INDEX entry_act_id ON entry(act, id);
CREATE INDEX entry_actor ON entry(actor, id);
CREATE INDEX entry_person ON entry(person, id) WHERE person IS NOT NULL;
CREATE INDEX entry_subject ON entry(subject, id);
CREATE TABLE call(
  id INTEGER PRIMARY KEY, at_us INTEGER NOT NULL, settled_us INTEGER NOT NULL, input INTEGER NOT NULL,
  cache_read INTEGER NOT NULL, cache_write_5m INTEGER NOT NULL, cache_write_1h INTEGER NOT NULL,
  output INTEGER NOT NULL, reasoning INTEGER NOT NULL, cost_pusd INTEGER NOT NULL, latency_ms INTEGER NOT NULL,
  first_token_ms INTEGER NOT NULL, corrects INTEGER NOT NULL, source TEXT NOT NULL, status TEXT NOT NULL,
  context INTEGER NOT NULL, extra BLOB NOT NULL, day INTEGER NOT NULL, hash BLOB NOT NULL, reservation BLOB NOT NULL,
  request_id TEXT NOT NULL, message_id TEXT NOT NULL, run TEXT NOT NULL, list_pusd INTEGER NOT NULL,
  doubt_pusd INTEGER NOT NULL) STRICT;
CREATE INDEX call_day ON call(day);
CREATE INDEX call_reservation ON call(reservation) WHERE reservation <> x'';
CREATE INDEX call_request ON call(request_id) WHERE request_id <> '';
CREATE INDEX call_message ON call(message_id) WHERE message_id <> '';
CREATE INDEX call_run ON call(run) WHERE run <> '';
CREATE INDEX call_corrects ON call(corrects) WHERE corrects <> 0;
CREATE TABLE word(id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE person(digest BLOB PRIMARY KEY, name TEXT UNIQUE, salt BLOB) STRICT;
CREATE TABLE slot(id INTEGER PRIMARY KEY, team INTEGER NOT NULL, project INTEGER NOT NULL, environment INTEGER NOT NULL,
  person BLOB NOT NULL, key INTEGER NOT NULL, provider INTEGER NOT NULL, model INTEGER NOT NULL,
  wide INTEGER NOT NULL,
  UNIQUE (team, project, environment, person, key, provider, model)) STRICT;
CREATE TABLE context(id INTEGER PRIMARY KEY, slot INTEGER NOT NULL, token INTEGER NOT NULL, tags INTEGER NOT NULL,
  answered INTEGER NOT NULL, price INTEGER NOT NULL, address BLOB NOT NULL, door INTEGER NOT NULL,
  origin INTEGER NOT NULL, tool INTEGER NOT NULL, digest BLOB NOT NULL UNIQUE) STRICT;
CREATE TABLE rollup_day(day INTEGER, slot INTEGER, source TEXT, {_SUMS}, PRIMARY KEY (day, slot, source))
  STRICT, WITHOUT ROWID;
CREATE TABLE rollup_hour(hour INTEGER, slot INTEGER, source TEXT, {_SUMS}, PRIMARY KEY (hour, slot, source))
  STRICT, WITHOUT ROWID;
CREATE TABLE rollup_token(day INTEGER, token INTEGER, source TEXT, {_SUMS}, PRIMARY KEY (day, token, source))
  STRICT, WITHOUT ROWID;
CREATE TABLE rollup_tag(day INTEGER, tag INTEGER, source TEXT, {_SUMS}, PRIMARY KEY (day, tag, source))
  STRICT, WITHOUT ROWID;
CREATE TABLE rollup_wide(day INTEGER, slot INTEGER, source TEXT, {_SUMS}, PRIMARY KEY (day, slot, source))
  STRICT, WITHOUT ROWID;
CREATE TABLE rollup_month(month INTEGER, slot INTEGER, source TEXT, {_SUMS}, PRIMARY KEY (month, slot, source))
  STRICT, WITHOUT ROWID;
CREATE TABLE rollup_token_hour(hour INTEGER, token INTEGER, source TEXT, {_SUMS}, PRIMARY KEY (hour, token, source))
  STRICT, WITHOUT ROWID;
CREATE TABLE raw_runs(hour INTEGER PRIMARY KEY, runs INTEGER NOT NULL) STRICT;
CREATE TABLE archived_runs(hour INTEGER PRIMARY KEY, runs INTEGER NOT NULL) STRICT;
CREATE TABLE rolled_tag(name TEXT PRIMARY KEY) STRICT;
CREATE TABLE archived(day INTEGER, slot INTEGER, token INTEGER, tags INTEGER, source TEXT, {_SUMS},
  PRIMARY KEY (day, slot, token, tags, source)) STRICT, WITHOUT ROWID;
CREATE TABLE imported(id TEXT PRIMARY KEY, call INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE checkpoint(day INTEGER PRIMARY KEY, number INTEGER NOT NULL, hash BLOB NOT NULL, at_us INTEGER NOT NULL,
  signer BLOB NOT NULL, signature BLOB NOT NULL) STRICT;
CREATE TABLE anchor(vault_id BLOB PRIMARY KEY, epoch INTEGER NOT NULL, digest BLOB NOT NULL) STRICT;
CREATE TABLE token(id TEXT PRIMARY KEY, parent TEXT NOT NULL, revoked_us INTEGER NOT NULL, used_us INTEGER NOT NULL)
  STRICT, WITHOUT ROWID;
CREATE INDEX token_parent ON token(parent);
CREATE TABLE archived_token(id TEXT PRIMARY KEY, parent TEXT NOT NULL, revoked_us INTEGER NOT NULL,
  used_us INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE kept_object(provider TEXT, name TEXT, token TEXT NOT NULL, team TEXT NOT NULL,
  PRIMARY KEY (provider, name)) STRICT, WITHOUT ROWID;
CREATE TABLE open_intent(entry INTEGER PRIMARY KEY, vault_id BLOB NOT NULL, epoch INTEGER NOT NULL) STRICT;
CREATE TABLE budget(id INTEGER PRIMARY KEY, who TEXT NOT NULL, period TEXT NOT NULL, limit_pusd TEXT NOT NULL,
  at_limit TEXT NOT NULL, alerts TEXT NOT NULL, entry INTEGER NOT NULL, UNIQUE (who, period)) STRICT;
CREATE TABLE counter(who TEXT, period TEXT, start INTEGER, spent TEXT NOT NULL, reserved TEXT NOT NULL,
  PRIMARY KEY (who, period, start)) STRICT, WITHOUT ROWID;
CREATE TABLE reservation(id BLOB PRIMARY KEY, at_us INTEGER NOT NULL, process TEXT NOT NULL, context INTEGER NOT NULL,
  pusd INTEGER NOT NULL, day INTEGER NOT NULL) STRICT;
CREATE INDEX reservation_process ON reservation(process);
CREATE TABLE rate(slot INTEGER, who TEXT, requests INTEGER NOT NULL, tokens INTEGER NOT NULL, PRIMARY KEY (slot, who))
  STRICT, WITHOUT ROWID;
CREATE TABLE channel(name TEXT PRIMARY KEY, kind TEXT NOT NULL, settings TEXT NOT NULL, entry INTEGER NOT NULL) STRICT;
CREATE TABLE outbox(id INTEGER PRIMARY KEY, once TEXT NOT NULL, channel TEXT NOT NULL, created_us INTEGER NOT NULL,
  message TEXT NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL, next_us INTEGER NOT NULL,
  error TEXT NOT NULL, UNIQUE (once, channel)) STRICT;
CREATE INDEX outbox_waiting ON outbox(next_us) WHERE state = 'waiting';
"""
