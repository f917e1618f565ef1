"""The tables of replays in the file of history: a step of its schema."""

from __future__ import annotations

# A row of replays is shown once `message` is there, which is the request.
REPLAYS = """
CREATE TABLE replays (
    replay_id TEXT PRIMARY KEY,
    merchant_id TEXT NOT NULL,
    endpoint_id TEXT NOT NULL DEFAULT '',
    created_us INTEGER NOT NULL DEFAULT 0,
    message TEXT NOT NULL DEFAULT '',
    position INTEGER NOT NULL DEFAULT 0,
    found INTEGER NOT NULL DEFAULT 0,
    resent INTEGER NOT NULL DEFAULT 0,
    taken TEXT NOT NULL DEFAULT '',
    taken_us INTEGER NOT NULL DEFAULT 0,
    status TEXT NOT NULL DEFAULT 'running',
    end_rank INTEGER NOT NULL DEFAULT 0,
    finished_us INTEGER,
    reason TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE INDEX replays_by_endpoint ON replays (merchant_id, endpoint_id, created_us, replay_id);
CREATE INDEX replays_running ON replays (replay_id) WHERE status = 'running';
CREATE INDEX replays_finished ON replays (finished_us) WHERE status != 'running';
CREATE TABLE delivery_rounds (
    delivery_id TEXT NOT NULL,
    round INTEGER NOT NULL,
    replay_id TEXT NOT NULL,
    PRIMARY KEY (delivery_id, round)
) WITHOUT ROWID;
"""
