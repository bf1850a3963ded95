-- What is told or given up is kept for a while, and the oldest goes first.
CREATE INDEX events_oldest ON events (created) WHERE state <> 'pending';
